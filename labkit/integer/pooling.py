"""Means and maxima of codes: MAX_POOL_2D, AVERAGE_POOL_2D, MEAN.

The two pooling layers keep the grid of their input, so they work on the codes as they
are; MEAN goes to a grid of its own.
"""

import numpy as np

from labkit.integer.fixed_point import INT8_MIN, saturate
from labkit.integer.program import Operation
from labkit.integer.rescaling import Arithmetic, Multiplier, output_range
from labkit.integer.windows import Windows


def max_pool_2d(op: Operation) -> Arithmetic:
    """MAX_POOL_2D: the largest code in each window."""
    windows = Windows.of(op, op.option("filterHeight"), op.option("filterWidth"))
    lo, hi = output_range(op, op.activation)

    def compute(q):
        largest = np.full((*_places(windows, q), q.shape[-1]), INT8_MIN, np.int8)
        for codes in windows.taps(q, fill=INT8_MIN):
            np.maximum(largest, codes, out=largest)
        return np.clip(largest, lo, hi)

    return Arithmetic(compute)


def average_pool_2d(op: Operation) -> Arithmetic:
    """AVERAGE_POOL_2D: the mean code, halves away from zero; padding does not count."""
    windows = Windows.of(op, op.option("filterHeight"), op.option("filterWidth"))
    lo, hi = output_range(op, op.activation)

    def compute(q):
        total = sum(windows.taps(q.astype(np.int32)))
        counts = sum(windows.taps(np.ones_like(q[:1, :, :, :1], np.int32)))
        return saturate(rounding_divide(total, counts), lo=lo, hi=hi)

    return Arithmetic(compute)


def rounding_divide(x: np.ndarray, count: np.ndarray) -> np.ndarray:
    """x / count for whole numbers, rounded to the nearest, halves away from zero.

    >>> [int(rounding_divide(np.int32(x), 2)) for x in (3, 1, -1, -3)]
    [2, 1, -1, -2]
    """
    return np.sign(x) * ((np.abs(x) + count // 2) // count)


def mean(op: Operation) -> Arithmetic:
    """MEAN over some axes: the sum, with 1 / count inside the multiplier."""
    grid, out = op.codes(0), op.output_codes()
    axes = op.constant(1)
    keep = bool(op.option("keepDims"))
    multiplier = Multiplier.of(np.float64(grid.scale) / np.float64(out.scale))

    def compute(q):
        reduced = tuple({int(axis) % q.ndim for axis in np.atleast_1d(axes.values)})
        count = int(np.prod([q.shape[axis] for axis in reduced]))
        total = q.sum(axis=reduced, dtype=np.int64, keepdims=keep)
        steps = (total - grid.zero_point * count).astype(np.int32)
        shared = divided(multiplier, count)
        return saturate(shared.times(steps, op.integer_rounding), out.zero_point)

    return Arithmetic(compute, multipliers=(multiplier,))


def divided(multiplier: Multiplier, count: int) -> Multiplier:
    """The multiplier of M / count, count >= 1, m0 rounded down as LiteRT does.

    >>> third = divided(Multiplier.of(1.0), 3)
    >>> 2.0 ** -int(third.n) * int(third.m0) / 2**31 < 1 / 3
    True
    """
    shift = min(count.bit_length() - 1, 32, 31 - int(multiplier.n))
    m0 = (int(multiplier.m0) << shift) // count
    return Multiplier(
        multiplier.real / count, np.int64(m0), np.int64(int(multiplier.n) + shift)
    )


def _places(windows: Windows, q: np.ndarray) -> tuple[int, ...]:
    return (len(q), *windows.output_lengths(q))


OPERATORS = {
    "MAX_POOL_2D": max_pool_2d,
    "AVERAGE_POOL_2D": average_pool_2d,
    "MEAN": mean,
}
