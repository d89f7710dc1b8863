"""Multiplying by a real number when there are only integers.

A layer sums int8 x int8 products into an int32 accumulator. The accumulator counts in
steps of scale_input * scale_kernel; the layer's output counts in steps of scale_output.
To go from one to the other is to multiply by one real number,

    M = scale_input * scale_kernel / scale_output

(Jacob et al. 2018, arXiv:1712.05877, eq. 5). The hardware has no real numbers, so M is
written as a whole number and a power of two (eq. 6):

    M = 2**-n * m0 / 2**31      with      2**30 <= m0 < 2**31

and x * M is one integer product and two shifts. Each shift throws digits away, so each
must round, and *how* it rounds is what two implementations of a network differ in:

    "double"   round x * m0 / 2**31, then round that / 2**n (gemmlowp, LiteRT's
               reference kernels): a number just below a half can be lifted onto the
               half by the first rounding and over it by the second;
    "single"   round x * m0 / 2**(31 + n) once (LiteRT built for single rounding).

The two differ by one, rarely; anyone who writes a network anew meets that (tensorflow
issue 25087), and then a third way: XNNPACK, LiteRT's default on a processor, multiplies
in float32 and rounds halves to the even number (tensorflow issue 102943).
"""

import numpy as np

INT8_MIN, INT8_MAX = -128, 127


def quantize_multiplier(multiplier: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The integers (m0, n) with multiplier = 2**-n * m0 / 2**31, m0 rounded.

    multiplier: float64, one number or one for each channel, >= 0. Returns int64 arrays
    of the same shape: 2**30 <= m0 < 2**31, and n <= 31, negative from 1.0 on. Below
    2**-32 nothing of a 32-bit number would be left: (0, 0), as LiteRT has it.
    Source: Jacob et al. 2018, arXiv:1712.05877, eq. 6.

    >>> m0, n = quantize_multiplier(0.375)     # 0.75 * 2**-1
    >>> int(m0) / 2**31, int(n)
    (0.75, 1)
    >>> int(quantize_multiplier(3.0)[1])       # 0.75 * 2**2: n is negative
    -2
    """
    fraction, exponent = np.frexp(np.asarray(multiplier, np.float64))
    m0 = round_half_away(fraction * 2**31).astype(np.int64)
    full = m0 == 2**31  # 0.99999999995 was rounded up to 1
    m0, n = np.where(full, m0 // 2, m0), np.where(full, -exponent - 1, -exponent)
    nothing = (n > 31) | (m0 == 0)
    return np.where(nothing, 0, m0), np.where(nothing, 0, n.astype(np.int64))


def high_product(x: np.ndarray, m0: np.ndarray) -> np.ndarray:
    """x * m0 / 2**31, rounded to the nearest, halves up: the high half of a product.

    x: int32. m0: int64 below 2**31. Returns int64 that fit in 32 bits.
    Source: gemmlowp, SaturatingRoundingDoublingHighMul; ARM's instruction VQRDMULH.

    >>> [int(high_product(x, 2**30)) for x in (3, 1, -1, -3)]     # 1.5 0.5 -0.5 -1.5
    [2, 1, 0, -1]
    """
    return (np.multiply(x, m0, dtype=np.int64) + (1 << 30)) >> 31


def rounding_shift(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """x / 2**n, rounded to the nearest, halves away from zero.

    x: int64. n: 0 to 31. Source: gemmlowp, RoundingDivideByPOT.

    >>> [int(rounding_shift(x, 1)) for x in (3, 1, -1, -3)]       # 1.5 0.5 -0.5 -1.5
    [2, 1, -1, -2]
    """
    half = (np.int64(1) << n) >> 1
    return np.sign(x) * ((np.abs(x) + half) >> n)


def rescale(
    x: np.ndarray, m0: np.ndarray, n: np.ndarray, rounding: str = "double"
) -> np.ndarray:
    """x * M in integers, for the M = 2**-n * m0 / 2**31 of `quantize_multiplier`.

    x: int32. m0, n: one of each, or one for each channel (the last axis of x);
    n from -30 to 31. rounding: "double" or "single", else ValueError. Returns int64 in
    x's shape. Where n is negative, "double" first shifts x left, inside its 32 bits.

    >>> m0, n = 1583594044, 9                   # of tensorflow issue 25087
    >>> round(7984 * m0 / 2 ** (31 + n), 4)
    11.4991
    >>> int(rescale(7984, m0, n, "single")), int(rescale(7984, m0, n, "double"))
    (11, 12)
    """
    n = np.asarray(n, np.int64)
    if rounding == "single":
        half = np.int64(1) << (30 + n)
        return (np.multiply(x, m0, dtype=np.int64) + half) >> (31 + n)
    if rounding != "double":
        raise ValueError(f"rounding is {rounding!r}: choose double or single")
    if (n < 0).any():
        x = np.int32(x) << np.maximum(-n, 0).astype(np.int32)
    return rounding_shift(high_product(x, m0), np.maximum(n, 0))


def rescale_in_float32(x: np.ndarray, multiplier: np.float32) -> np.ndarray:
    """x * M as XNNPACK does it: in float32, halves to the even number.

    x: int32. multiplier: M, computed in float32 too. Returns int64.

    >>> s_input, s_kernel, s_output = np.float32([0.052961245, 0.024093779, 0.11484328])
    >>> m = s_input * s_kernel / s_output               # of tensorflow issue 102943
    >>> int(rescale_in_float32(585, m)), int(rescale(585, *quantize_multiplier(m)))
    (6, 7)
    """
    product = np.asarray(x, np.float32) * np.float32(multiplier)
    return np.rint(product).astype(np.int64)


def saturate(
    x: np.ndarray, zero_point: int = 0, lo: int = INT8_MIN, hi: int = INT8_MAX
) -> np.ndarray:
    """x + zero_point as int8; what lies outside lo .. hi is set to that end.

    A fused activation is nothing but a narrower lo .. hi: ReLU's lo is the zero point.

    >>> saturate([-300, 5, 300]).tolist()
    [-128, 5, 127]
    >>> saturate([-4, 5], zero_point=-3, lo=-3).tolist()
    [-3, 2]
    """
    return np.clip(np.asarray(x) + zero_point, lo, hi).astype(np.int8)


def round_half_away(x: np.ndarray) -> np.ndarray:
    """The nearest whole number, halves away from zero, as C's `round`; floats in, out.

    (`numpy.rint` rounds halves to the even number.)

    >>> round_half_away(np.array([2.5, 0.49, -0.5, -1.5])).tolist()
    [3.0, 0.0, -1.0, -2.0]
    """
    whole = np.trunc(x)
    return whole + np.trunc(2 * (x - whole))
