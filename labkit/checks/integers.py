"""Exercises of notebook 02: a multiplier in integers, a dense layer in integers."""

import numpy as np

from labkit.checks.base import Wrong, numbers
from labkit.checks.dense import MISTAKES, layer
from labkit.checks.exercise import Exercise
from labkit.checks.integers_only import integers_only
from labkit.integer.fixed_point import quantize_multiplier


def _split(multiplier: float) -> tuple[float, int]:
    """The fraction from 0.5 to 1, and n without the carry."""
    fraction, exponent = np.frexp(multiplier)
    return float(fraction), -int(exponent)


def _multiplier(multiplier: float) -> tuple[int, int]:
    m0, n = quantize_multiplier(multiplier)
    return int(m0), int(n)


def _other_n(change):
    """The right m0, and `change(n)`."""

    def quantized(multiplier):
        m0, n = _multiplier(multiplier)
        return m0, change(n)

    return quantized


def _other_m0(change):
    """The right n but for the carry, and `change(fraction)`."""

    def quantized(multiplier):
        fraction, n = _split(multiplier)
        return change(fraction), n

    return quantized


def _two_integers(result, *_) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(result, tuple | list | np.ndarray) or len(result) != 2:
        raise Wrong("Return two integers: `return m0, n`")
    m0, n = (numbers(part, "two integers") for part in result)
    if m0.size != 1 or n.size != 1:
        raise Wrong("Return one m0 and one n, not arrays of them")
    if m0 != np.rint(m0) or n != np.rint(n):
        raise Wrong("Both must be whole numbers: round m0, it has 31 bits")
    if not 2**30 <= m0 < 2**31:
        raise Wrong(
            f"Your m0 is {m0.item():.0f}: it must be from 2**30 to 2**31 - 1, so that "
            "all of its bits are used; double or halve, and count in n"
        )
    return m0.reshape(()), n.reshape(())


check_quantize_multiplier = Exercise(
    name="quantize_multiplier",
    asks="`fn(multiplier) -> (m0, n)`: 2**-n * m0 / 2**31, 2**30 <= m0 < 2**31.",
    reference=_multiplier,
    calls=[
        (multiplier,)
        for multiplier in (0.75, 0.375, 0.0123, 1 / 3, 2.0**-20, 1.0, 3.0, 1 - 2.0**-40)
    ],
    form=_two_integers,
    rtol=0,
    atol=0,
    mistakes={
        "Your m0 is a fraction. The hardware has only integers: multiply it by 2**31 "
        "and round": _other_m0(lambda fraction: fraction),
        "Both must be whole numbers: round m0, it has 31 bits": (
            _other_m0(lambda fraction: fraction * 2**31)
        ),
        "You cut m0 off: round it to the nearest integer": (
            _other_m0(lambda fraction: int(fraction * 2**31))
        ),
        "Where the fraction is rounded up to 1, your m0 is 2**31, which an int32 "
        "cannot hold: halve m0, and make n one less": (
            _other_m0(lambda fraction: round(fraction * 2**31))
        ),
        "Where the fraction is rounded up to 1, you take the largest m0 instead: halve "
        "2**31, and make n one less": (
            _other_m0(lambda fraction: min(round(fraction * 2**31), 2**31 - 1))
        ),
        "You halve an m0 of 2**31, but n has to be one less then": (
            _other_m0(lambda fraction: round(fraction * 2**31) % 2**31 or 2**30)
        ),
        "The sign of your n is wrong: multiplier = 2**-n * m0 / 2**31, so a small "
        "multiplier has a large n": _other_n(lambda n: -n),
        "Your n is one too large: 2**-n * m0 / 2**31 is half of the multiplier": (
            _other_n(lambda n: n + 1)
        ),
        "Your n is one too small: 2**-n * m0 / 2**31 is twice the multiplier": (
            _other_n(lambda n: n - 1)
        ),
        "Your n is the whole shift, 31 bits too much: the / 2**31 stands apart": (
            _other_n(lambda n: 31 + n)
        ),
        "You never shift: m0 must be from 2**30 to 2**31 - 1, so that all of its bits "
        "are used; double or halve, and count in n": (
            lambda multiplier: (round(multiplier * 2**31), 0)
        ),
    },
)


def _int8_codes(result, q, kernel, *_) -> np.ndarray:
    found, shape = numbers(result, "int8 codes"), (len(q), len(kernel))
    if found.shape != shape:
        raise Wrong(
            f"Return one code for each image and output, {shape}: yours are "
            f"{found.shape}"
        )
    kind = np.asarray(result).dtype
    if kind != np.int8:
        raise Wrong(f"Return int8 codes, an array of np.int8: yours are {kind}")
    return found


def _dense_calls() -> list[tuple]:
    """From an easy one, each with a new difficulty, to a layer of a real size."""
    half, one = np.full(2, 2**30), np.zeros(2, np.int64)  # M = 1/2
    small = np.array([[1, 2, 3], [-4, 5, 6], [7, -8, 9]], np.int8)
    kernel = np.array([[2, -1, 4], [1, 3, -2]], np.int8)
    bias, ends_bias = np.int32([20, -30]), np.int32([5, -5])
    wide = np.full((2, 300), 127, np.int8)
    wide[1] = -128
    ends = np.ones((2, 300), np.int8)
    ends[1] = -1
    return [
        (2 * small, kernel, 0 * bias, 0, half, one, 0),
        (2 * small, kernel, bias, 0, half, one, 0),
        (2 * small, kernel, bias, -6, half, one, 0),
        (2 * small, kernel, bias, -6, half, one, 9),
        (small, kernel, bias, -6, half, one, 9),
        (wide, ends, ends_bias, -128, half, 3 + one, 0),
        (wide // 2, ends, ends_bias, 0, half, one, 100),
        _halves(),
        _rounded_twice(),
        _beyond_53_bits(),
        _real_size(),
        tuple(map(integers_only, _real_size())),
    ]


def _halves() -> tuple:
    """Accumulators times M that end in exactly one half, of both signs."""
    q = np.array([[20, 4], [-20, -4], [28, 4], [-28, -4]], np.int8)
    kernel, one = np.array([[1, 0], [0, 1]], np.int8), np.ones(2, np.int64)
    return q, kernel, np.zeros(2, np.int32), 0, 2**30 * one, 2 * one, 0


def _of_biases(bias: list[int], m0: list[int], n: list[int]) -> tuple:
    """A layer whose accumulators are its biases."""
    q, kernel = np.array([[1], [-1]], np.int8), np.array([[0], [0]], np.int8)
    return q, kernel, np.int32(bias), 0, np.int64(m0), np.int64(n), 0


def _rounded_twice() -> tuple:
    """Numbers just below a half, which the first rounding lifts onto it.

    The first is that of tensorflow issue 25087: 7984 * M = 11.4991, and 12 comes out.
    """
    return _of_biases([7984, 1023], [1_583_594_044, 2**31 - 2**20], [9, 4])


def _beyond_53_bits() -> tuple:
    """Products of 61 and 62 bits just below a half, onto which a float64 rounds them.

    bias * m0 = c * 2**55 + 2**54 - 2**30 - k with c = 61 and 65, k = 38 and 113.
    """
    return _of_biases(
        [1_302_340_795, 1_116_114_827], [1_701_375_726, 2_114_375_821], [24, 24]
    )


def _real_size() -> tuple:
    rng = np.random.default_rng(11)
    return (
        rng.integers(-128, 128, (32, 200)).astype(np.int8),
        rng.integers(-127, 128, (10, 200)).astype(np.int8),
        rng.integers(-20_000, 20_000, 10).astype(np.int32),
        -128,
        rng.integers(2**30, 2**31, 10),
        rng.integers(9, 12, 10),
        -20,
    )


check_integer_dense = Exercise(
    name="integer_dense",
    asks="`fn(q, kernel, bias, zero_in, m0, n, zero_out) -> codes`, int8.",
    reference=layer(),
    calls=_dense_calls(),
    form=_int8_codes,
    rtol=0,
    atol=0,
    mistakes=MISTAKES,
)
