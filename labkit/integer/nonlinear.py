"""SOFTMAX and LOGISTIC on int8 codes.

LOGISTIC is a table of 256 codes, filled in float32. SOFTMAX computes exp and 1 / sum in
fixed point: a number in Qm.k has m bits before its point and k = 31 - m behind it.
Source: gemmlowp, fixedpoint.h; LiteRT, reference/softmax.h.
"""

import numpy as np

from labkit.integer.fixed_point import (
    high_product,
    round_half_away,
    rounding_shift,
    saturate,
)
from labkit.integer.program import Operation
from labkit.integer.rescaling import Arithmetic, Multiplier, look_up, table

ONE = 2**31 - 1  # the largest number below 1 in Q0.31
DIFFERENCE_BITS = 5  # differences to the largest input lie in Q5.26, -32 … 0
SUM_BITS = 12  # the sum of the exponentials lies in Q12.19


def logistic(op: Operation) -> Arithmetic:
    """LOGISTIC: 1 / (1 + exp(-x))."""
    grid, out = op.codes(0), op.output_codes()

    def codes(q):
        x = grid.scale * (q.astype(np.float32) - np.float32(grid.zero_point))
        # C's expf is correctly rounded, numpy's float32 exp is not: float64, then round
        with np.errstate(over="ignore"):  # 1 / inf is 0
            exp = np.exp(-np.float64(x)).astype(np.float32)
        y = np.float32(1) / (np.float32(1) + exp)
        return saturate(round_half_away(y * (1 / out.scale)), out.zero_point)

    sigmoid = table(codes)
    return Arithmetic(lambda q: look_up(sigmoid, q))


def softmax(op: Operation) -> Arithmetic:
    """SOFTMAX over the last axis: exp(beta * (x - largest x)) / their sum."""
    grid, out = op.codes(0), op.output_codes()
    if out.zero_point != -128 or not np.isclose(out.scale, 1 / 256, rtol=1e-3):
        raise op.refusal(
            "its output grid does not have scale 1/256 and zero point -128"
        )
    most = 2.0 ** (30 if op.rounding == "single" else 31) - 1
    beta = np.float64(np.float32(op.option("beta")))
    scale = min(beta * np.float64(grid.scale) * 2 ** (31 - DIFFERENCE_BITS), most)
    multiplier = Multiplier.of(scale)
    left = -int(multiplier.n)
    farthest = -((2**DIFFERENCE_BITS - 1) * 2 ** (31 - DIFFERENCE_BITS) // 2**left)

    def compute(q):
        steps = q.astype(np.int64) - q.max(axis=-1, keepdims=True)
        near = steps >= farthest  # of the others, exp is 0
        x = multiplier.times(np.where(near, steps, 0), op.integer_rounding)
        exp = np.where(near, exp_of_negative(x), 0)
        total = rounding_shift(exp, SUM_BITS).sum(axis=-1, keepdims=True)
        inverse, over = reciprocal(total)
        codes = rounding_shift(high_product(inverse, exp), over + 31 - 8)
        return np.where(near, saturate(codes, out.zero_point), np.int8(-128))

    return Arithmetic(compute, multipliers=(multiplier,))


def exp_of_negative(a: np.ndarray) -> np.ndarray:
    """exp(a) in Q0.31 for a <= 0 in Q5.26, int64 arrays.

    a is cut into a part in [-1/4, 0), whose exp is a polynomial, and a sum of powers of
    two -1/4 … -16, whose exps are constants: those of its binary digits that are set.

    >>> round(int(exp_of_negative(np.int64(-(2**26)))) / 2**31, 6)     # exp(-1)
    0.36788
    """
    quarter = 1 << 24
    part = (a & (quarter - 1)) - quarter
    result = _exp_of_up_to_a_quarter(part << DIFFERENCE_BITS)
    rest = part - a
    for power in range(-2, DIFFERENCE_BITS):
        factor = int(np.rint(np.exp(-(2.0**power)) * 2**31))
        digit = rest >> (26 + power) & 1
        result = np.where(digit, high_product(result, factor), result)
    return np.where(a == 0, ONE, result)


def _exp_of_up_to_a_quarter(a: np.ndarray) -> np.ndarray:
    """exp(a) in Q0.31 for -1/4 <= a < 0: Taylor's series around -1/8, to x**4 / 24."""
    middle, third = 1895147668, 715827883  # exp(-1/8) and 1/3
    x = a + (1 << 28)
    x2 = high_product(x, x)
    x3, x4 = high_product(x2, x), high_product(x2, x2)
    tail = high_product(rounding_shift(x4, 2) + x3, third) + x2
    return middle + high_product(x + rounding_shift(tail, 1), middle)


def reciprocal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 / x for x > 0 in Q12.19, as (r, k): 1 / x = 2**-k * r / 2**31.

    x is shifted to 1 <= x < 2, and 1 / x found by three steps of Newton and Raphson
    from the line 48/17 - 32/17 * (x / 2).

    >>> r, k = reciprocal(np.int64(4 << 19))
    >>> round(2.0 ** -int(k) * int(r) / 2**31, 6)
    0.25
    """
    free = 32 - np.frexp(x)[1].astype(np.int64)  # bits above the highest one
    half = ((x << free) - (1 << 31) + ONE + 1) >> 1  # x / 2 in Q0.31
    estimate = 1515870810 + high_product(half, -1010580540)  # 48/17, -32/17 in Q2.29
    for _ in range(3):
        error = (1 << 29) - high_product(half, estimate)
        estimate = estimate + (high_product(estimate, error) << 2)
    return np.minimum(estimate << 1, ONE), SUM_BITS - free


OPERATORS = {"LOGISTIC": logistic, "SOFTMAX": softmax}
