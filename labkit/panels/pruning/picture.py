"""A layer's weights and mask, as the pruning panel's picture shows them."""

from math import ceil

import numpy as np

from labkit.common.cache import cached
from labkit.model.network import Network
from labkit.panels.pruning.plot import Cut, MaskMap
from labkit.prune.thresholds import threshold_of

BINS = 101  # an odd number, so that a bin lies about 0
MOST_KERNELS = 64  # drawn weight by weight
MOST_SIDES = (77, 124)  # squares that a map has at most, down and across


def cut(network: Network, layer: str, kept: np.ndarray, by_size: bool) -> Cut:
    """The weights of one layer of `network`, and those that the mask `kept` removes.

    by_size: whether the mask removes those of the smallest size in this layer.
    """
    w = network.kernels[layer]
    counts, edges = _counts(network, layer)
    removed, _ = np.histogram(w[~kept], edges)
    threshold = threshold_of(np.abs(w), kept) if by_size else None
    return Cut(layer, edges, counts, removed, threshold)


@cached
def _counts(network: Network, layer: str) -> tuple[np.ndarray, np.ndarray]:
    w = network.kernels[layer]
    reach = float(np.abs(w).max())
    return np.histogram(w, BINS, (-reach, reach))


def mask_map(network: Network, layer: str, kept: np.ndarray) -> MaskMap:
    """A mask as a picture: of what it is, the layer's shape decides.

    A dense layer on an image: the image, each pixel with the fraction of the units that
    keep it. A convolution of at most MOST_KERNELS kernels: each kernel, weight by
    weight. Other convolutions: a square a kernel. Other dense layers: the matrix, in
    squares of several weights where it is large. Of outputs and inputs, the more
    numerous go across.
    """
    side = round(kept.shape[-1] ** 0.5)
    if kept.ndim == 2 and layer == next(iter(network.kernels)) and _square(kept):
        pixels = kept.mean(axis=0).reshape(side, side)
        text = f"{side}×{side} pixels"
        return MaskMap(pixels, text, f"each read by {len(kept)} units")
    if kept.ndim == 2:
        return _matrix(kept)
    if len(kept) * kept.shape[-1] <= MOST_KERNELS:
        return _kernels(kept)
    text = _directions("filters", kept)
    return MaskMap(_lying(kept.mean(axis=(1, 2))), text, "a square a kernel")


def _square(kept: np.ndarray) -> bool:
    return round(kept.shape[1] ** 0.5) ** 2 == kept.shape[1]


def _lying(matrix: np.ndarray) -> np.ndarray:
    """The matrix (outputs, inputs), its longer side across."""
    return matrix if len(matrix) <= matrix.shape[1] else matrix.T


def _directions(outputs: str, kept: np.ndarray) -> str:
    ends = (kept.shape[-1], "inputs"), (len(kept), outputs)
    across, down = ends if ends[0][0] >= ends[1][0] else ends[::-1]
    return f"{across[0]} {across[1]} across, {down[0]} {down[1]} down"


def _matrix(kept: np.ndarray) -> MaskMap:
    """A dense layer's mask, several weights a square where there are many."""
    lying = _lying(kept)
    block = max(
        ceil(side / most) for side, most in zip(lying.shape, MOST_SIDES, strict=True)
    )
    square = f"{block}×{block} weights a square" if block > 1 else "a square a weight"
    return MaskMap(_block_means(lying, block), _directions("units", kept), square)


def _block_means(values: np.ndarray, side: int) -> np.ndarray:
    """Means over squares of `side`; those at the edges may be smaller.

    >>> _block_means(np.array([[1, 0, 1], [1, 0, 0]]), 2).tolist()
    [[0.5, 0.5]]
    """
    starts = [np.arange(0, length, side) for length in values.shape]

    def sums(of: np.ndarray) -> np.ndarray:
        rows = np.add.reduceat(of.astype(np.float64), starts[0], axis=0)
        return np.add.reduceat(rows, starts[1], axis=1)

    return sums(values) / sums(np.ones(values.shape))


def _kernels(kept: np.ndarray) -> MaskMap:
    """Few kernels, weight by weight, a gap between two of them."""
    outputs, height, width, inputs = kept.shape
    text = _directions("filters", kept)
    kernels = kept.transpose(3, 0, 1, 2).astype(float)
    if inputs == 1:  # one row of them would be thin
        text = f"{outputs} filters of {height}×{width}"
        kernels = _wrapped(kernels[0])
    rows, across = kernels.shape[:2]
    tiles = np.full((rows, height + 1, across, width + 1), np.nan)
    tiles[:, :height, :, :width] = kernels.transpose(0, 2, 1, 3)
    flat = tiles.reshape(rows * (height + 1), across * (width + 1))
    return MaskMap(flat[:-1, :-1], text, "a square a weight")


def _wrapped(kernels: np.ndarray) -> np.ndarray:
    """Kernels (n, …) in rows of about the map's shape, NaN where none is left."""
    across = ceil((len(kernels) * MOST_SIDES[1] / MOST_SIDES[0]) ** 0.5)
    rows = ceil(len(kernels) / across)
    blank = np.full((rows * across, *kernels.shape[1:]), np.nan)
    blank[: len(kernels)] = kernels
    return blank.reshape(rows, across, *kernels.shape[1:])
