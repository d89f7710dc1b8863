"""Cross-layer equalization: share the weights' ranges between two layers.

ReLU lets a positive factor pass: relu(s x) = s relu(x). So channel i of one layer can
be divided by s_i, and the next layer's weights that read it multiplied by s_i: the two
layers together compute the same. With one scale for a whole tensor a channel of small
weights gets few of the grid's codes. The factors that give channel i the same range in
both layers, s_i = sqrt(r1_i / r2_i), make the sum over the channels of the product of
their precisions as large as it can be (a precision: the channel's range by the
tensor's).

Nagel et al. 2019, arXiv:1906.04721, sec. 4.1. It happens before quantizing, and needs
no images.
"""

from collections.abc import Sequence

import numpy as np

from labkit.compress.repair.pairs import Pair, obstacles, pairs, partner
from labkit.model.graph import NetworkError
from labkit.model.network import Network

_ROUNDS, _SETTLED = 100, 1e-3


def equalizing_factors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """s = sqrt(r1 / r2) for each channel; 1 where a layer does not use the channel.

    first, second: the channel's largest magnitude in the first and in the second
    layer's weights, float (channels,), not negative.

    >>> first, second = np.array([8.0, 1.0, 0.0]), np.array([2.0, 4.0, 1.0])
    >>> equalizing_factors(first, second).tolist()
    [2.0, 0.5, 1.0]
    """
    used = (first > 0) & (second > 0)
    ratio = np.divide(first, second, out=np.ones(len(first)), where=used)
    return np.sqrt(ratio)


def equalize(network: Network, layers: Sequence[str] | None = None) -> Network:
    """The same function with equal ranges of weights in each pair of layers.

    layers: the first layers of the pairs to equalize, or None for every pair that
    `labkit.compress.repair.pairs.pairs` finds. In a chain of layers one pair undoes a
    little of another, so all are repeated until no factor differs from 1 by more than
    0.1 %. The outputs change by float rounding only. Raises NetworkError where a named
    layer is in no pair, or no layer is: the text says what is in the way.
    """
    if layers is None:
        found = pairs(network)
    else:
        found = tuple(Pair(layer, partner(network, layer)) for layer in layers)
    if not found:
        reasons = "; ".join(obstacles(network).values())
        raise NetworkError(f"there is no pair of layers to equalize: {reasons}")
    weights = {name: w.astype(np.float64) for name, w in network.weights.items()}
    for _ in range(_ROUNDS):
        factors = [_equalize_pair(network, weights, pair) for pair in found]
        if max(np.abs(s - 1).max() for s in factors) < _SETTLED:
            break
    return network.with_weights(weights)


def _equalize_pair(network: Network, weights: dict, pair: Pair) -> np.ndarray:
    """Scale the two layers in `weights`, and return the factors."""
    factors = equalizing_factors(*_ranges(network, weights, pair))
    axis = _output_axis(network, pair.first)
    along = [1] * weights[f"{pair.first}/kernel"].ndim
    along[axis] = -1
    weights[f"{pair.first}/kernel"] /= factors.reshape(along)
    if f"{pair.first}/bias" in weights:
        weights[f"{pair.first}/bias"] /= factors
    read = _channel_read(network, pair)
    weights[f"{pair.second}/kernel"] *= factors[read]
    return factors


def _ranges(network: Network, weights, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    axis = _output_axis(network, pair.first)
    kernel = np.abs(np.moveaxis(weights[f"{pair.first}/kernel"], axis, 0))
    first = kernel.reshape(len(kernel), -1).max(axis=1)
    second = np.zeros_like(first)
    columns = np.abs(weights[f"{pair.second}/kernel"])
    columns = columns.reshape(-1, columns.shape[-1]).max(axis=0)
    np.maximum.at(second, _channel_read(network, pair), columns)
    return first, second


def _output_axis(network: Network, layer: str) -> int:
    return 3 if network.layer(layer).kind == "DEPTHWISE_CONV_2D" else 0


def _channel_read(network: Network, pair: Pair) -> np.ndarray:
    """For each place of the second kernel's last axis: the channel that it multiplies.

    Behind a flatten the channels repeat, place by place; a depthwise kernel has its
    outputs there, several for a channel.
    """
    first, second = network.layer(pair.first), network.layer(pair.second)
    channels = first.kernel_shape[_output_axis(network, pair.first)]
    width = second.kernel_shape[-1]
    if second.kind == "DEPTHWISE_CONV_2D":
        return np.arange(width) // (width // channels)
    return np.arange(width) % channels
