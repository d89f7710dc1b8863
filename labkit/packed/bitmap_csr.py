"""Where the stored weights of a matrix are: bitmap and CSR.

A storage writes which places it stores and, elsewhere, the values at them. What is not
stored is 0. `encode` takes the places of the non-zeros and returns those that it
stores, at least these, and their bytes; `decode` reads the stored places back.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.packed.bit_packing import CodecError


@dataclass(frozen=True)
class Places:
    """One way to write places.

    encode: bool (rows, columns), and the bits of one value -> the stored places, in the
    same shape, and their bytes. decode: bytes that start with these, and the shape ->
    the stored places, and how many bytes they took; CodecError if they end too early
    or are none of this kind. mean_bits: sparsity, float64 of any shape, and the bits of
    one value -> the bits that a weight takes on average, its place included, where
    zeros lie at random and the tensor is large (without headers and row ends).
    """

    encode: Callable[[np.ndarray, int], tuple[np.ndarray, bytes]]
    decode: Callable[[bytes, tuple[int, int]], tuple[np.ndarray, int]]
    mean_bits: Callable[[np.ndarray, int], np.ndarray]


def take(content: bytes, dtype: str, count: int, offset: int = 0) -> np.ndarray:
    """`count` numbers of a dtype from a place in the bytes; CodecError past their end.

    >>> take(bytes([1, 0, 2, 0]), "<u2", 1, offset=2).tolist()
    [2]
    """
    end = offset + count * np.dtype(dtype).itemsize
    if not 0 <= offset <= end <= len(content):
        raise CodecError(
            f"the places end at byte {len(content)} of {end}: the file is cut off"
        )
    return np.frombuffer(content[offset:end], dtype)


def encode_all(nonzero: np.ndarray, bits: int) -> tuple[np.ndarray, bytes]:
    """Every place is stored, and that needs no bytes."""
    return np.ones_like(nonzero), b""


def decode_all(content: bytes, shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """The inverse of `encode_all`."""
    return np.ones(shape, bool), 0


def all_bits(zeros: np.ndarray, bits: int) -> np.ndarray:
    """`Places.mean_bits` where every place is stored."""
    return np.full(zeros.shape, float(bits))


def encode_bitmap(nonzero: np.ndarray, bits: int) -> tuple[np.ndarray, bytes]:
    """One bit a place, 1 where it is stored, from each byte's lowest bit upwards.

    >>> encode_bitmap(np.array([[True, False, False, True]]), 32)[1].hex()
    '09'
    """
    return nonzero, np.packbits(nonzero, bitorder="little").tobytes()


def decode_bitmap(content: bytes, shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """The inverse of `encode_bitmap`."""
    count = shape[0] * shape[1]
    packed = take(content, "u1", -(-count // 8))
    flat = np.unpackbits(packed, count=count, bitorder="little")
    return flat.astype(bool).reshape(shape), packed.size


def bitmap_bits(zeros: np.ndarray, bits: int) -> np.ndarray:
    """`Places.mean_bits`: one bit for the place of each weight."""
    return 1 + bits * (1 - zeros)


def encode_csr(nonzero: np.ndarray, bits: int) -> tuple[np.ndarray, bytes]:
    """Compressed sparse rows: int32 row ends and int32 columns, as scipy has them.

    Row k has the columns from entry ends[k] to ends[k + 1]. An index is as long as a
    float32 value.

    >>> mask = np.array([[False, True], [True, True]])
    >>> np.frombuffer(encode_csr(mask, 32)[1], "<i4").tolist()   # 3 ends, 3 columns
    [0, 1, 3, 1, 0, 1]
    """
    ends = np.cumsum([0, *nonzero.sum(axis=1)])
    columns = np.nonzero(nonzero)[1]
    return nonzero, np.concatenate([ends, columns]).astype("<i4").tobytes()


def decode_csr(content: bytes, shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """The inverse of `encode_csr`."""
    rows, columns = shape
    ends = take(content, "<i4", rows + 1)
    if ends[0] != 0 or np.any(np.diff(ends) < 0):
        raise CodecError("the row ends of a CSR matrix fall: the file is damaged")
    across = take(content, "<i4", int(ends[-1]), offset=ends.nbytes)
    if across.size and not 0 <= across.min() <= across.max() < columns:
        raise CodecError(f"a CSR column is outside 0 .. {columns - 1}: it is damaged")
    stored = np.zeros(shape, bool)
    stored[np.repeat(np.arange(rows), np.diff(ends)), across] = True
    return stored, ends.nbytes + across.nbytes


def csr_bits(zeros: np.ndarray, bits: int) -> np.ndarray:
    """`Places.mean_bits`: an int32 column for each stored weight."""
    return (32 + bits) * (1 - zeros)


ALL = Places(encode_all, decode_all, all_bits)
BITMAP = Places(encode_bitmap, decode_bitmap, bitmap_bits)
CSR = Places(encode_csr, decode_csr, csr_bits)
