"""What a layer computes before its activation function, and its mean and deviation."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from labkit.model import flatbuffer
from labkit.model.network import Network
from labkit.packed.compressed import Compressed, pack
from labkit.packed.storages import Sparse
from labkit.quantize.codebook import CodebookTensor
from labkit.quantize.symmetric import Quantized

_IMAGES_AT_ONCE = 500  # of resnet20's widest layer: 33 MB


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """Mean and standard deviation of each output channel, float64 (channels,)."""

    mean: np.ndarray
    deviation: np.ndarray

    def of(self, channels: np.ndarray | None) -> "ChannelStatistics":
        """Those of some channels, by their numbers; None: of all."""
        if channels is None:
            return self
        return ChannelStatistics(self.mean[channels], self.deviation[channels])


def channel_statistics(
    network: Network, images: np.ndarray, layer: str
) -> ChannelStatistics:
    """Mean and deviation of w x + b over images and places, for each channel.

    Before the layer's activation function. The deviation is the population's (divided
    by n). Raises ValueError for no images or a layer without weights, NetworkError for
    one that is not there.
    """
    if not len(images):
        raise ValueError("there are no images to observe: give at least one")
    cut = _ending_before_activation(network, layer)
    count, total, squares = 0, 0.0, 0.0
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        outputs = cut.predict(images[start : start + _IMAGES_AT_ONCE])
        rows = outputs.reshape(-1, outputs.shape[-1])
        count += len(rows)
        total = total + rows.sum(axis=0, dtype=np.float64)
        squares = squares + np.square(rows, dtype=np.float64).sum(axis=0)
    mean = total / count
    # Rounding can bring the variance of a constant channel below 0.
    variance = np.maximum(squares / count - mean**2, 0.0)
    return ChannelStatistics(mean, np.sqrt(variance))


def assembled(
    network: Network, quantized: Mapping[str, Quantized | CodebookTensor | Sparse]
) -> Compressed:
    """A repaired network and its codes as one position, packed anew.

    network: float, its kernels the decoded ones. quantized: layer name -> codes, or the
    kernel without its zeros.
    """
    codes = MappingProxyType(dict(quantized))
    return Compressed(network, pack(network, codes), codes)


def biased_layers(network: Network) -> list[str]:
    """The layers with a kernel, in the order they run.

    Raises ValueError if one has no bias: a repair has nowhere to put its shift then.
    """
    for layer in network.kernels:
        if f"{layer}/bias" not in network.weights:
            raise ValueError(
                f"layer {layer} has no bias to correct: give it one of zeros when the "
                "network is built"
            )
    return list(network.kernels)


def _ending_before_activation(network: Network, layer: str) -> Network:
    """The network up to one layer, without that layer's activation function."""
    if network.layer(layer).kernel_shape is None:
        raise ValueError(
            f"layer {layer} has no weights: choose from {', '.join(network.kernels)}"
        )
    model = flatbuffer.unpack(network.to_bytes())
    graph = model.subgraphs[0]
    position = network.layers.index(network.layer(layer))
    operator = graph.operators[position]
    operator.builtinOptions.fusedActivationFunction = flatbuffer.NO_ACTIVATION
    graph.operators = graph.operators[: position + 1]
    graph.outputs = [operator.outputs[0]]
    model.signatureDefs = []
    return Network.from_bytes(flatbuffer.pack(model))
