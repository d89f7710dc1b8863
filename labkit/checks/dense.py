"""An int8 dense layer for notebook 02's exercise: its stages, and each one's mistakes.

All functions take what the exercise's does: q int8 (images, inputs), kernel int8
(outputs, inputs), bias int32 (outputs,), zero_in, m0 and n int64 (outputs,), zero_out.
"""

from collections.abc import Callable

import numpy as np

from labkit.integer.fixed_point import (
    high_product,
    rescale,
    round_half_away,
    rounding_shift,
    saturate,
)


def _subtract(q: np.ndarray, zero_in: int) -> np.ndarray:
    return q.astype(np.int64) - zero_in


def layer(
    steps: Callable = _subtract,
    add: Callable = np.add,
    scale: Callable = rescale,
    codes: Callable = saturate,
) -> Callable:
    """The layer, of which any stage may be another.

    steps: (q, zero_in) -> steps from zero. add: (sums of products, bias) ->
    accumulators. scale: (accumulators, m0, n) -> rescaled. codes: (rescaled, zero_out)
    -> int8 codes (images, outputs).
    """

    def dense(q, kernel, bias, zero_in, m0, n, zero_out):
        sums = steps(q, zero_in) @ kernel.T.astype(np.int64)
        return codes(scale(add(sums, bias), m0, n), zero_out)

    return dense


def _bias_last(q, kernel, bias, zero_in, m0, n, zero_out):
    sums = _subtract(q, zero_in) @ kernel.T.astype(np.int64)
    return saturate(rescale(sums, m0, n) + bias, zero_out)


def _narrow_steps(q, zero_in):
    return _subtract(q, zero_in).astype(np.int8).astype(np.int64)


def _narrow_sums(sums, bias):
    return sums.astype(np.int8).astype(np.int64) + bias


def _product(sums, m0):
    return np.multiply(sums, m0, dtype=np.int64)


def _narrow_product(added: int) -> Callable:
    """The product in int32, with `added` before the first shift."""
    return lambda sums, m0, n: (
        ((_product(sums, m0) + added).astype(np.int32) >> 31).astype(np.int64) >> n
    )


def _half_up(sums, m0, n):
    return (high_product(sums, m0) + ((np.int64(1) << n) >> 1)) >> n


def _half_even(sums, m0, n):
    high = high_product(sums, m0)
    down, half = high >> n, (np.int64(1) << n) >> 1
    rest = high - (down << n)
    return down + ((rest > half) | ((rest == half) & (half > 0) & (down % 2 == 1)))


def _once(sums, m0, n):
    return rescale(sums, m0, n, "single")


def _once_away(sums, m0, n):
    half = np.int64(1) << (30 + n)
    return np.sign(sums) * ((_product(np.abs(sums), m0) + half) >> (31 + n))


def _real(sums, m0, n):
    return sums * (m0 / 2**31 / 2.0**n)


def _float_product(sums, m0, n):
    """Both roundings as they should be, but in float64."""
    high = np.floor(sums * m0.astype(np.float64) / 2**31 + 0.5)
    return round_half_away(high / 2.0**n).astype(np.int64)


def _clipped(x):
    return np.clip(x, -128, 127)


MISTAKES = {
    "Subtract the input's zero point from every code first: a code of zero_in means "
    "0": layer(steps=lambda q, zero_in: q.astype(np.int64)),
    "The sign of zero_in is wrong: subtract it from the codes": (
        layer(steps=lambda q, zero_in: q.astype(np.int64) + zero_in)
    ),
    "Add the bias to the sums, before they are rescaled": (
        layer(add=lambda sums, bias: sums),
        _bias_last,
    ),
    "Add zero_out after rescaling: it is the code of the real 0": (
        layer(codes=lambda rescaled, zero_out: saturate(rescaled))
    ),
    "The sign of zero_out is wrong: add it after rescaling": (
        layer(codes=lambda rescaled, zero_out: saturate(rescaled, -zero_out))
    ),
    "Your codes wrap around: what lies outside -128 … 127 must saturate, so clip "
    "before you turn the numbers into int8": (
        layer(codes=lambda rescaled, zero_out: (rescaled + zero_out).astype(np.int8))
    ),
    "Some codes lie outside -128 … 127: clip them, after zero_out was added": (
        layer(codes=np.add)
    ),
    "Add zero_out first and clip then: you clip too early": (
        layer(codes=lambda x, zero_out: saturate(_clipped(x), zero_out)),
        layer(codes=lambda x, zero_out: _clipped(x) + zero_out),
        layer(codes=lambda x, zero_out: (_clipped(x) + zero_out).astype(np.int8)),
    ),
    "You sum in int8, which overflows at 128: turn the codes into int32 before you "
    "multiply": layer(add=_narrow_sums),
    "q - zero_in needs more than 8 bits (127 - (-128) is 255): turn q into int32 "
    "first": layer(steps=_narrow_steps),
    "An accumulator times m0 has up to 62 bits and overflows in int32: use int64": (
        layer(scale=_narrow_product(0)),
        layer(scale=_narrow_product(2**30)),
    ),
    "You cut the digits off with a shift: to round, add half of what the shift divides "
    "by first": layer(scale=lambda sums, m0, n: _product(sums, m0) >> (31 + n)),
    "The last shift cuts digits off: it must round, halves away from zero": (
        layer(scale=lambda sums, m0, n: high_product(sums, m0) >> n)
    ),
    "The first shift cuts digits off: it must round, so add 2**30 before it": (
        layer(scale=lambda s, m0, n: rounding_shift(_product(s, m0) >> 31, n))
    ),
    "A negative half goes the wrong way: LiteRT rounds it away from zero, -2.5 to -3. "
    "Shift the absolute value and put the sign back": layer(scale=_half_up),
    "You round halves to the even number, as np.rint and round() do: LiteRT rounds "
    "them away from zero, 2.5 to 3 and -2.5 to -3": (
        layer(scale=_half_even),
        layer(scale=lambda s, m0, n: np.rint(high_product(s, m0) / 2.0**n).astype(int)),
    ),
    "You round once, after both shifts. LiteRT's kernels round twice: the product / "
    "2**31 first, then that / 2**n": layer(scale=_once),
    "You round once, halves away from zero. LiteRT's kernels round twice: the product "
    "/ 2**31 first, halves up, then that / 2**n, halves away from zero": (
        layer(scale=_once_away),
        layer(scale=lambda *call: round_half_away(_real(*call)).astype(int)),
    ),
    "You round once, and halves to the even number: that is the float product. Use "
    "integers and round twice, / 2**31 first, then / 2**n, halves away from zero": (
        layer(scale=lambda *call: np.rint(_real(*call)).astype(int))
    ),
    "You round as LiteRT does, but in floats: a product has up to 62 bits, of which a "
    "float64 holds 53. Use int64 and >>": layer(scale=_float_product),
}
