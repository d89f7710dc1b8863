"""Uniform quantization: real numbers to small integers and back.

Two grids of `bits`-bit integers are used, as in LiteRT:

* affine, for activations and the number line: `labkit.affine`, offered here too;
* symmetric, for weights: w_hat = scale * q, q from -(2**(bits-1) - 1) to
  2**(bits-1) - 1, one code fewer, so that the range is the same on both sides of 0
  (LiteRT 8-bit quantization specification, "Symmetric vs asymmetric").

Rounding is to the nearest integer, halves to the even one (`numpy.rint`).
A group is the set of weights that share one scale: the whole tensor, one output
channel, or a block of 32 weights of one output channel.
"""

import math
from dataclasses import dataclass

import numpy as np

from labkit.affine import (
    MAX_BITS,
    MIN_BITS,
    affine_grid,
    affine_params,
    clip_error,
    code_type,
    dequantize_affine,
    fake_quantize,
    largest_code,
    quantize_affine,
    roundoff_error,
    six_db_rule,
    sqnr_db,
)
from labkit.ranges import least_squares_scale, minmax_scale, percentile_scale

__all__ = [
    "BLOCK",
    "GRANULARITIES",
    "MAX_BITS",
    "MIN_BITS",
    "RANGES",
    "Quantized",
    "affine_grid",
    "affine_params",
    "clip_error",
    "code_type",
    "dequantize_affine",
    "fake_quantize",
    "largest_code",
    "quantize",
    "quantize_affine",
    "roundoff_error",
    "scale_shape",
    "six_db_rule",
    "sqnr_db",
]

BLOCK = 32
GRANULARITIES = ("tensor", "channel", "block")
_SCALES = {
    "minmax": minmax_scale,
    "percentile": percentile_scale,
    "least_squares": least_squares_scale,
}
RANGES = tuple(_SCALES)
LARGEST = 1e38  # a third of what float32 holds: no code times scale overflows


@dataclass(frozen=True, eq=False)
class Quantized:
    """A weight tensor as integers, with one scale a group.

    q: the codes, int8 up to 8 bits and int16 above, in the shape of the weights.
    scale: float32, the real size of one step: (1,) for "tensor", (channels,) for
    "channel", (channels, blocks) for "block". axis: the output channel's axis.
    """

    q: np.ndarray
    scale: np.ndarray
    bits: int
    granularity: str
    axis: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weights."""
        return self.q.shape

    def decode(self) -> np.ndarray:
        """w_hat = scale * q, float32, in the shape of the weights.

        >>> quantize([[0.5, -1.0, 0.2]], bits=2).decode().tolist()
        [[0.0, -1.0, 0.0]]
        """
        rows = _rows(self.q, self.granularity, self.axis)
        w_hat = rows * _spread(self.scale, self.granularity, rows)
        return _from_rows(w_hat, self.shape, self.granularity, self.axis)

    def grid(self, group: int = 0) -> np.ndarray:
        """The 2**bits - 1 values that group number `group` can take, ascending float32.

        Groups are numbered as `scale.ravel()` lists them.

        >>> quantize([[0.5, -3.0, 0.2]], bits=3).grid().tolist()
        [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]
        """
        qmax = largest_code(self.bits)
        return np.arange(-qmax, qmax + 1, dtype=np.float32) * self.scale.ravel()[group]

    def members(self, w: np.ndarray, group: int = 0) -> np.ndarray:
        """The entries of `w` (an array of this shape) that lie in one group, (n,).

        >>> w = np.array([[1, 2], [3, 4]])
        >>> quantize(w, bits=8, granularity="channel").members(w, group=1).tolist()
        [3, 4]
        """
        rows = _rows(np.asarray(w), self.granularity, self.axis)
        row, block = divmod(group, self.scale.size // len(rows))
        width = BLOCK if self.granularity == "block" else rows.shape[1]
        return rows[row, block * width : (block + 1) * width]


def quantize(
    w: np.ndarray,
    bits: int,
    granularity: str = "tensor",
    rule: str = "minmax",
    axis: int = 0,
) -> Quantized:
    """Weights -> their codes on the symmetric grid, q = round(w / scale), clipped.

    w: array of any shape, not empty, magnitudes at most 1e38, used as float32.
    bits: 2 to 16. axis: the output channel's axis (of depthwise kernels 3, else 0).
    granularity: "tensor" (one scale), "channel" (one an output channel) or "block" (one
    for each run of 32 weights of a channel, its other axes flattened in order; the last
    block of a channel may be shorter).
    rule: "minmax", "percentile" or "least_squares", see `labkit.ranges`. A group of
    zeros has scale 1. Raises ValueError outside these ranges.
    Source: Krishnamoorthi 2018, arXiv:1806.08342, sec. 2.2.

    >>> quantized = quantize([[1.6, -3.0, 0.25]], bits=3)
    >>> quantized.q.tolist(), quantized.scale.tolist()
    ([[2, -3, 0]], [1.0])
    """
    qmax = largest_code(bits)
    w = _checked(w, granularity, rule, axis)
    rows = _rows(w, granularity, axis)
    groups = _groups(rows, granularity)
    scale = np.concatenate([_SCALES[rule](part, qmax) for part in groups], axis=1)
    scale = scale if granularity == "block" else scale[:, 0]
    codes = rows / _spread(scale, granularity, rows)
    np.rint(codes, out=codes)
    np.clip(codes, -qmax, qmax, out=codes)
    q = _from_rows(codes.astype(code_type(bits)), w.shape, granularity, axis)
    q.flags.writeable = scale.flags.writeable = False
    return Quantized(q, scale, int(bits), granularity, axis)


def scale_shape(shape: tuple[int, ...], granularity: str, axis: int) -> tuple[int, ...]:
    """The shape of `Quantized.scale` for weights of `shape`.

    >>> scale_shape((300, 784), "block", axis=0)    # 784 = 24 * 32 + 16
    (300, 25)
    """
    if granularity == "tensor":
        return (1,)
    if granularity == "channel":
        return (shape[axis],)
    return (shape[axis], -(-(math.prod(shape) // shape[axis]) // BLOCK))


def _checked(w: np.ndarray, granularity: str, rule: str, axis: int) -> np.ndarray:
    """w as float32, or ValueError for what `quantize` does not take."""
    if granularity not in GRANULARITIES:
        raise ValueError(
            f"granularity is {granularity!r}: choose one of {', '.join(GRANULARITIES)}"
        )
    if rule not in RANGES:
        raise ValueError(f"rule is {rule!r}: choose one of {', '.join(RANGES)}")
    with np.errstate(over="ignore"):
        w = np.asarray(w, np.float32)
    if w.size == 0:
        raise ValueError(f"w of shape {w.shape} is empty: there is nothing to quantize")
    if not np.abs(w).max() <= LARGEST:
        raise ValueError("w has values that are not finite, or beyond 1e38: mend them")
    if granularity != "tensor" and not 0 <= axis < w.ndim:
        raise ValueError(f"axis is {axis}: w has axes 0 to {w.ndim - 1}")
    return w


def _rows(array: np.ndarray, granularity: str, axis: int) -> np.ndarray:
    """One row for each output channel, (channels, n); for "tensor" one row of all."""
    if granularity == "tensor":
        return array.reshape(1, -1)
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)


def _from_rows(
    rows: np.ndarray, shape: tuple[int, ...], granularity: str, axis: int
) -> np.ndarray:
    """The inverse of `_rows`, contiguous."""
    if granularity == "tensor":
        return rows.reshape(shape)
    moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
    return np.ascontiguousarray(np.moveaxis(rows.reshape(moved), 0, axis))


def _groups(rows: np.ndarray, granularity: str) -> list[np.ndarray]:
    """Arrays (rows, blocks, members): full blocks, and the shorter last ones."""
    if granularity != "block":
        return [rows[:, None, :]]
    full = rows.shape[1] // BLOCK * BLOCK
    parts = [rows[:, :full].reshape(len(rows), -1, BLOCK), rows[:, None, full:]]
    return [part for part in parts if part.size]


def _spread(scale: np.ndarray, granularity: str, rows: np.ndarray) -> np.ndarray:
    """The scales in a shape that broadcasts against `rows`."""
    if granularity != "block":
        return scale[:, None]
    return np.repeat(scale, BLOCK, axis=1)[:, : rows.shape[1]]
