"""A tensor with zeros <-> bytes, in one of six storages.

A storage of STORAGES says which places are stored, and how. The values follow: float32,
or integer codes packed to their bits. A tensor of several axes is a matrix for CSR, its
first axis the rows.
"""

import struct
import zlib
from dataclasses import dataclass
from math import prod

import numpy as np

from labkit.common.registries import Row, chosen, registry
from labkit.packed.bit_packing import (
    CodecError,
    pack_bits,
    packed_size,
    room,
    unpack_bits,
)
from labkit.packed.bitmap_csr import ALL, BITMAP, CSR, Places, take
from labkit.packed.gaps import RELATIVE, RICE

FLOAT_BITS = 32


@dataclass(frozen=True, kw_only=True)
class Storage(Row):
    """A storage: how it writes places, and whether all bytes are deflated after."""

    places: Places
    deflated: bool = False


# In the order of their numbers in a file.
STORAGES = registry(
    Storage(
        name="dense",
        text="with zeros",
        line="All values, and no places.",
        places=ALL,
    ),
    Storage(
        name="bitmap",
        text="bitmap",
        line="The non-zeros, and one bit for each place.",
        places=BITMAP,
    ),
    Storage(
        name="csr",
        text="CSR",
        line="The non-zeros, an int32 column for each, int32 row ends.",
        places=CSR,
    ),
    Storage(
        name="relative",
        text="relative index",
        line="The non-zeros and zeros in long gaps, k bits for the gap before each.",
        places=RELATIVE,
    ),
    Storage(
        name="rice",
        text="Rice code",
        line="The non-zeros, the gaps between them in Rice code, near their entropy.",
        places=RICE,
    ),
    Storage(
        name="deflated",
        text="deflated",
        line="All values, deflated.",
        places=ALL,
        deflated=True,
    ),
)
_NUMBERS = tuple(STORAGES)
_HEAD = struct.Struct("<BBB")  # storage, bits, axes


@dataclass(frozen=True, eq=False)
class Sparse:
    """A weight tensor that is stored without its zeros.

    w: float32, any shape. storage: one of STORAGES. The codec's third kind of tensor,
    beside `Quantized` and `CodebookTensor`.
    """

    w: np.ndarray
    storage: str

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weights."""
        return self.w.shape

    @property
    def bits(self) -> int:
        """Of one value that is stored."""
        return FLOAT_BITS

    def decode(self) -> np.ndarray:
        """The weights, zeros included."""
        return self.w


def sparse(w: np.ndarray, storage: str) -> Sparse:
    """A tensor in a storage of STORAGES, or in the "smallest" one for it.

    w: float, any shape, kept as float32. Raises ValueError for another storage.

    >>> sparse(np.array([[1.5, 0, -2.25, 0, 0, 3.7, 0, 0]]), "smallest").storage
    'bitmap'
    """
    w = np.array(w, np.float32)
    w.flags.writeable = False
    if storage == "smallest":
        storage = min(STORAGES, key=lambda name: len(body(w, name)))
    chosen("storage", storage, STORAGES)
    return Sparse(w, storage)


def encode_sparse(x: np.ndarray, storage: str, bits: int = FLOAT_BITS) -> bytes:
    """A tensor -> bytes that `decode` alone turns into it again.

    x: any shape, at least one axis; float32 where bits is 32, else integer codes from
    -2**(bits-1) to 2**(bits-1) - 1. storage: one of STORAGES. bits: 32, or 2 to 16.
    Raises ValueError outside these, CodecError where the bytes are so much fewer than
    the tensor's that `decode` would refuse them (`bit_packing.room`). Every bit of x
    comes back: -0.0 is no zero here.

    >>> w = np.zeros((4, 8), np.float32)
    >>> w[0, :3] = 1, -2, 3
    >>> {name: len(encode_sparse(w, name)) for name in ("dense", "bitmap", "csr")}
    {'dense': 139, 'bitmap': 27, 'csr': 55}
    >>> decode_sparse(encode_sparse(w, "relative"))[0].tolist()
    [1.0, -2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    x = np.asarray(x)
    content = body(x, storage, bits)
    head = _HEAD.pack(_NUMBERS.index(storage), bits, x.ndim)
    content = head + np.array(x.shape, "<u4").tobytes() + content
    _check_room(x.shape, len(content))
    return content


def decode_sparse(content: bytes) -> np.ndarray:
    """The inverse of `encode`: float32, or int8 or int16 codes.

    Raises CodecError for bytes that are cut off, too long, or not of this format.
    """
    number, bits, axes = _HEAD.unpack(take(content, "u1", _HEAD.size))
    shape = tuple(take(content, "<u4", axes, _HEAD.size).tolist())
    known = number < len(_NUMBERS) and bits in (*range(2, 17), FLOAT_BITS)
    if not known or not 1 <= axes <= 8:
        raise CodecError(
            f"storage number {number}, {bits} bits, {axes} axes: these bytes are not "
            "of this format"
        )
    _check_room(shape, len(content))
    return from_body(content[_HEAD.size + 4 * axes :], shape, _NUMBERS[number], bits)


def body(x: np.ndarray, storage: str, bits: int = FLOAT_BITS) -> bytes:
    """`encode` without the header: for a file that knows shape, storage and bits."""
    how = chosen("storage", storage, STORAGES)
    if np.ndim(x) == 0:
        raise ValueError("a single number has no axis: give an array with at least one")
    x = np.ascontiguousarray(x, "<f4" if bits == FLOAT_BITS else None)
    nonzero = x.view("<u4") != 0 if bits == FLOAT_BITS else x != 0
    stored, written = how.places.encode(nonzero.reshape(_matrix(x.shape)), bits)
    values = x[stored.reshape(x.shape)]
    packed = values.tobytes() if bits == FLOAT_BITS else pack_bits(values, bits)
    content = written + packed
    return zlib.compress(content, 9) if how.deflated else content


def from_body(
    content: bytes, shape: tuple[int, ...], storage: str, bits: int = FLOAT_BITS
) -> np.ndarray:
    """The inverse of `body`. Raises CodecError as `decode` does.

    shape: one that the caller knows to be true or has room for.
    """
    how = chosen("storage", storage, STORAGES)
    if how.deflated:
        content = _inflated(content, packed_size(bits, prod(shape)))
    stored, start = how.places.decode(content, _matrix(shape))
    count = int(np.count_nonzero(stored))
    size, left = packed_size(bits, count), len(content) - start
    if left != size:
        raise CodecError(f"{count} values are {size} bytes, not {left}: it is damaged")
    if bits == FLOAT_BITS:
        values = take(content, "<f4", count, start).astype(np.float32)
    else:
        values = unpack_bits(content[start:], bits, count)
    x = np.zeros(shape, values.dtype)
    x[stored.reshape(shape)] = values
    return x


def _matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns: the first axis, and all others."""
    return shape[0], prod(shape[1:])


def _check_room(shape: tuple[int, ...], size: int) -> None:
    """Raise CodecError where a tensor is too large for the bytes that it comes from."""
    weights = prod(max(side, 1) for side in shape)
    if 4 * weights > room(size):
        raise CodecError(
            f"{shape} are more weights than {size:,} bytes may unpack to, "
            f"{room(size) // 4:,}"
        )


def _inflated(content: bytes, size: int) -> bytes:
    """Deflated bytes inflated, and never more than `size` and one."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(content, size + 1)
    except zlib.error as error:
        raise CodecError(f"a deflated tensor does not inflate ({error})") from error
    if not stream.eof or stream.unused_data:
        raise CodecError("a deflated tensor does not end where it should")
    return found
