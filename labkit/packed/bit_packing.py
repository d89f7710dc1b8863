"""Integer codes of any width <-> bytes without gaps."""

import numpy as np

from labkit.common.arguments import finite
from labkit.quantize.affine import MAX_BITS, code_type, largest_code

_AT_ONCE = 1 << 16  # codes; a multiple of 8, so that each piece starts on a byte
_ROOM, _RATIO = 1 << 24, 64


class CodecError(Exception):
    """The bytes are not a packed file, or a damaged one; the text says which."""


def room(size: int) -> int:
    """How many bytes a file of `size` bytes may unpack to: 16 MB and 64 times its size.

    A bit a weight is 32 times smaller than float32, and a few bytes say "all zeros" of
    any shape: without a bound they take any memory.

    >>> room(1000) - room(0)
    64000
    """
    return _ROOM + _RATIO * size


def pack_bits(q: np.ndarray, bits: int, signed: bool = True) -> bytes:
    """Codes -> their low `bits` bits, one after the other without gaps.

    q: integers, any shape, in C order: from -2**(bits-1) to 2**(bits-1) - 1, or, where
    not signed, from 0 to 2**bits - 1. bits: 2 to 16, not signed 1 to 16. A code is
    written as two's complement, least significant bit first, from the least significant
    bit of each byte upwards; the last byte is filled with zeros.
    Returns ceil(q.size * bits / 8) bytes. Raises ValueError for codes that do not fit,
    and for floats.

    >>> pack_bits(np.array([1, -2, -1, 0]), bits=2).hex()    # 01, 10, 11, 00 from below
    '39'
    >>> pack_bits(np.array([1, 0, 1, 1]), bits=1, signed=False).hex()
    '0d'
    """
    low, high = _ends(bits, signed)
    q = finite("q", q, may_be_empty=True).ravel()
    if q.size and q.dtype.kind not in "iu":
        raise ValueError(f"q is {q.dtype}: give integers")
    if q.size and (q.min() < low or q.max() > high):
        raise ValueError(f"q has codes outside {low} .. {high}: give more bits")
    codes = np.ascontiguousarray(q, _stored_type(bits, signed))
    if bits in (8, 16):
        return codes.tobytes()
    planes = np.unpackbits(codes.view(np.uint8), bitorder="little")
    kept = planes.reshape(q.size, 8 * codes.itemsize)[:, :bits]
    return np.packbits(kept, bitorder="little").tobytes()


def unpack_bits(packed: bytes, bits: int, n: int, signed: bool = True) -> np.ndarray:
    """The n codes that `pack_bits` packed, (n,).

    int8 up to 8 bits and int16 above, uint8 and uint16 where not signed. Raises
    CodecError unless `packed` has just the length of n codes.

    >>> unpack_bits(bytes.fromhex("39"), bits=2, n=4).tolist()
    [1, -2, -1, 0]
    """
    _ends(bits, signed)
    size = packed_size(bits, n)
    if len(packed) != size:
        raise CodecError(f"{n} {bits}-bit codes are {size} bytes, not {len(packed)}")
    stored = _stored_type(bits, signed)
    if bits in (8, 16):
        return np.frombuffer(packed, stored).astype(stored.newbyteorder("="))
    codes, content = np.empty(n, stored), np.frombuffer(packed, np.uint8)
    for start in range(0, n, _AT_ONCE):  # a bit takes a byte in between
        piece = codes[start : start + _AT_ONCE]
        piece[:] = _spread(content[start * bits // 8 :], bits, piece, signed)
    return codes.astype(stored.newbyteorder("="), copy=False)


def _spread(
    content: np.ndarray, bits: int, like: np.ndarray, signed: bool
) -> np.ndarray:
    """The first codes in some bytes, as many as `like` has and of its dtype."""
    planes = np.empty((like.size, 8 * like.itemsize), np.uint8)
    flat = np.unpackbits(
        content[: packed_size(bits, like.size)],
        count=like.size * bits,
        bitorder="little",
    )
    planes[:, :bits] = flat.reshape(like.size, bits)
    # The sign fills the upper bits.
    planes[:, bits:] = planes[:, bits - 1 : bits] if signed else 0
    return np.packbits(planes, bitorder="little").view(like.dtype)


def packed_size(bits: int, n: int) -> int:
    """ceil(n * bits / 8), the bytes that n packed codes take.

    >>> packed_size(bits=3, n=10)
    4
    """
    return -(-n * bits // 8)


def _ends(bits: int, signed: bool) -> tuple[int, int]:
    """The smallest and the largest code of that width, or ValueError."""
    if signed:
        qmax = largest_code(bits)
        return -qmax - 1, qmax
    if bits not in range(1, MAX_BITS + 1) or isinstance(bits, bool):
        raise ValueError(f"bits is {bits!r}: choose a whole number from 1 to 16")
    return 0, 2**bits - 1


def _stored_type(bits: int, signed: bool) -> np.dtype:
    name = code_type(bits).name
    return np.dtype(name if signed else f"u{name}").newbyteorder("<")
