"""Batch-norm re-estimation, for files in which batch normalization is folded.

Batch normalization was trained to give each channel a certain mean and deviation. Its
stored statistics are those of the float weights; with rounded or pruned weights a
channel comes out shifted and stretched, and re-estimating the statistics on some images
normalizes it again (Hubara et al. 2020, arXiv:2006.10518, on batch-norm tuning).

A .tflite file has no batch normalization left: it is folded into the kernel and the
bias of the convolution before it. What is done here is the folded form. On calibration
images each channel's outputs, before the activation function, get the mean m and the
deviation d that they have in the float network, where m_hat and d_hat were found:

    y = g (w_hat x + b_hat - m_hat) + m,    g = d / d_hat

The gain g goes into the channel's scales and the rest into its bias. The codes stay.
It works for layers that never had batch normalization too. In a pruned network the gain
goes into the weights that are left; zeros stay zeros.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from labkit.compress.repair.statistics import (
    assembled,
    biased_layers,
    channel_statistics,
)
from labkit.model.network import Network
from labkit.packed.compressed import Compressed
from labkit.packed.storages import Sparse, sparse
from labkit.quantize.codebook import CodebookTensor
from labkit.quantize.symmetric import Quantized

# A deviation below this part of the layer's largest is float rounding.
_CONSTANT = 1e-6
PARTS = "kernel", "bias"


def reestimate_batch_norm(
    network: Network, compressed: Compressed, images: np.ndarray
) -> Compressed:
    """Give each channel the mean and deviation of the float network, layer by layer.

    network: the float network that `compressed` was made from. images: calibration
    images, as the network takes them. A layer is measured with the layers before it
    repaired already. A tensor with one scale gets one for each channel, 4 bytes each;
    otherwise the packed file keeps its length, as a pruned one does. A channel that is
    constant in either network keeps its scale. Raises ValueError for a layer without
    bias, or no images.
    """
    quantized = dict(compressed.quantized)

    def stretched(
        layer: str, kernel: np.ndarray, gain: np.ndarray
    ) -> np.ndarray | None:
        if layer not in quantized:
            return None
        quantized[layer] = rescaled(quantized[layer], gain)
        return quantized[layer].decode()

    repaired = _normalized(network, compressed.network, images, stretched)
    return assembled(repaired, quantized)


def reestimate_channels(
    network: Network,
    changed: Network,
    images: np.ndarray,
    channels: Mapping[str, np.ndarray] | None = None,
) -> Network:
    """The same for float weights, as those of a pruned network; a zero stays zero.

    network: the float network that `changed` was made from. images: calibration images.
    channels: layer -> which of its channels in `network` are left in `changed`, in
    their order; None, or a layer left out, for all. The gain goes into each channel's
    weights. Raises ValueError for a layer without bias, or no images.
    """

    def stretched(layer: str, kernel: np.ndarray, gain: np.ndarray) -> np.ndarray:
        axis = 3 if network.layer(layer).kind == "DEPTHWISE_CONV_2D" else 0
        return np.moveaxis(np.moveaxis(kernel, axis, -1) * gain, -1, axis)

    return _normalized(network, changed, images, stretched, channels or {})


def _normalized(
    network: Network,
    changed: Network,
    images: np.ndarray,
    stretched: Callable[[str, np.ndarray, np.ndarray], np.ndarray | None],
    channels: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Network:
    """`changed` with the means and deviations of `network`, layer by layer.

    stretched: layer, its kernel and the channels' gains -> the kernel times the gains,
    or None for one that has to stay as it is. channels: as for `reestimate_channels`.
    """
    for layer in biased_layers(changed):
        wanted = channel_statistics(network, images, layer).of(channels.get(layer))
        found = channel_statistics(changed, images, layer)
        gain = _gain(wanted.deviation, found.deviation)
        kernel, bias = (changed.weights[f"{layer}/{part}"] for part in PARTS)
        kernel = stretched(layer, kernel, gain)
        if kernel is None:
            gain = np.ones_like(gain)
        changes = {f"{layer}/bias": gain * (bias - found.mean) + wanted.mean}
        if kernel is not None:
            changes[f"{layer}/kernel"] = kernel
        changed = changed.with_weights(changes)
    return changed


def rescaled(
    quantized: Quantized | CodebookTensor | Sparse, gain: np.ndarray
) -> Quantized | CodebookTensor | Sparse:
    """The same codes, or zeros, with each output channel multiplied by a gain.

    gain: float (channels,), above 0. One scale for the tensor becomes one a channel.
    Scales that were powers of two are so no longer. Of a pruned kernel the weights are
    multiplied, dense (out, in) or convolution (out, height, width, in).

    >>> codes = np.array([[1, -1], [1, 0]], np.int8)
    >>> tensor = Quantized(codes, np.ones(1, np.float32), bits=2, granularity="tensor")
    >>> rescaled(tensor, np.array([1.0, 0.5])).decode().tolist()
    [[1.0, -1.0], [0.5, 0.0]]
    """
    gain = np.asarray(gain, np.float32)
    if isinstance(quantized, Sparse):
        each_output = gain.reshape(-1, *[1] * (quantized.w.ndim - 1))
        return sparse(quantized.w * each_output, quantized.storage)
    if quantized.granularity == "block":
        return replace(quantized, scale=quantized.scale * gain[:, None])
    return replace(quantized, scale=quantized.scale * gain, granularity="channel")


def _gain(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    least = _CONSTANT * wanted.max()
    varies = (wanted > least) & (found > least)
    return np.divide(wanted, found, out=np.ones(len(found)), where=varies).astype("f4")
