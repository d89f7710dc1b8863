"""The number line: real numbers on an affine grid, and the error that it makes.

The grid is r = scale * (q - zero_point) with integer codes q from -2**(bits-1) to
2**(bits-1) - 1 (Jacob et al. 2018, arXiv:1712.05877, eq. 1). Numbers inside its range
are moved by at most half a step (round-off), numbers outside to its end (clipping).
Rounding is to the nearest integer, halves to the even one (`numpy.rint`).
"""

import math
import sys

import numpy as np

from labkit.common.arguments import finite, positive, whole

MIN_BITS, MAX_BITS = 2, 16


def largest_code(bits: int) -> int:
    """2**(bits-1) - 1, the largest code of a grid with 2 to 16 bits, else ValueError.

    >>> largest_code(8)
    127
    """
    if bits not in range(MIN_BITS, MAX_BITS + 1):
        raise ValueError(f"bits is {bits!r}: choose a whole number from 2 to 16")
    return 2 ** (int(bits) - 1) - 1


def code_type(bits: int) -> np.dtype:
    """The numpy type that keeps codes of `bits` bits: int8 up to 8, else int16."""
    return np.dtype(np.int8 if bits <= 8 else np.int16)


def affine_params(lo: float, hi: float, bits: int) -> tuple[float, int]:
    """The scale and zero point that map the reals lo .. hi onto `bits`-bit integers.

    lo <= hi, finite; the range is widened to contain 0 where it does not, because 0.0
    (padding, ReLU) must have a code of its own, the zero point. bits: 2 to 16.
    Returns (scale, zero_point): scale > 0 is the real size of one step, zero_point an
    integer from -2**(bits-1) to 2**(bits-1) - 1; (1.0, 0) for a range of width 0.
    Raises ValueError outside these ranges.
    Source: Jacob et al. 2018, arXiv:1712.05877, eq. 1 and sec. 3.1.

    >>> affine_params(-0.5, 1.0, bits=2)    # codes -2, -1, 0, 1 for -0.5, 0, 0.5, 1
    (0.5, -1)
    """
    qmax = largest_code(bits)
    if not (lo <= hi and math.isfinite(float(hi) - float(lo))):
        raise ValueError(f"{lo} .. {hi} is not a range: give finite numbers, lo <= hi")
    lo, hi = min(float(lo), 0.0), max(float(hi), 0.0)
    scale = (hi - lo) / (2 * qmax + 1)
    if scale < sys.float_info.min:  # 0, or too small to divide by without loss
        return 1.0, 0
    return scale, round(-qmax - 1 - lo / scale)


def quantize_affine(
    x: np.ndarray, scale: float, zero_point: int, bits: int
) -> np.ndarray:
    """q = round(x / scale) + zero_point, clipped to the codes of `bits` bits.

    scale: above 0. zero_point: a whole number. Returns int8 (up to 8 bits) or int16 in
    x's shape. Raises ValueError outside these and where x is not finite. Source:
    Krishnamoorthi 2018, arXiv:1806.08342, sec. 2.1.

    >>> quantize_affine([-0.5, 0.1, 0.3, 9], scale=0.5, zero_point=-1, bits=2).tolist()
    [-2, -1, 0, 1]
    """
    qmax = largest_code(bits)
    x = _checked("x", x, scale, zero_point)
    with np.errstate(over="ignore"):  # what overflows is clipped in the next line
        codes = np.rint(x / scale) + zero_point
    return np.clip(codes, -qmax - 1, qmax).astype(code_type(bits))


def dequantize_affine(q: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """x_hat = scale * (q - zero_point), float64 in q's shape.

    >>> dequantize_affine([-2, -1, 0, 1], scale=0.5, zero_point=-1).tolist()
    [-0.5, 0.0, 0.5, 1.0]
    """
    return scale * (_checked("q", q, scale, zero_point) - zero_point)


def fake_quantize(
    x: np.ndarray, scale: float, zero_point: int, bits: int
) -> np.ndarray:
    """x rounded to the nearest point of the affine grid: quantized and decoded again.

    Source: Jacob et al. 2018, arXiv:1712.05877, eq. 12 ("simulated quantization").

    >>> fake_quantize([-0.5, 0.1, 0.3, 9.0], scale=0.5, zero_point=-1, bits=2).tolist()
    [-0.5, 0.0, 0.5, 1.0]
    """
    q = quantize_affine(x, scale, zero_point, bits)
    return dequantize_affine(q, scale, zero_point)


def affine_grid(scale: float, zero_point: int, bits: int) -> np.ndarray:
    """The 2**bits values that the affine grid can take, ascending float64.

    >>> affine_grid(scale=0.5, zero_point=-1, bits=2).tolist()
    [-0.5, 0.0, 0.5, 1.0]
    """
    qmax = largest_code(bits)
    return dequantize_affine(np.arange(-qmax - 1, qmax + 1), scale, zero_point)


def clip_error(x: np.ndarray, scale: float, zero_point: int, bits: int) -> np.ndarray:
    """How far x lies outside the affine grid: x - clip(x, first point, last point).

    `clip_error + roundoff_error` is the whole error x - x_hat, and one of the two is 0
    for each number.

    >>> clip_error([0.1, 9.0], scale=0.5, zero_point=-1, bits=2).tolist()
    [0.0, 8.0]
    """
    x = _checked("x", x, scale, zero_point)
    grid = affine_grid(scale, zero_point, bits)
    return x - np.clip(x, grid[0], grid[-1])


def roundoff_error(
    x: np.ndarray, scale: float, zero_point: int, bits: int
) -> np.ndarray:
    """x - x_hat of numbers inside the affine grid, at most scale / 2; 0 outside.

    >>> roundoff_error([0.125, 9.0], scale=0.5, zero_point=-1, bits=2).tolist()
    [0.125, 0.0]
    """
    x = _checked("x", x, scale, zero_point)
    grid = affine_grid(scale, zero_point, bits)
    inside = np.clip(x, grid[0], grid[-1])
    return inside - fake_quantize(inside, scale, zero_point, bits)


def sqnr_db(w: np.ndarray, w_hat: np.ndarray) -> float:
    """Signal-to-quantization-noise ratio, 10 log10(sum w**2 / sum (w - w_hat)**2), dB.

    w and w_hat finite, not empty, of one shape (else ValueError); inf where they are
    equal.

    >>> round(sqnr_db([3.0, 4.0], [3.0, 4.5]), 6)
    20.0
    """
    w, w_hat = (
        np.asarray(finite(name, values), np.float64)
        for name, values in (("w", w), ("w_hat", w_hat))
    )
    if w.shape != w_hat.shape:
        raise ValueError(f"w is {w.shape} and w_hat {w_hat.shape}: give equal shapes")
    signal, noise = float(np.sum(w**2)), float(np.sum((w - w_hat) ** 2))
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def six_db_rule(bits: int, peak_to_rms: float = math.sqrt(3)) -> float:
    """The SQNR in dB that 6.02 dB a bit promises, for a grid over -peak .. peak.

    Round-off that is uniform within a step has variance step**2 / 12; with
    step = 2 peak / 2**bits that is 20 log10(2) bits + 4.77 - 20 log10(peak / rms) dB.
    Evenly spread numbers have peak / rms = sqrt(3) and exactly 6.02 dB a bit. True for
    fine steps and nothing clipped. bits: 2 to 16. peak_to_rms: at least 1.
    Source: Bennett 1948, Bell System Technical Journal 27(3), pp. 446-472.

    >>> round(six_db_rule(8), 2), round(six_db_rule(9) - six_db_rule(8), 2)
    (48.16, 6.02)
    """
    largest_code(bits)
    if positive("peak_to_rms", peak_to_rms) < 1:
        raise ValueError(f"peak_to_rms is {peak_to_rms}: a peak is at least the rms")
    return 20 * math.log10(2**bits * math.sqrt(3) / peak_to_rms)


def _checked(
    name: str, values: np.ndarray, scale: float, zero_point: int
) -> np.ndarray:
    """The values as float64; ValueError for them or a grid that there is not."""
    positive("scale", scale)
    whole("zero_point", zero_point, -(2**63))
    return np.asarray(finite(name, values, may_be_empty=True), np.float64)
