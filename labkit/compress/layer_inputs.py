"""What the weights of a layer are multiplied with: its inputs, seen from the kernel.

A dense layer multiplies each row of its kernel with the inputs as they are; a
convolution multiplies each filter with every window of the image, so that one weight
meets as many numbers as there are positions.
"""

from collections.abc import Iterator

import numpy as np

from labkit.integer.load import load
from labkit.integer.windows import Windows, chunks
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.prune.curvature import DAMPING, damped
from labkit.prune.scores import CRITERIA

HESSIAN_KINDS = CRITERIA["surgeon"].kinds  # whose outputs share their inputs
_IMAGES_AT_ONCE = 50  # of resnet20's inputs to all layers: 40 MB


def input_norms(network: Network, images: np.ndarray) -> dict[str, np.ndarray]:
    """Layer -> the Euclidean norm of what each weight is multiplied with.

    images: calibration images, as the network takes them, at least one. The sum of the
    squares goes over images and, in a convolution, over positions; the padding counts
    as the zeros that it is. Returns float64, of each kernel's shape without the first
    axis: dense (in,), convolution (height, width, in), depthwise (height, width,
    channels). Raises ValueError for no images.
    """
    if not len(images):
        raise ValueError("there are no images to observe: give at least one")
    squares = {}
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        batch = images[start : start + _IMAGES_AT_ONCE]
        for layer, inputs in _inputs(network, batch).items():
            summed = np.square(inputs, dtype=np.float64).sum(axis=0, keepdims=True)
            squares[layer] = squares.get(layer, 0.0) + summed
    return {
        layer: np.sqrt(_summed_over_places(network, layer, squared))
        for layer, squared in squares.items()
    }


def layer_hessian(
    network: Network, images: np.ndarray, layer: str, damping: float = DAMPING
) -> np.ndarray:
    """`labkit.prune.hessian` of a dense layer or a convolution of the network.

    images: calibration images, as the network takes them. Returns float64 (in, in); for
    a convolution `in` is height * width * in of its kernel, the order of
    kernel.reshape(len(kernel), -1). Raises NetworkError for a layer without a kernel,
    or a depthwise one, whose channels have different inputs; ValueError for no images
    or inputs that are 0 all over.
    """
    products = (rows.T @ rows for rows in _rows(network, images, layer))
    h = sum(2 * product.astype(np.float64) for product in products)
    if not np.any(h):
        raise ValueError(
            f"the inputs of {layer} are 0 all over: give images that it responds to"
        )
    return damped(h, damping)


def _inputs(network: Network, images: np.ndarray) -> dict[str, np.ndarray]:
    """Layer -> its inputs, of all layers with a kernel in one run."""
    first = [name for name in network.kernels if "input" in network.layer(name).inputs]
    inner = [name for name in network.kernels if name not in first]
    found = dict.fromkeys(first, network.as_inputs(images))
    if inner:
        found |= network.inner_activations(images, inner)
    return {name: found[name] for name in network.kernels}


def _summed_over_places(
    network: Network, layer: str, squared: np.ndarray
) -> np.ndarray:
    """Squares of the inputs (1, …) -> their sums over the positions of each weight."""
    windows = _windows(network, layer)
    if windows is None:
        return squared.reshape(network.kernels[layer].shape[1:])
    taps = [tap.sum(axis=(0, 1, 2)) for tap in windows.taps(squared)]
    return np.reshape(taps, network.kernels[layer].shape[1:])


def _rows(network: Network, images: np.ndarray, layer: str) -> Iterator[np.ndarray]:
    """The vectors that each output's weights are multiplied with, float32 (n, in)."""
    if network.layer(layer).kind not in HESSIAN_KINDS:
        raise NetworkError(
            f"layer {layer} is {network.layer(layer).kind}: choose a dense layer or a "
            "convolution"
        )
    windows, width = _windows(network, layer), network.kernels[layer][0].size
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        batch = images[start : start + _IMAGES_AT_ONCE]
        inputs = network.activations(batch, layer)
        if windows is None:
            yield inputs.reshape(-1, width)
            continue
        positions = np.prod(windows.output_lengths(inputs))
        for part in chunks(len(inputs), int(positions) * width * inputs.itemsize):
            yield windows.view(inputs[part]).reshape(-1, width)


def _windows(network: Network, layer: str) -> Windows | None:
    """The windows of a convolution; None for a dense layer."""
    shape = network.kernels[layer].shape
    if len(shape) == 2:
        return None
    position = network.layers.index(network.layer(layer))
    operation = load(network.to_bytes(), "single").operations[position]
    return Windows.of(operation, *shape[1:3])
