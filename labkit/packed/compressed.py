"""A compressed network: the packed file, and the network that it decodes to."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from labkit.common.cache import cached
from labkit.model import probe
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.model.vouched import vouch
from labkit.packed import codec
from labkit.packed.bit_packing import CodecError
from labkit.packed.storages import Sparse
from labkit.quantize.codebook import CodebookTensor
from labkit.quantize.symmetric import Quantized

Kernel = Quantized | CodebookTensor | Sparse


@dataclass(frozen=True, eq=False)
class Compressed:
    """One position of the slider.

    network: the float network with the decoded weights. packed: the packed file, which
    `unpack` turns into that network again. quantized: layer name -> its kernel's codes
    and scales, `Quantized` on the uniform grid and `CodebookTensor` on others, or its
    `Sparse` values where it is pruned; the layers left out, and every bias, are kept as
    float32.
    """

    network: Network
    packed: bytes
    quantized: Mapping[str, Kernel]

    @property
    def size_bytes(self) -> int:
        """The length of the packed file, header, graph, scales and biases included."""
        return len(self.packed)


def pack(network: Network, quantized: Mapping[str, Kernel]) -> bytes:
    """The packed file of a network: some kernels compressed, all else as float32.

    quantized: layer name -> its kernel, as in `Compressed.quantized`. Raises CodecError
    for a file that could not be read again: see `codec.encode`.
    """
    tensors = dict(network.weights)
    tensors |= {f"{name}/kernel": tensor for name, tensor in quantized.items()}
    return vouch(codec.encode(_skeleton(network), tensors))


def unpack(packed: bytes | str | os.PathLike) -> Network:
    """The network in a packed file: `Compressed.network` again, byte for byte.

    packed: the file, or its path. Raises CodecError as `read_packed` does.
    """
    return read_packed(packed).network


def read_packed(packed: bytes | str | os.PathLike) -> Compressed:
    """A packed file as what it was made from: the network, and compressed kernels.

    packed: the file, of any origin, or its path. It is read and run in a child process
    first, as `Network.load` does, unless this process made it, has checked it before,
    or has it from the zoo. Raises CodecError for a file that cannot be used.
    """
    if isinstance(packed, bytes):
        return _read(packed)
    try:
        return _read(probe.read(packed))
    except NetworkError as error:
        raise CodecError(str(error)) from error
    except CodecError as error:
        raise CodecError(f"{Path(packed).name} was not opened: {error}") from error


def _read(packed: bytes) -> Compressed:
    codec.checked_body(packed)  # an accident needs no child
    if complaint := probe.complaint(packed):
        raise CodecError(complaint)
    return opened(packed)


def opened(packed: bytes) -> Compressed:
    """As `read_packed`, for the bytes of a trusted file: nothing is run.

    Raises CodecError for a file that contradicts itself.
    """
    skeleton, tensors = codec.decode(packed)
    try:
        return _opened(packed, Network.from_bytes(skeleton), tensors)
    except NetworkError as error:
        raise CodecError(f"the network in the packed file: {error}") from error


def _opened(
    packed: bytes, skeleton: Network, tensors: Mapping[str, codec.Tensor]
) -> Compressed:
    if set(tensors) != set(skeleton.weights):
        raise CodecError("the tensors of the packed file are not those of its graph")
    weights, quantized = {}, {}
    for name, tensor in tensors.items():
        if isinstance(tensor, np.ndarray):
            weights[name] = tensor
        else:
            with np.errstate(all="ignore"):  # a scale may be anything
                weights[name] = tensor.decode()
            quantized[name.removesuffix("/kernel")] = tensor
    network = skeleton.with_weights(weights)
    return Compressed(network, packed, MappingProxyType(quantized))


@cached
def _skeleton(network: Network) -> bytes:
    return network.skeleton()
