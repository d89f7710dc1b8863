"""Compressed weights <-> bytes: one self-contained packed file for a whole network.

All numbers are little-endian. The file is

    8 bytes   the magic, b"LABPACK1"
    32 bytes  the sha256 of everything after it
    4 + n     length and deflated JSON header: what tensors follow, in order
    4 + n     length and deflated skeleton: the model file without its weights
    the rest  for each tensor its codes packed to their bit width, then the levels that
              were found from its weights, if so, and its scales as float32; or, where
              it is pruned, length and body of its storage (`labkit.packed`); or, where
              it is neither, its values as float32

The same input gives the same bytes, with one version of zlib. The checksum guards
against accidents alone, so the reader trusts no number of the header: what it makes of
a file is bounded before it is made, by `bit_packing.room` and the constants here.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from math import prod

import numpy as np

from labkit.common.children import one_line
from labkit.packed.bit_packing import (
    CodecError,
    pack_bits,
    packed_size,
    room,
    unpack_bits,
)
from labkit.packed.storages import Sparse, body, from_body, sparse
from labkit.quantize.codebook import CodebookTensor, parameter_counts, restored
from labkit.quantize.granularity import BLOCK, GRANULARITIES, Granularity
from labkit.quantize.level_grids import EVEN
from labkit.quantize.symmetric import Quantized

MAGIC = b"LABPACK1"
_CHECKSUM_END = len(MAGIC) + hashlib.sha256().digest_size
_LENGTH = struct.Struct("<I")
MOST_HEADER_BYTES = 1 << 18  # some thousand tensors
MOST_NAME_CHARACTERS, MOST_AXES = 200, 8
_SIDES = range(1 << 31)

UNIFORM = EVEN.name
_GRANULARITIES = tuple(GRANULARITIES)  # their numbers in a file

Tensor = Quantized | CodebookTensor | Sparse | np.ndarray


def payload_bytes(tensor: Tensor) -> int:
    """How many bytes a tensor takes in the file.

    Codes, levels that were found from the weights, and scales; or places and values of
    what is not 0; or float32 values.

    >>> codes, scale = np.array([[1, -1, 0]], np.int8), np.ones(1, np.float32)
    >>> payload_bytes(Quantized(codes, scale, bits=2, granularity="tensor"))
    5
    """
    if isinstance(tensor, np.ndarray):
        return 4 * tensor.size
    if isinstance(tensor, Sparse):
        return len(body(tensor.w, tensor.storage))
    numbers = sum(array.size for array in _parameters(tensor))
    return packed_size(tensor.bits, tensor.q.size) + 4 * numbers


def encode(skeleton: bytes, tensors: Mapping[str, Tensor]) -> bytes:
    """A model file without its weights, and its weights -> one packed file.

    tensors: name -> Quantized, Coded, Sparse or float array (kept as float32), in the
    order given. Raises CodecError for what `decode` would refuse: more than the bounds
    of this module, or weights that take much more memory than the file.
    """
    entries = [_entry(name, tensor) for name, tensor in tensors.items()]
    header = json.dumps(entries, separators=(",", ":")).encode()
    body = b"".join(
        [
            _framed(zlib.compress(header, 9)),
            _framed(_deflated(skeleton)),
            *map(_payload, tensors.values()),
        ]
    )
    try:
        _check_sizes(len(header), len(skeleton), entries, len(body))
    except ValueError as error:
        raise CodecError(f"these tensors cannot be packed: {error}") from error
    return MAGIC + hashlib.sha256(body).digest() + body


def decode(file: bytes) -> tuple[bytes, dict[str, Tensor]]:
    """A packed file -> the skeleton, and name -> tensor, arrays as float32.

    Exactly what was encoded. Raises CodecError for a file that is truncated, changed,
    not of this format, or says more than its bytes may unpack to.
    """
    body = checked_body(file)
    try:
        with np.errstate(all="ignore"):
            return _parsed(body)
    except Exception as error:  # whatever bytes that we did not write make it do
        raise CodecError(
            f"the packed file of {len(file):,} bytes has the right checksum but does "
            f"not decode ({one_line(error)}): it was written by another program"
        ) from error


def checked_body(file: bytes) -> bytes:
    """What follows the checksum of a packed file; CodecError where that is wrong."""
    if file[: len(MAGIC)] != MAGIC:
        raise CodecError("the file does not start as a packed file of this lab does")
    checksum, body = file[len(MAGIC) : _CHECKSUM_END], file[_CHECKSUM_END:]
    if hashlib.sha256(body).digest() != checksum:
        raise CodecError(
            f"the packed file of {len(file):,} bytes is truncated or changed (wrong "
            "sha256): write or copy it again"
        )
    return body


def _entry(name: str, tensor: Tensor) -> list:
    """One line of the header: name, shape, and for codes what `_quantized` takes.

    What has its usual value is left out at the end.
    """
    entry = [name, list(tensor.shape)]
    if isinstance(tensor, np.ndarray):
        return entry
    if isinstance(tensor, Sparse):
        return [*entry, tensor.storage]
    entry += [tensor.bits, _GRANULARITIES.index(tensor.granularity), tensor.axis]
    if isinstance(tensor, CodebookTensor):
        return [*entry, tensor.block, tensor.kind]
    return entry if tensor.block == BLOCK else [*entry, tensor.block]


def _payload(tensor: Tensor) -> bytes:
    if isinstance(tensor, np.ndarray):
        return tensor.astype("<f4").tobytes()
    if isinstance(tensor, Sparse):
        return _framed(body(tensor.w, tensor.storage))
    codes = pack_bits(tensor.q, tensor.bits, signed=isinstance(tensor, Quantized))
    numbers = [array.astype("<f4").tobytes() for array in _parameters(tensor)]
    return codes + b"".join(numbers)


def _parameters(tensor: Quantized | CodebookTensor) -> tuple[np.ndarray, ...]:
    """The float32 arrays in the file beside the codes."""
    return tensor.parameters if isinstance(tensor, CodebookTensor) else (tensor.scale,)


def _framed(content: bytes) -> bytes:
    return _LENGTH.pack(len(content)) + content


@lru_cache(maxsize=4)  # a slider packs the same skeleton again and again
def _deflated(skeleton: bytes) -> bytes:
    return zlib.compress(skeleton, 9)


def _check_sizes(header: int, skeleton: int, entries: list, body: int) -> None:
    """Raise ValueError where a file of `body` bytes says more than it may.

    header, skeleton: inflated bytes. entries: the header's list.
    """
    if header > MOST_HEADER_BYTES:
        raise ValueError(f"the header has more than {MOST_HEADER_BYTES:,} bytes")
    if skeleton > room(body):
        raise ValueError(f"the model takes more than {room(body):,} bytes")
    if not isinstance(entries, list):
        raise ValueError("the header is not a list of tensors")
    for entry in entries:
        _check_entry(entry)
    if len({name for name, *_ in entries}) < len(entries):
        raise ValueError("two tensors have one name")
    # A side of 0 must not hide the others.
    weights = sum(prod(max(side, 1) for side in shape) for _, shape, *_ in entries)
    if 4 * weights > room(body):
        raise ValueError(
            f"the tensors take {4 * weights:,} bytes where {body:,} may unpack to "
            f"{room(body):,}"
        )


def _check_entry(entry: object) -> None:
    """Raise ValueError unless it is a name, a shape and some numbers and words."""
    if not isinstance(entry, list) or len(entry) < 2:
        raise ValueError("an entry of the header has no name and shape")
    name, shape, *kind = entry
    if not isinstance(name, str) or len(name) > MOST_NAME_CHARACTERS:
        raise ValueError(f"a name is not of at most {MOST_NAME_CHARACTERS} characters")
    sides = shape if isinstance(shape, list) and len(shape) <= MOST_AXES else [-1]
    if not all(type(side) is int and side in _SIDES for side in sides):
        raise ValueError(f"a shape is not of at most {MOST_AXES} whole numbers")
    words = [word for word in kind if isinstance(word, str) and len(word) <= 20]
    numbers = [x for x in kind if type(x) is int and abs(x) in _SIDES]
    if len(words) + len(numbers) < len(kind):
        raise ValueError("an entry of the header has more than numbers and words")


def _parsed(body: bytes) -> tuple[bytes, dict[str, Tensor]]:
    reader = _Reader(body)
    header = reader.inflated(MOST_HEADER_BYTES)
    entries = json.loads(header)
    skeleton = reader.inflated(room(len(body)))
    _check_sizes(len(header), len(skeleton), entries, len(body))
    tensors = {name: _tensor(reader, *entry) for name, *entry in entries}
    if reader.position != len(body):
        raise ValueError(f"{len(body) - reader.position} bytes follow the last tensor")
    return skeleton, tensors


def _tensor(reader: "_Reader", shape: list[int], *kind) -> Tensor:
    """The next tensor of the file: an array where the header says no more of it."""
    if not kind:
        return reader.floats(shape)
    if isinstance(kind[0], str):
        (storage,) = kind
        return sparse(from_body(reader.framed(), tuple(shape), storage), storage)
    return _quantized(reader, shape, *kind)


def _quantized(
    reader: "_Reader",
    shape: list[int],
    bits: int,
    granularity: int,
    axis: int,
    block: int = BLOCK,
    kind: str = UNIFORM,
) -> Quantized | CodebookTensor:
    groups = Granularity(tuple(shape), _GRANULARITIES[granularity], axis, block)
    count = prod(shape)
    packed = reader.take(packed_size(bits, count))
    q = unpack_bits(packed, bits, count, signed=kind == UNIFORM).reshape(shape)
    if kind == UNIFORM:
        scale = reader.floats(groups.scale_shape)
        return Quantized(q, scale, bits, groups.granularity, axis, block)
    counts = parameter_counts(kind, bits, groups)
    return restored(q, kind, bits, groups, *(reader.floats((n,)) for n in counts))


class _Reader:
    """Takes the parts of a file one after the other, never past its end."""

    def __init__(self, body: bytes):
        self.body = body
        self.position = 0

    def take(self, size: int) -> bytes:
        end = self.position + size
        if not self.position <= end <= len(self.body):
            left = len(self.body) - self.position
            raise ValueError(f"{size} bytes wanted, {left} left")
        self.position, start = end, self.position
        return self.body[start:end]

    def framed(self) -> bytes:
        (size,) = _LENGTH.unpack(self.take(_LENGTH.size))
        return self.take(size)

    def inflated(self, most: int) -> bytes:
        stream = zlib.decompressobj()
        content = stream.decompress(self.framed(), most + 1)
        if len(content) > most:
            raise ValueError(f"a deflated part holds more than {most:,} bytes")
        if not stream.eof or stream.unused_data:
            raise ValueError("a deflated part does not end where it should")
        return content

    def floats(self, shape: tuple[int, ...]) -> np.ndarray:
        values = np.frombuffer(self.take(4 * prod(shape)), "<f4")
        return values.astype(np.float32).reshape(shape)
