"""Real numbers to small integers and back: the arithmetic, numpy only.

A grid (affine or symmetric, or any list of levels), the group of weights that shares a
scale, the rule that says how far the grid reaches, and the rounding. Arrays go in,
arrays or `Quantized` and `CodebookTensor` come out; networks are
`labkit.compress.quantized`'s.
"""

from labkit.quantize.aciq import gauss_clip, laplace_clip
from labkit.quantize.affine import (
    MAX_BITS,
    affine_grid,
    affine_params,
    clip_error,
    code_type,
    dequantize_affine,
    fake_quantize,
    largest_code,
    quantize_affine,
    roundoff_error,
    six_db_rule,
    sqnr_db,
)
from labkit.quantize.clipping import (
    SOURCES,
    expected_clip_error,
    gauss,
    grid_sqnr_db,
    measured,
    noise,
    optimum,
)
from labkit.quantize.codebook import (
    CodebookTensor,
    level_gradient,
    parameter_counts,
    quantize_to_levels,
    restored,
    with_levels,
)
from labkit.quantize.float_formats import to_bits
from labkit.quantize.granularity import (
    BLOCK,
    BLOCKS,
    GRANULARITIES,
    Granularity,
    checked,
)
from labkit.quantize.group_rules import squared_error
from labkit.quantize.kl_calibration import kl_clip
from labkit.quantize.kmeans import (
    cube_root_start,
    linear_start,
    lloyd,
    middles,
    nearest,
)
from labkit.quantize.level_grids import GRIDS, ternary_scale
from labkit.quantize.optima import centroids, scales
from labkit.quantize.range_rules import RANGES, range_rule
from labkit.quantize.rounding import (
    ROUNDINGS,
    bias_and_variance,
    half_away,
    round_to_integers,
)
from labkit.quantize.symmetric import Quantized, quantize, quantize_per_tensor

__all__ = [
    "BLOCK",
    "BLOCKS",
    "GRANULARITIES",
    "GRIDS",
    "MAX_BITS",
    "RANGES",
    "ROUNDINGS",
    "SOURCES",
    "CodebookTensor",
    "Granularity",
    "Quantized",
    "affine_grid",
    "affine_params",
    "bias_and_variance",
    "centroids",
    "checked",
    "clip_error",
    "code_type",
    "cube_root_start",
    "dequantize_affine",
    "expected_clip_error",
    "fake_quantize",
    "gauss",
    "gauss_clip",
    "grid_sqnr_db",
    "half_away",
    "kl_clip",
    "laplace_clip",
    "largest_code",
    "level_gradient",
    "linear_start",
    "lloyd",
    "measured",
    "middles",
    "nearest",
    "noise",
    "optimum",
    "parameter_counts",
    "quantize",
    "quantize_affine",
    "quantize_per_tensor",
    "quantize_to_levels",
    "range_rule",
    "restored",
    "round_to_integers",
    "roundoff_error",
    "scales",
    "six_db_rule",
    "sqnr_db",
    "squared_error",
    "ternary_scale",
    "to_bits",
    "with_levels",
]
