"""Ranges for activations: observed on calibration images, then used for every image.

Weights are known when a file is written; what flows between the layers is not. Static
quantization fixes its ranges from some images beforehand ("calibration"), dynamic
quantization takes them anew for each image while the network runs. A rule says which
range the observed numbers get; all contain 0, so that padding and ReLU are exact.
"""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from labkit.common.registries import Row, chosen, registry
from labkit.model.fake_quant import ActivationGrid
from labkit.model.network import Network
from labkit.quantize.range_rules import RANGES

PIXEL_BITS = 8
PERCENTILE = 99.9
FLOAT32_BYTES = 4
ROOM = 1 << 26  # bytes of activations at a time
_BINS, _SHRINKS = 2048, np.linspace(0.1, 1.0, 91)

Ends = tuple[float, float]


def minmax_range(values: np.ndarray, bits: int) -> Ends:
    """From the least to the greatest value, widened to contain 0.

    >>> minmax_range(np.array([0.5, 2.0]), bits=8)
    (0.0, 2.0)
    """
    return min(float(values.min()), 0.0), max(float(values.max()), 0.0)


def percentile_range(values: np.ndarray, bits: int) -> Ends:
    """Without the outermost 0.1 % at each end, widened to contain 0.

    Where nearly all values are 0 and these ends are too, they are the outermost.

    >>> lo, hi = percentile_range(np.arange(1001.0), bits=8)    # 1000 is beyond it
    >>> round(lo, 3), round(hi, 3)
    (0.0, 999.0)
    """
    lo, hi = np.percentile(values, [100 - PERCENTILE, PERCENTILE])
    lo, hi = min(float(lo), 0.0), max(float(hi), 0.0)
    return (lo, hi) if hi > lo else minmax_range(values, bits)


def least_squares_range(values: np.ndarray, bits: int) -> Ends:
    """The range, shrunk by one factor at both ends, with the least squared error.

    91 factors from 0.1 to 1 are tried on a histogram of 2,048 bins, each of whose
    values is taken to lie at the middle of its bin.
    """
    lo, hi = minmax_range(values, bits)
    if hi - lo < np.finfo(np.float32).tiny:  # no room for 2,048 bins
        return lo, hi
    counts, edges = np.histogram(values, _BINS, (lo, hi))
    middles = (edges[:-1] + edges[1:]) / 2
    errors = []
    for shrink in _SHRINKS:
        scale = shrink * (hi - lo) / (2**bits - 1)
        inside = np.clip(middles, shrink * lo, shrink * hi)
        rounded = np.rint(inside / scale) * scale
        errors.append(float(np.sum(counts * (middles - rounded) ** 2)))
    best = float(_SHRINKS[int(np.argmin(errors))])
    return best * lo, best * hi


RULES = registry(
    Row(
        "minmax",
        RANGES["minmax"].text,
        "From the least to the greatest value.",
        minmax_range,
    ),
    Row(
        "percentile",
        RANGES["percentile"].text,
        "Without the outermost 0.1 % at each end.",
        percentile_range,
    ),
    Row(
        "least_squares",
        RANGES["least_squares"].text,
        "Shrunk at both ends to the least squared error.",
        least_squares_range,
    ),
)


def calibrate(
    network: Network,
    images: np.ndarray,
    bits: int,
    rule: str = "minmax",
    kept: Sequence[str] = (),
) -> dict[str, ActivationGrid]:
    """Layer with a kernel -> the grid of what it reads, from what it reads on `images`.

    images: as `Network.predict` takes them; calibration images, not test images.
    bits: 2 to 16. kept: layers whose inputs get 8 bits instead. The first layer is left
    out: it reads the network's input as it comes, and pixels have 8 bits anyway.
    Raises ValueError for an unknown rule or layer, or no images.
    """
    range_of = chosen("rule", rule, RULES)
    if not len(images):
        raise ValueError("there are no images to calibrate on: give at least one")
    unknown = set(kept) - set(network.kernels)
    if unknown:
        raise ValueError(f"kept names no layer with a kernel: {sorted(unknown)}")
    grids = {}
    for name, values in layer_inputs(network, images):
        width = PIXEL_BITS if name in kept else bits
        lo, hi = range_of(values, width)
        # A layer that reads zeros alone needs no certain range, but some range.
        grids[name] = ActivationGrid(lo, hi if hi > lo else 1.0, width)
    return grids


def layer_inputs(
    network: Network, images: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Each inner layer, and what it reads: float32 (n, …), n at least 1.

    The network runs once for as many layers as have room together.
    """
    groups, room = [[]], 0
    for name in inner_layers(network):
        size = FLOAT32_BYTES * len(images) * _numbers_read(network, name)
        if room + size > ROOM and groups[-1]:
            groups.append([])
            room = 0
        groups[-1].append(name)
        room += size
    for names in filter(None, groups):
        yield from network.inner_activations(images, names).items()


def _numbers_read(network: Network, name: str) -> int:
    """How many numbers a layer reads of one image."""
    source = network.layer(network.layer(name).inputs[0])
    return prod(source.output_shape)


def inner_layers(network: Network) -> list[str]:
    """The layers with a kernel that read another layer's output, not the pixels.

    A layer that reads the pixels through a flatten or a pad reads pixels.
    """
    reads_pixels, found = {"input"}, []
    for layer in network.layers:
        moved = layer.kernel_shape is None and layer.kind in _MOVING
        sources = [name for name in layer.inputs if name in reads_pixels]
        if moved and sources:
            reads_pixels.add(layer.name)
        elif layer.kernel_shape is not None and not sources:
            found.append(layer.name)
    return found


_MOVING = {"RESHAPE", "PAD", "SHAPE", "STRIDED_SLICE", "PACK", "TRANSPOSE"}


def fake_quantize_activations(
    network: Network,
    images: np.ndarray,
    bits: int,
    rule: str = "minmax",
    kept: Sequence[str] = (),
) -> Network:
    """The network with what its layers read rounded in the graph, see `calibrate`.

    For bits without a kernel (3 or 4): it shows the accuracy, and is no faster.
    """
    return network.fake_quantize_inputs(calibrate(network, images, bits, rule, kept))
