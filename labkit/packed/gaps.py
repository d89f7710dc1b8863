"""Where the stored weights are, as the gap from each one to the next, in C order.

The more zeros, the fewer gaps and the longer ones. A gap is the number of zeros that
are skipped. Gaps of one fixed width are what Deep Compression stores; a Rice code gives
short gaps few bits, and comes near the entropy of the places. Where zeros lie at
random, a gap is geometric: at least g zeros with the probability sparsity**g.
"""

import struct

import numpy as np

from labkit.packed.bit_packing import CodecError, pack_bits, packed_size, unpack_bits
from labkit.packed.bitmap_csr import Places, take

MAX_BITS = 16  # of a gap, or of a gap's remainder
_RELATIVE = struct.Struct("<IB")  # entries, bits of a gap
_RICE = struct.Struct("<IIB")  # gaps, bits of their quotients, remainder bits and side
_ZEROS = 0x80  # the side: the gaps lead from zero to zero


def gaps_of(places: np.ndarray) -> np.ndarray:
    """How many places are skipped before each one, for ascending places.

    >>> gaps_of(np.array([0, 3, 4])).tolist()
    [0, 2, 0]
    """
    return np.diff(places, prepend=-1) - 1


def places_after(gaps: np.ndarray) -> np.ndarray:
    """The inverse of `gaps_of`.

    >>> places_after(np.array([0, 2, 0])).tolist()
    [0, 3, 4]
    """
    return np.cumsum(gaps.astype(np.int64) + 1) - 1


def with_fillers(places: np.ndarray, reach: int) -> np.ndarray:
    """The places, and in longer gaps one more every `reach` places.

    Then no gap is longer than reach - 1. The values there are zeros that are stored.

    >>> with_fillers(np.array([1, 10]), reach=4).tolist()
    [1, 5, 9, 10]
    """
    gaps = gaps_of(places)
    fillers = gaps // reach
    before = np.repeat(places - gaps - 1, fillers)
    first = np.repeat(np.cumsum(fillers) - fillers, fillers)
    number = np.arange(before.size) - first + 1
    return np.sort(np.concatenate([places, before + reach * number]))


def encode_relative(nonzero: np.ndarray, bits: int) -> tuple[np.ndarray, bytes]:
    """Gaps of k bits; a longer one is bridged by stored zeros, each with its own gap.

    k is the width with the fewest bits in all, values included. Source: Han et al.
    2016 (Deep Compression), arXiv:1510.00149, sec. 2 and fig. 2, with k fixed at 8 for
    convolutions and 5 for dense layers.
    """
    places = np.flatnonzero(nonzero)
    gaps = gaps_of(places)
    k = min(range(1, MAX_BITS + 1), key=lambda k: _relative_bits(gaps, k, bits))
    stored = with_fillers(places, 2**k)
    mask = np.zeros(nonzero.shape, bool)
    mask.flat[stored] = True
    codes = pack_bits(gaps_of(stored), k, signed=False)
    return mask, _RELATIVE.pack(stored.size, k) + codes


def decode_relative(content: bytes, shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """The inverse of `encode_relative`."""
    entries, k = _RELATIVE.unpack(take(content, "u1", _RELATIVE.size))
    _check_count(entries, shape)
    gaps, end = _numbers(content, k, entries, _RELATIVE.size)
    return _mask(places_after(gaps), shape), end


def relative_bits(zeros: np.ndarray, bits: int) -> np.ndarray:
    """`Places.mean_bits`, with the best k: 1 + (a gap's mean fillers) entries a weight,
    of k + bits each.
    """
    return np.min(
        [
            (k + bits) * (1 - zeros) * (1 + _quotients(zeros, k))
            for k in range(1, MAX_BITS + 1)
        ],
        axis=0,
    )


def encode_rice(nonzero: np.ndarray, bits: int) -> tuple[np.ndarray, bytes]:
    """Gaps in Rice code: the quotient by 2**r in unary, the remainder in r bits.

    All quotients come first: q zeros and a 1 for each; then all remainders. r is the
    best one. Where most weights are stored, the gaps lead from zero to zero instead.
    With r = 0 it is the bitmap again. Sources: Golomb 1966, IEEE Transactions on
    Information Theory 12(3), codes for geometric gaps; Rice and Plaunt 1971, IEEE
    Transactions on Communication Technology 19(6), those with powers of two.

    >>> mask = np.zeros((1, 16), bool)
    >>> mask[0, [6, 8]] = True    # gaps 6 and 1; with r = 1: 3 and 0, remainders 0, 1
    >>> encode_rice(mask, 32)[1].hex(" ", 1)    # 2 gaps, 5 bits, r; 00011; 01
    '02 00 00 00 05 00 00 00 01 18 02'
    """
    side = _ZEROS if 2 * np.count_nonzero(nonzero) > nonzero.size else 0
    gaps = gaps_of(np.flatnonzero(~nonzero if side else nonzero))
    r = min(range(MAX_BITS + 1), key=lambda r: _rice_bits(gaps, r))
    ones = places_after(gaps >> r)
    unary = np.zeros(ones[-1] + 1 if ones.size else 0, bool)
    unary[ones] = True
    head = _RICE.pack(gaps.size, unary.size, r | side)
    quotients = np.packbits(unary, bitorder="little").tobytes()
    remainders = pack_bits(gaps & (2**r - 1), r, signed=False) if r else b""
    return nonzero, head + quotients + remainders


def decode_rice(content: bytes, shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """The inverse of `encode_rice`."""
    count, length, packed = _RICE.unpack(take(content, "u1", _RICE.size))
    r, side = packed & ~_ZEROS, packed & _ZEROS
    _check_count(count, shape)
    _check_count(length - count, shape)
    quotients = take(content, "u1", -(-length // 8), _RICE.size)
    unary = np.unpackbits(quotients, count=length, bitorder="little")
    gaps = gaps_of(np.flatnonzero(unary)) << r
    end = _RICE.size + quotients.size
    if gaps.size != count:
        raise CodecError(f"{gaps.size} gaps where {count} are announced: it is damaged")
    if r:
        remainders, end = _numbers(content, r, count, end)
        gaps = gaps | remainders
    mask = _mask(places_after(gaps), shape)
    return (~mask if side else mask), end


def rice_bits(zeros: np.ndarray, bits: int) -> np.ndarray:
    """`Places.mean_bits`, with the best r: of each gap its remainder, a 1 and its
    quotient; the rarer side has the gaps.
    """
    common = np.maximum(zeros, 1 - zeros)
    places = [
        (1 - common) * (r + 1 + _quotients(common, r)) for r in range(MAX_BITS + 1)
    ]
    return np.min(places, axis=0) + bits * (1 - zeros)


def _quotients(zeros: np.ndarray, r: int) -> np.ndarray:
    """The mean of gap // 2**r: q / (1 - q), with q = zeros**(2**r)."""
    q = zeros ** (2**r)
    return np.divide(q, 1 - q, out=np.zeros_like(q), where=q < 1)


def _relative_bits(gaps: np.ndarray, k: int, bits: int) -> int:
    return (gaps.size + int(np.sum(gaps >> k))) * (k + bits)


def _rice_bits(gaps: np.ndarray, r: int) -> int:
    return gaps.size * (1 + r) + int(np.sum(gaps >> r))


def _numbers(content: bytes, bits: int, n: int, start: int) -> tuple[np.ndarray, int]:
    """n packed numbers from a place in the bytes on, int64, and where they end."""
    if not 1 <= bits <= MAX_BITS:
        raise CodecError(f"gaps of {bits} bits: there are 1 to {MAX_BITS}, not these")
    packed = take(content, "u1", packed_size(bits, n), start)
    numbers = unpack_bits(packed.tobytes(), bits, n, signed=False)
    return numbers.astype(np.int64), start + packed.size


def _check_count(entries: int, shape: tuple[int, int]) -> None:
    """Raise CodecError for more entries, or zeros skipped, than the matrix has."""
    if entries > shape[0] * shape[1]:
        raise CodecError(f"{entries} gaps in a matrix of {shape}: it is damaged")


def _mask(places: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    if places.size and places[-1] >= mask.size:
        raise CodecError(f"a place is beyond the {mask.size} that there are")
    mask.flat[places] = True
    return mask


RELATIVE = Places(encode_relative, decode_relative, relative_bits)
RICE = Places(encode_rice, decode_rice, rice_bits)
