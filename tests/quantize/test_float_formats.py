"""Float8 and float4: every bit pattern from its fields, every cast by brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labkit.quantize.codebook import quantize_to_levels
from labkit.quantize.float_formats import FORMATS, bits_of, largest, levels, to_bits

FIELDS = {  # exponent bits, mantissa bits, bias
    "float8_e4m3": (4, 3, 7),
    "float8_e5m2": (5, 2, 15),
    "float4_e2m1": (2, 1, 1),
}
LARGEST = {"float8_e4m3": 448, "float8_e5m2": 57344, "float4_e2m1": 6}


def value(pattern: int, name: str) -> float:
    """A finite pattern's number by the definition of a floating-point format."""
    exponent_bits, mantissa_bits, bias = FIELDS[name]
    sign = -1 if pattern >> (exponent_bits + mantissa_bits) else 1
    exponent = pattern >> mantissa_bits & (2**exponent_bits - 1)
    mantissa = (pattern & (2**mantissa_bits - 1)) / 2**mantissa_bits
    if exponent == 0:
        return sign * mantissa * 2.0 ** (1 - bias)
    return sign * (1 + mantissa) * 2.0 ** (exponent - bias)


@pytest.mark.parametrize(
    ("name", "count"),
    [("float8_e4m3", 253), ("float8_e5m2", 247), ("float4_e2m1", 15)],
)
def test_levels_are_those_of_the_definition(name, count):
    table = levels(name)
    assert len(table) == 2 ** bits_of(name) == 2 ** (1 + sum(FIELDS[name][:2]))
    finite = np.flatnonzero(np.isfinite(table))
    assert [value(int(pattern), name) for pattern in finite] == table[finite].tolist()
    assert len(np.unique(table[finite])) == count  # the two zeros are one number
    assert np.abs(table[finite]).max() == largest(name) == LARGEST[name]


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None)
@given(st.data())
def test_the_cast_goes_to_the_nearest_and_halves_to_the_even(name, data):
    reach = 2 * largest(name)
    x = data.draw(arrays(np.float32, 10, elements=st.floats(-reach, reach, width=32)))
    table = levels(name)
    finite = np.flatnonzero(np.isfinite(table))
    middles = np.sort(table[finite].astype(np.float64))
    middles = ((middles[1:] + middles[:-1]) / 2).astype(np.float32)
    x = np.append(x, data.draw(st.sampled_from(list(middles))))
    patterns = to_bits(x, name)
    assert patterns.dtype == np.uint8
    distance = np.abs(x.astype(np.float64)[:, None] - table[finite])
    least = distance.min(axis=1)
    assert np.abs(x - table[patterns].astype(np.float64)).tolist() == least.tolist()
    for pattern, row in zip(patterns, distance, strict=True):
        nearest = finite[row == row.min()]
        if len(np.unique(table[nearest])) == 2:
            assert pattern % 2 == 0


def test_what_the_bare_cast_makes_of_large_numbers():
    big = np.array([1e6, -1e6], np.float32)
    assert np.isnan(big.astype(FORMATS["float8_e4m3"]).astype(np.float32)).all()
    assert np.isinf(big.astype(FORMATS["float8_e5m2"]).astype(np.float32)).all()
    for name in FORMATS:
        assert levels(name)[to_bits(big, name)].tolist() == [
            largest(name),
            -largest(name),
        ]


@pytest.mark.parametrize("name", FORMATS)
def test_the_largest_weight_is_on_the_largest_number(name):
    w = np.random.default_rng(0).normal(size=(4, 100)).astype(np.float32)
    coded = quantize_to_levels(w, name, bits_of(name), "channel")
    tops = np.abs(w).max(axis=1)
    assert coded.scale == pytest.approx(tops / largest(name), rel=1e-6)
    assert np.abs(coded.decode()).max(axis=1) == pytest.approx(tops, rel=1e-6)


def test_levels_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        levels("float4_e2m1")[0] = 1
