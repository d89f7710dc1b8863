"""Compressed weights <-> bytes: one self-contained packed file for a whole network.

All numbers are little-endian. The file is

    8 bytes   the magic, b"LABPACK1"
    32 bytes  the sha256 of everything after it
    4 + n     length and deflated JSON header: what tensors follow, in order
    4 + n     length and deflated skeleton: the model file without its weights
    the rest  for each tensor its codes packed to their bit width, then its scales as
              float32; or, where it is not quantized, its values as float32

The same input gives the same bytes, with one version of zlib.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from math import prod

import numpy as np

from labkit.quantize import (
    GRANULARITIES,
    Quantized,
    code_type,
    largest_code,
    scale_shape,
)

MAGIC = b"LABPACK1"
_CHECKSUM_END = len(MAGIC) + hashlib.sha256().digest_size
_LENGTH = struct.Struct("<I")
_LARGEST_INFLATED = 1 << 28

Tensor = Quantized | np.ndarray


class CodecError(Exception):
    """The bytes are not a packed file, or a damaged one; the text says which."""


def pack_bits(q: np.ndarray, bits: int) -> bytes:
    """Signed codes -> their low `bits` bits, one after the other without gaps.

    q: integers from -2**(bits-1) to 2**(bits-1) - 1, any shape, in C order. bits: 2 to
    16. A code is written as two's complement, least significant bit first, from the
    least significant bit of each byte upwards; the last byte is filled with zeros.
    Returns ceil(q.size * bits / 8) bytes. Raises ValueError for codes that do not fit.

    >>> pack_bits(np.array([1, -2, -1, 0]), bits=2).hex()    # 01, 10, 11, 00 from below
    '39'
    """
    qmax = largest_code(bits)
    q = np.asarray(q).ravel()
    if q.size and (q.min() < -qmax - 1 or q.max() > qmax):
        raise ValueError(f"q has codes outside {-qmax - 1} .. {qmax}: give more bits")
    codes = np.ascontiguousarray(q, _stored_type(bits))
    if bits in (8, 16):
        return codes.tobytes()
    planes = np.unpackbits(codes.view(np.uint8), bitorder="little")
    kept = planes.reshape(q.size, 8 * codes.itemsize)[:, :bits]
    return np.packbits(kept, bitorder="little").tobytes()


def unpack_bits(packed: bytes, bits: int, n: int) -> np.ndarray:
    """The n codes that `pack_bits` packed, int8 (up to 8 bits) or int16, (n,).

    Raises CodecError unless `packed` has just the length of n codes.

    >>> unpack_bits(bytes.fromhex("39"), bits=2, n=4).tolist()
    [1, -2, -1, 0]
    """
    largest_code(bits)
    size = packed_size(bits, n)
    if len(packed) != size:
        raise CodecError(f"{n} {bits}-bit codes are {size} bytes, not {len(packed)}")
    stored = _stored_type(bits)
    if bits in (8, 16):
        return np.frombuffer(packed, stored).astype(code_type(bits))
    planes = np.empty((n, 8 * stored.itemsize), np.uint8)
    flat = np.unpackbits(
        np.frombuffer(packed, np.uint8), count=n * bits, bitorder="little"
    )
    planes[:, :bits] = flat.reshape(n, bits)
    planes[:, bits:] = planes[:, bits - 1 : bits]  # the sign fills the upper bits
    codes = np.packbits(planes, bitorder="little").view(stored)
    return codes.astype(code_type(bits), copy=False)


def packed_size(bits: int, n: int) -> int:
    """ceil(n * bits / 8), the bytes that n packed codes take.

    >>> packed_size(bits=3, n=10)
    4
    """
    return -(-n * bits // 8)


def payload_bytes(tensor: Tensor) -> int:
    """How many bytes a tensor takes in the file: codes and scales, or float32 values.

    >>> codes, scale = np.array([[1, -1, 0]], np.int8), np.ones(1, np.float32)
    >>> payload_bytes(Quantized(codes, scale, bits=2, granularity="tensor"))
    5
    """
    if isinstance(tensor, Quantized):
        return packed_size(tensor.bits, tensor.q.size) + 4 * tensor.scale.size
    return 4 * np.size(tensor)


def encode(skeleton: bytes, tensors: Mapping[str, Tensor]) -> bytes:
    """A model file without its weights, and its weights -> one packed file.

    tensors: name -> Quantized or float array (kept as float32), in the order given.
    """
    header = json.dumps(
        [_entry(name, tensor) for name, tensor in tensors.items()],
        separators=(",", ":"),
    )
    body = b"".join(
        [
            _framed(zlib.compress(header.encode(), 9)),
            _framed(_deflated(skeleton)),
            *map(_payload, tensors.values()),
        ]
    )
    return MAGIC + hashlib.sha256(body).digest() + body


def decode(file: bytes) -> tuple[bytes, dict[str, Tensor]]:
    """A packed file -> the skeleton, and name -> Quantized or float32 array.

    Exactly what was encoded. Raises CodecError for a file that is truncated, changed,
    or not of this format.
    """
    if file[: len(MAGIC)] != MAGIC:
        raise CodecError("the file does not start as a packed file of this lab does")
    checksum, body = file[len(MAGIC) : _CHECKSUM_END], file[_CHECKSUM_END:]
    if hashlib.sha256(body).digest() != checksum:
        raise CodecError(
            f"the packed file of {len(file):,} bytes is truncated or changed (wrong "
            "sha256): write or copy it again"
        )
    try:
        return _parsed(body)
    except Exception as error:  # whatever bytes that we did not write make it do
        raise CodecError(
            f"the packed file has the right checksum but does not decode ({error}): "
            "it was written by another program"
        ) from error


def _stored_type(bits: int) -> np.dtype:
    return code_type(bits).newbyteorder("<")


def _entry(name: str, tensor: Tensor) -> list:
    """One line of the header: name, shape, and for codes bits, granularity, axis."""
    entry = [name, list(tensor.shape)]
    if isinstance(tensor, Quantized):
        entry += [tensor.bits, GRANULARITIES.index(tensor.granularity), tensor.axis]
    return entry


def _payload(tensor: Tensor) -> bytes:
    if isinstance(tensor, Quantized):
        return pack_bits(tensor.q, tensor.bits) + tensor.scale.astype("<f4").tobytes()
    return np.asarray(tensor).astype("<f4").tobytes()


def _framed(content: bytes) -> bytes:
    return _LENGTH.pack(len(content)) + content


@lru_cache(maxsize=4)  # a slider packs the same skeleton again and again
def _deflated(skeleton: bytes) -> bytes:
    return zlib.compress(skeleton, 9)


def _parsed(body: bytes) -> tuple[bytes, dict[str, Tensor]]:
    reader = _Reader(body)
    header = json.loads(reader.inflated())
    skeleton = reader.inflated()
    tensors = {name: _tensor(reader, *entry) for name, *entry in header}
    if reader.position != len(body):
        raise ValueError(f"{len(body) - reader.position} bytes follow the last tensor")
    return skeleton, tensors


def _tensor(reader: "_Reader", shape: list[int], *coding: int) -> Tensor:
    count = prod(shape)
    if not coding:
        return reader.floats(shape)
    bits, granularity, axis = coding[0], GRANULARITIES[coding[1]], coding[2]
    q = unpack_bits(reader.take(packed_size(bits, count)), bits, count).reshape(shape)
    scale = reader.floats(scale_shape(tuple(shape), granularity, axis))
    return Quantized(q, scale, bits, granularity, axis)


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

    def inflated(self) -> bytes:
        (size,) = _LENGTH.unpack(self.take(_LENGTH.size))
        stream = zlib.decompressobj()
        content = stream.decompress(self.take(size), _LARGEST_INFLATED)
        if not stream.eof or stream.unused_data:
            raise ValueError("a deflated part does not end where it should")
        return content

    def floats(self, shape: tuple[int, ...]) -> np.ndarray:
        values = np.frombuffer(self.take(4 * prod(shape)), "<f4")
        return values.astype(np.float32).reshape(shape)
