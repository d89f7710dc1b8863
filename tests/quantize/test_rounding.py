"""Rounding rules: exact cases, their bias and variance, and Python's own decimals."""

import decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labkit.quantize.rounding import (
    ROUNDINGS,
    bias_and_variance,
    half_away,
    round_to_integers,
    stochastic,
)
from labkit.quantize.symmetric import quantize

DECIMAL = {
    "half_even": decimal.ROUND_HALF_EVEN,
    "half_away": decimal.ROUND_HALF_UP,  # decimal's "up" is away from 0
    "floor": decimal.ROUND_FLOOR,
}
TYPES = st.sampled_from([np.float32, np.float64])
NUMBERS = TYPES.flatmap(
    lambda dtype: arrays(dtype, 8, elements=st.floats(-(2.0**20), 2.0**20, width=32))
)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("rounding", DECIMAL)
@given(NUMBERS, st.booleans())
def test_equal_to_the_decimal_module(rounding, x, near_halves):
    if near_halves:
        x = np.floor(x) + x.dtype.type(0.5)
    exact = [
        int(decimal.Decimal(float(v)).to_integral_value(DECIMAL[rounding])) for v in x
    ]
    rounded = round_to_integers(x, rounding)
    assert rounded.tolist() == exact
    assert rounded.dtype == x.dtype


def test_the_number_before_a_half():
    for dtype in (np.float32, np.float64):
        below = np.nextafter(dtype(0.5), dtype(0))
        assert half_away(np.array([below, -below])).tolist() == [0, 0]


@given(NUMBERS, st.integers(0, 9))
def test_stochastic_is_one_of_the_two_neighbours(x, seed):
    rounded = stochastic(x, rng(seed))
    assert ((rounded == np.floor(x)) | (rounded == np.ceil(x))).all()
    assert np.array_equal(rounded, stochastic(x, rng(seed)))


@pytest.mark.parametrize(
    ("rounding", "bias", "variance"),
    [
        ("half_even", 0, 1 / 12),
        ("half_away", 0, 1 / 12),
        ("floor", -1 / 2, 1 / 12),
        ("stochastic", 0, 1 / 6),
    ],
)
def test_bias_and_variance_of_evenly_spread_numbers(rounding, bias, variance):
    x = rng(1).uniform(-50, 50, 200_000)
    source = rng(2) if rounding == "stochastic" else None
    # Five standard errors of a mean and of a variance of so many numbers.
    found = bias_and_variance(x, rounding, source)
    assert found == pytest.approx((bias, variance), abs=0.005)


def test_stochastic_is_right_on_average_for_any_number():
    for share in (0.1, 0.25, 0.5, 0.9):
        bias, variance = bias_and_variance(
            np.full(100_000, 3 + share), "stochastic", rng()
        )
        assert bias == pytest.approx(0, abs=0.008)
        assert variance == pytest.approx(share * (1 - share), abs=0.008)


def test_halves_of_one_sign_tell_even_from_away():
    halves = np.arange(100) + 0.5
    assert bias_and_variance(halves, "half_even") == (0.0, 0.25)
    assert bias_and_variance(halves, "half_away") == (0.5, 0.0)
    assert bias_and_variance(np.append(halves, -halves), "half_away") == (0.0, 0.25)


def test_weights_are_rounded_by_the_rule():
    w = np.array([0.5, 1.5, -0.5, -2.2, 3.0], np.float32)  # the scale is 1
    codes = {
        "half_even": [0, 2, 0, -2, 3],
        "half_away": [1, 2, -1, -2, 3],
        "floor": [0, 1, -1, -3, 3],
    }
    for rounding, expected in codes.items():
        assert quantize(w, bits=3, rounding=rounding).q.tolist() == expected
    random = quantize(w, bits=3, rounding="stochastic", rng=rng())
    again = quantize(w, bits=3, rounding="stochastic", rng=rng())
    assert np.array_equal(random.q, again.q)
    assert np.abs(random.decode() - w).max() < 1


def test_floor_stays_on_the_symmetric_grid():
    w = np.array([-1.0, 1.0, -0.999], np.float32)
    assert quantize(w, bits=2, rounding="floor").q.min() == -1


@pytest.mark.parametrize("rounding", [*ROUNDINGS, "up"])
def test_what_is_refused(rounding):
    x = np.zeros(3)
    if rounding == "up":
        with pytest.raises(ValueError, match="half_even, half_away, floor, stochastic"):
            round_to_integers(x, rounding)
        return
    source = None if rounding == "stochastic" else rng()
    with pytest.raises(ValueError, match="stochastic rounding takes a"):
        round_to_integers(x, rounding, source)
