"""Fixed-point arithmetic: cases by hand, and against Python's unlimited integers."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.integer.fixed_point import (
    high_product,
    quantize_multiplier,
    rescale,
    rescale_in_float32,
    round_half_away,
    rounding_shift,
    saturate,
)
from labkit.integer.nonlinear import exp_of_negative, reciprocal
from labkit.integer.pooling import rounding_divide

INT32 = st.integers(-(2**31), 2**31 - 1)
M0 = st.integers(2**30, 2**31 - 1)


def half_up(x: Fraction) -> int:
    return math.floor(x + Fraction(1, 2))


def half_away(x: Fraction) -> int:
    return half_up(x) if x >= 0 else -half_up(-x)


def in_32_bits(x: int) -> int:
    return (x + 2**31) % 2**32 - 2**31


@pytest.mark.parametrize(
    ("real", "m0", "n"),
    [
        (0.5, 2**30, 0),
        (1.0, 2**30, -1),
        (0.75, 3 * 2**29, 0),
        (6.0, 3 * 2**29, -3),
        (2.0**-31, 2**30, 30),
        (2.0**-32, 2**30, 31),
        (2.0**-33, 0, 0),  # flushed to nothing
        (0.0, 0, 0),
        (1 - 2.0**-40, 2**30, -1),  # rounds up to 1.0
        (0.0111111119, 1527099591, 6),
    ],
)
def test_a_multiplier_by_hand(real, m0, n):
    assert [int(part) for part in quantize_multiplier(real)] == [m0, n]


@given(st.floats(2.0**-32, 2.0**30))
def test_a_multiplier_is_the_nearest_fraction(real):
    m0, n = (int(part) for part in quantize_multiplier(real))
    assert 2**30 <= m0 < 2**31
    assert abs(Fraction(m0, 2**31) / Fraction(2) ** n - Fraction(real)) <= (
        Fraction(1, 2**32) / Fraction(2) ** n
    )


def test_multipliers_come_as_arrays():
    m0, n = quantize_multiplier([0.5, 1.0, 0.0])
    assert m0.tolist() == [2**30, 2**30, 0] and n.tolist() == [0, -1, 0]


@given(INT32, M0)
def test_the_high_product_rounds_halves_up(x, m0):
    assert int(high_product(np.int32(x), m0)) == half_up(Fraction(x * m0, 2**31))


@given(INT32, st.integers(0, 31))
def test_the_shift_rounds_halves_away(x, n):
    assert int(rounding_shift(np.int64(x), n)) == half_away(Fraction(x, 2**n))


@given(INT32, M0, st.integers(-30, 31))
def test_rescaling_against_unlimited_integers(x, m0, n):
    once = half_up(Fraction(x * m0, 2**31) / Fraction(2) ** n)
    shifted = in_32_bits(x * 2 ** max(-n, 0))
    high = half_up(Fraction(shifted * m0, 2**31))
    twice = half_away(Fraction(high, 2 ** max(n, 0)))
    assert int(rescale(np.int32(x), m0, n, "single")) == once
    assert int(rescale(np.int32(x), m0, n, "double")) == twice
    if n >= 0:
        assert abs(once - twice) <= 1


@given(st.lists(INT32, min_size=6, max_size=6), st.lists(M0, min_size=2, max_size=2))
def test_a_multiplier_for_each_channel(x, m0):
    x, n = np.array(x, np.int32).reshape(3, 2), np.array([7, -1])
    for rounding in ("double", "single"):
        both = rescale(x, np.array(m0), n, rounding)
        for k in range(2):
            one = rescale(x[:, k], m0[k], n[k], rounding)
            assert both[:, k].tolist() == one.tolist()


def test_an_unknown_rounding_is_refused():
    with pytest.raises(ValueError, match="'floor': choose double or single"):
        rescale(1, 2**30, 0, "floor")


def test_where_single_and_double_rounding_part():
    """M = 2**-9 * 0.7374…: of 20,000 accumulators few differ, and by one."""
    x, m0, n = np.arange(-10_000, 10_000), 1583594044, 9
    apart = rescale(x, m0, n, "double") - rescale(x, m0, n, "single")
    assert set(apart) == {-1, 0, 1}
    assert 0 < np.count_nonzero(apart) < len(x) / 100
    assert 7984 in x[apart != 0]


def test_issue_102943():
    """Neither rounding gives XNNPACK's 6: it multiplies in float32, halves to even."""
    scales = [0.05296124517917633, 0.024093778803944588, 0.11484327912330627]
    s_input, s_kernel, s_output = np.float32(scales)
    wide = np.float64(s_input) * np.float64(s_kernel) / np.float64(s_output)
    m0, n = quantize_multiplier(wide)
    assert int(rescale(585, m0, n, "single")) == int(rescale(585, m0, n)) == 7
    assert int(rescale_in_float32(585, s_input * s_kernel / s_output)) == 6


@given(st.floats(-1e15, 1e15) | st.integers(-99, 99).map(lambda k: k + 0.5))
def test_rounding_floats_away_from_zero(x):
    assert round_half_away(np.float64(x)) == half_away(Fraction(x))
    narrow = np.float32(x)
    assert round_half_away(narrow) == half_away(Fraction(float(narrow)))


@given(st.integers(-(2**24), 2**24), st.integers(1, 10_000))
def test_dividing_with_rounding(x, count):
    assert int(rounding_divide(np.int64(x), count)) == half_away(Fraction(x, count))


def test_saturating_to_an_activation():
    x = np.array([-1000, -3, 0, 3, 1000])
    assert saturate(x, zero_point=-2).tolist() == [-128, -5, -2, 1, 127]
    assert saturate(x, -2, lo=-2, hi=0).tolist() == [-2, -2, -2, 0, 0]
    assert saturate(x).dtype == np.int8


def test_the_exponential_in_fixed_point():
    """Q5.26 in, Q0.31 out: the polynomial is good to 22 bits."""
    a = -np.arange(0, 31 << 26, 1_234_567)
    exact = np.exp(a / 2**26)
    assert np.abs(exp_of_negative(a) / 2**31 - exact).max() < 2**-22
    assert exp_of_negative(np.int64(0)) == 2**31 - 1


def test_the_reciprocal_in_fixed_point():
    x = np.arange(1 << 18, 1 << 31, 7_654_321)
    r, k = reciprocal(x)
    assert np.abs(r / 2**31 / 2.0**k * (x / 2**19) - 1).max() < 2**-27
