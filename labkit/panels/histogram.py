"""A layer's weights and the grids they are rounded to, as the histogram shows them."""

import numpy as np

from labkit.compress import Compressed
from labkit.network import Network
from labkit.panels.memo import Memo
from labkit.plots.quantization import Grid, Histogram
from labkit.quantize import Quantized, sqnr_db

BINS = 100
_COUNTS = Memo(64)


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
    counts, edges = _COUNTS.get((network.digest, layer), lambda: np.histogram(w, BINS))
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
        clipped(w, w_hat, quantized),
    )


def grids(quantized: Quantized) -> tuple[Grid, ...]:
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


def _used(quantized: Quantized, group: int) -> bool:
    return bool(quantized.members(quantized.q, group).any())


def _grid(quantized: Quantized, group: int, name: str) -> Grid:
    values = quantized.grid(int(group))
    return Grid(name, float(values[0]), float(values[-1]), len(values))


def clipped(w: np.ndarray, w_hat: np.ndarray, quantized: Quantized) -> int:
    """How many weights lie more than half a step beyond their grid's ends."""
    largest = 2 ** (quantized.bits - 1) - 1
    at_end = np.abs(quantized.q) == largest
    reach = np.abs(w_hat[at_end]) * (1 + 0.5 / largest)
    return int((np.abs(w[at_end]) > reach * (1 + 1e-6)).sum())
