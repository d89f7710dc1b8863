"""A whole network compressed: the packed file, and the network that it decodes to.

What no runtime has a format for (5 bits, a scale for each block of a convolution) is
measured in two files of the same weights: the decoded float file is run for its
accuracy, the packed file is counted for its bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from labkit import codec
from labkit.network import Network
from labkit.quantize import Quantized, quantize

# A position holds a float file and a packed one: at most 2.6 MB for the lab's networks.
_POSITIONS, _SKELETONS, _TENSORS = 8, 4, 96


@dataclass(frozen=True, eq=False)
class Compressed:
    """One position of the slider.

    network: the float network with the decoded weights. packed: the packed file, which
    `unpack` turns into that network again. quantized: layer name -> its kernel's codes
    and scales; the layers left out, and every bias, are kept as float32.
    """

    network: Network
    packed: bytes
    quantized: Mapping[str, Quantized]

    @property
    def size_bytes(self) -> int:
        """The length of the packed file, header, graph, scales and biases included."""
        return len(self.packed)


def quantize_network(
    network: Network,
    bits: int,
    granularity: str = "tensor",
    rule: str = "minmax",
    layers: tuple[str, ...] | None = None,
) -> Compressed:
    """Quantize the kernels of some layers, or of all where `layers` is None.

    bits, granularity, rule: as for `labkit.quantize.quantize`. layers: names as in
    `network.kernels`. Results are cached by content: the network's digest and the
    settings. Raises ValueError for an unknown layer, a setting out of range, or kernels
    that are not float32.
    """
    names = tuple(network.kernels)
    unknown = [name for name in layers or () if name not in names]
    if unknown:
        raise ValueError(
            f"there is no layer {unknown[0]!r} with a kernel: choose from "
            f"{', '.join(names)}"
        )
    chosen = tuple(name for name in names if layers is None or name in layers)
    content = _Content(network.digest, network)
    return _compressed(content, bits, granularity, rule, chosen)


def pack(network: Network, quantized: Mapping[str, Quantized]) -> bytes:
    """The packed file of a network: some kernels as codes, everything else as float32.

    quantized: layer name -> its kernel's codes, as in `Compressed.quantized`.
    """
    tensors = dict(network.weights)
    tensors |= {f"{name}/kernel": tensor for name, tensor in quantized.items()}
    return codec.encode(_skeleton(_Content(network.digest, network)), tensors)


def unpack(packed: bytes) -> Network:
    """The network in a packed file: `Compressed.network` again, byte for byte.

    Raises CodecError for a damaged file.
    """
    skeleton, tensors = codec.decode(packed)
    weights = {
        name: tensor.decode() if isinstance(tensor, Quantized) else tensor
        for name, tensor in tensors.items()
    }
    return Network.from_skeleton(skeleton, weights)


@dataclass(frozen=True)
class _Content:
    """A network as a cache key: equal where the files are."""

    digest: str
    network: Network = field(compare=False)


@lru_cache(maxsize=_POSITIONS)
def _compressed(
    content: _Content, bits: int, granularity: str, rule: str, layers: tuple[str, ...]
) -> Compressed:
    network = content.network
    quantized = {
        name: _quantized(content, name, bits, granularity, rule) for name in layers
    }
    decoded = {f"{name}/kernel": tensor.decode() for name, tensor in quantized.items()}
    return Compressed(
        network=network.with_weights(decoded),
        packed=pack(network, quantized),
        quantized=MappingProxyType(quantized),
    )


@lru_cache(maxsize=_TENSORS)
def _quantized(
    content: _Content, layer: str, bits: int, granularity: str, rule: str
) -> Quantized:
    kernel = content.network.kernels[layer]
    if kernel.dtype != np.float32:
        raise ValueError(
            f"the kernel of {layer} is {kernel.dtype}: quantize the float32 network"
        )
    depthwise = content.network.layer(layer).kind == "DEPTHWISE_CONV_2D"
    return quantize(kernel, bits, granularity, rule, axis=3 if depthwise else 0)


@lru_cache(maxsize=_SKELETONS)
def _skeleton(content: _Content) -> bytes:
    return content.network.skeleton()
