"""Weights on a grid of any levels: quantized, decoded, and their levels trained.

The twin of `labkit.quantize.symmetric` for the grids of `labkit.quantize.level_grids`.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from labkit.common.arguments import finite
from labkit.common.registries import chosen
from labkit.quantize.granularity import BLOCK, Granularity, checked
from labkit.quantize.grouped_codes import GroupedCodes
from labkit.quantize.level_grids import GRIDS, Grid


@dataclass(frozen=True, eq=False)
class CodebookTensor(GroupedCodes):
    """A weight tensor as codes that look up levels: w_hat = scale * levels[q].

    >>> coded = quantize_to_levels([[0.25, -1.0, 0.25]], "binary", bits=1)
    >>> coded.q.tolist(), coded.decode().tolist()    # codes 0 and 1 for -1 and 1
    ([[1, 0, 1]], [[0.5, -0.5, 0.5]])
    >>> quantize_to_levels([[0.5, -4.0]], "power_of_two", bits=3).grid().tolist()
    [-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0]

    q: the codes, uint8 in the shape of the weights. scale: float32, in the shapes of
    `Quantized.scale`; 0 for a group of zeros. levels: float32, (at most 2**bits,), what
    each code stands for. kind: the grid's name in GRIDS. bits: of one code.
    """

    q: np.ndarray
    scale: np.ndarray
    levels: np.ndarray
    kind: str
    bits: int
    granularity: str
    axis: int = 0
    block: int = BLOCK

    @property
    def parameters(self) -> tuple[np.ndarray, np.ndarray]:
        """The levels and the scales that a file must hold, float32 (n,), n may be 0.

        >>> coded = quantize_to_levels([[1.0, 2.0]], "kmeans", bits=2)
        >>> [a.size for a in coded.parameters]
        [4, 0]
        """
        levels, scales = parameter_counts(self.kind, self.bits, self.groups)
        return self.levels[:levels], self.scale.ravel()[:scales]

    @property
    def unscaled(self) -> np.ndarray:
        """levels[q]."""
        return self.levels[self.q]

    @property
    def levels_of_grid(self) -> np.ndarray:
        """The finite levels, each once, ascending float32."""
        return np.unique(self.levels[np.isfinite(self.levels)])


def quantize_to_levels(
    w: np.ndarray,
    kind: str,
    bits: int,
    granularity: str = "tensor",
    axis: int = 0,
    *,
    block: int = BLOCK,
) -> CodebookTensor:
    """Weights -> the codes of the nearest levels of a grid of GRIDS.

    w, granularity, axis, block: as for `labkit.quantize.quantize`. bits: one that the
    grid has. Raises ValueError outside these.

    >>> coded = quantize_to_levels([[0.9, -1.1, 0.1, 0.0]], "ternary", bits=2)
    >>> coded.q.tolist(), coded.scale.tolist()    # levels -1, 0, 1 have codes 0, 1, 2
    ([[2, 0, 1, 1]], [1.0])
    """
    grid, w = grid_of(kind, bits), checked(w)
    groups = Granularity(w.shape, granularity, axis, block)
    scale = groups.scales(w, lambda part: grid.scale(part, bits))
    unit = groups.rows(w) / groups.spread(np.where(scale > 0, scale, np.float32(1)))
    levels = grid.levels(bits, unit)
    q = groups.tensor(grid.assign(unit, levels))
    return _frozen(
        CodebookTensor(q, scale, levels, kind, int(bits), granularity, axis, block)
    )


def restored(
    q: np.ndarray, kind: str, bits: int, groups: Granularity, *parameters: np.ndarray
) -> CodebookTensor:
    """The tensor of `groups.shape` with these codes and `CodebookTensor.parameters`.

    Raises ValueError for a grid or a width that there is not, and for codes that stand
    for no finite level.
    """
    grid, (levels, scale) = grid_of(kind, bits), parameters
    if not grid.trained:
        levels = grid.levels(bits, np.empty(0, np.float32))
    if q.size and not (q.max() < levels.size and np.isfinite(levels[q]).all()):
        raise ValueError(f"codes without a level on the grid {kind!r}")
    if not scale.size:
        scale = np.ones(1, np.float32)
    scale = scale.reshape(groups.scale_shape)
    where = groups.granularity, groups.axis, groups.block
    return _frozen(CodebookTensor(q, scale, levels, kind, bits, *where))


def parameter_counts(kind: str, bits: int, groups: Granularity) -> tuple[int, int]:
    """How many levels and how many scales a file holds for a tensor.

    Levels where they were found from the weights; then the scale of a single group is 1
    and left out.

    >>> parameter_counts("kmeans", 4, Granularity((300, 100), "channel"))
    (16, 300)
    """
    scales = math.prod(groups.scale_shape)
    if not grid_of(kind, bits).trained:
        return 0, scales
    return 2**bits, scales if scales > 1 else 0


def level_gradient(coded: CodebookTensor, gradient: np.ndarray) -> np.ndarray:
    """The gradient of the loss by each level, from the one by each weight.

    w_hat_i = scale_i * levels[q_i], so it is the sum of scale_i * gradient_i over the
    weights of a level. gradient: finite, of w_hat's shape (else ValueError). Returns
    float64, (levels,). With scale 1 it is the centroids' gradient of Han et al. 2016,
    arXiv:1510.00149, eq. 3 and fig. 3.

    >>> coded = quantize_to_levels([[1.0, 1.0, 5.0, 5.0]], "kmeans", bits=1)
    >>> level_gradient(coded, np.array([[0.5, 0.25, 1.0, -3.0]])).tolist()
    [0.75, -2.0]
    """
    gradient = finite("gradient", gradient)
    if gradient.shape != coded.shape:
        raise ValueError(f"gradient is {gradient.shape}, the weights {coded.shape}")
    groups = coded.groups
    slope = groups.rows(np.asarray(gradient, np.float64)) * groups.spread(coded.scale)
    codes = groups.rows(coded.q).ravel()
    return np.bincount(codes, weights=slope.ravel(), minlength=coded.levels.size)


def with_levels(coded: CodebookTensor, levels: np.ndarray) -> CodebookTensor:
    """The same codes for other levels, those after a step of training.

    levels: finite, as many as before. Raises ValueError outside these, and for grids
    whose levels are fixed.

    >>> coded = quantize_to_levels([[1.0, 1.0, 5.0, 5.0]], "kmeans", bits=1)
    >>> with_levels(coded, coded.levels - [0.5, 0]).decode().tolist()
    [[0.5, 0.5, 5.0, 5.0]]
    """
    levels = np.array(finite("levels", levels), np.float32)
    if levels.shape != coded.levels.shape:
        raise ValueError(f"levels are {levels.shape}: give {coded.levels.shape}")
    if not GRIDS[coded.kind].trained:
        raise ValueError(f"the levels of the grid {coded.kind!r} are fixed")
    return _frozen(replace(coded, levels=levels))


def grid_of(kind: str, bits: int) -> Grid:
    """The grid of that name, or ValueError where there is none of so many bits."""
    grid = chosen("grid", kind, GRIDS)
    bit_widths = grid.bits
    if bits not in bit_widths or isinstance(bits, bool):
        raise ValueError(
            f"bits is {bits!r}: the grid {kind!r} has {', '.join(map(str, bit_widths))}"
        )
    return grid


def _frozen(coded: CodebookTensor) -> CodebookTensor:
    for array in (coded.q, coded.scale, coded.levels):
        array.flags.writeable = False
    return coded
