"""A layer's weights and the grids they are rounded to, as the histogram shows them."""

import numpy as np

from labkit.common.cache import cached
from labkit.model.network import Network
from labkit.packed.compressed import Compressed
from labkit.plots.histogram import Grid, Histogram
from labkit.quantize.affine import largest_code, sqnr_db
from labkit.quantize.codebook import CodebookTensor
from labkit.quantize.symmetric import Quantized

BINS = 100


def histogram(network: Network, compressed: Compressed, layer: str) -> Histogram:
    """The weights of one layer of `network`, and the grid it has in `compressed`.

    Raises ValueError for a layer without a kernel.
    """
    kernels = network.kernels
    if layer not in kernels:
        raise ValueError(
            f"there is no layer {layer!r}: choose from {', '.join(kernels)}"
        )
    w = kernels[layer]
    counts, edges = _counts(network, layer)
    quantized = compressed.quantized.get(layer)
    if quantized is None:
        return Histogram(layer, edges, counts, (), np.inf, 0)
    w_hat = compressed.network.kernels[layer]
    return Histogram(
        layer,
        edges,
        counts,
        grids(quantized),
        float(sqnr_db(w, w_hat)),
        clipped(w, quantized),
    )


@cached
def _counts(network: Network, layer: str) -> tuple[np.ndarray, np.ndarray]:
    return np.histogram(network.kernels[layer], BINS)


def grids(quantized: Quantized | CodebookTensor) -> tuple[Grid, ...]:
    """The tensor's grid, or those of its groups with the largest and smallest step.

    Groups of zeros, which need no grid, are left out.
    """
    order = np.argsort(quantized.scale, axis=None)
    if quantized.granularity == "tensor":
        return (_grid(quantized, order[0], "the values it can take"),)
    name = quantized.granularity
    finest = next(g for g in order if _used(quantized, g))
    coarsest = next(g for g in order[::-1] if _used(quantized, g))
    return (
        _grid(quantized, coarsest, f"coarsest {name}"),
        _grid(quantized, finest, "finest"),
    )


def _used(quantized: Quantized | CodebookTensor, group: int) -> bool:
    return bool(quantized.members(quantized.q, group).any())


def _grid(quantized: Quantized | CodebookTensor, group: int, name: str) -> Grid:
    values = quantized.grid(int(group))
    listed = () if isinstance(quantized, Quantized) else tuple(values.tolist())
    return Grid(name, float(values[0]), float(values[-1]), len(values), listed)


def clipped(w: np.ndarray, quantized: Quantized | CodebookTensor) -> int:
    """How many weights lie more than half a step beyond their grid's ends.

    >>> from labkit.quantize import quantize
    >>> q = quantize([[0.1, 0.2, 0.9, 1.0]], bits=2)    # can be -1, 0, 1
    >>> clipped(np.array([[1.4, 1.6, -1.4, -1.6]]), q)
    2
    """
    groups, rows = quantized.groups, quantized.groups.rows(w)
    scale = groups.spread(quantized.scale) * np.float32(1 + 1e-6)
    low, high = _reach(quantized)
    return int((rows < low * scale).sum() + (rows > high * scale).sum())


def _reach(quantized: Quantized | CodebookTensor) -> tuple[np.float32, np.float32]:
    """Half a step below the lowest level and above the highest, in scales."""
    if isinstance(quantized, Quantized):
        end = np.float32(largest_code(quantized.bits) + 0.5)
        return -end, end
    levels = np.unique(quantized.levels[np.isfinite(quantized.levels)])
    steps = np.diff(levels) / 2 if len(levels) > 1 else np.zeros(1, np.float32)
    return levels[0] - steps[0], levels[-1] + steps[-1]
