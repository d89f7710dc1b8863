"""Checks of notebook 02: a multiplier in integers, a dense layer in integers."""

from collections.abc import Callable

import numpy as np

from labkit.checks.base import Verdict, Wrong, answer, numbers, verdict
from labkit.checks.dense import FLOATS, INT8, OUTSIDE, Dense
from labkit.integer.fixed_point import quantize_multiplier


def check_quantize_multiplier(fn: Callable) -> Verdict:
    """Check `fn(multiplier) -> (m0, n)`: 2**-n * m0 / 2**31, 2**30 <= m0 < 2**31."""
    multipliers = [0.75, 0.375, 0.0123, 1 / 3, 2.0**-20, 1.0, 3.0, 1 - 2.0**-40]
    cases = [_multiplier_case(multiplier) for multiplier in multipliers]
    return verdict("check_quantize_multiplier", fn, cases)


def _multiplier_case(multiplier: float) -> Callable:
    m0, n = (int(part) for part in quantize_multiplier(multiplier))

    def case(fn):
        call = f"for multiplier = {multiplier:.15g}"
        result = answer(fn, multiplier)
        if not isinstance(result, tuple | list | np.ndarray) or len(result) != 2:
            raise Wrong("Return two integers: `return m0, n`.")
        found = [numbers(part, "two integers").reshape(-1) for part in result]
        if any(part.size != 1 for part in found):
            raise Wrong("Return one m0 and one n, not arrays of them.")
        found = float(found[0][0]), float(found[1][0])
        if found != (m0, n):
            raise Wrong(_multiplier_mistake(*found, multiplier, m0, n, call))

    return case


def _multiplier_mistake(found, shift, multiplier, m0, n, call) -> str:
    if 0 < found <= 1:
        return (
            f"Your m0 is the fraction {found:.6g}. The hardware has only integers: "
            f"multiply it by 2**31 and round ({call})."
        )
    if found != int(found) or shift != int(shift):
        return f"Both must be whole numbers: round m0, it has 31 bits ({call})."
    if found == 2**31:
        return (
            "Your m0 is 2**31, which an int32 cannot hold: the fraction was rounded up "
            f"to 1. Halve m0, and make n one less ({call})."
        )
    if found == m0 and shift == -n:
        return (
            f"The sign of your n is wrong: multiplier = 2**-n * m0 / 2**31, so a small "
            f"multiplier has a large n ({call})."
        )
    if not 2**30 <= found < 2**31:
        return (
            f"Your m0 is {found:.0f}: it must be from 2**30 to 2**31 - 1, so that all "
            f"of its bits are used; double or halve, and count in n ({call})."
        )
    if found == m0 - 1 and shift == n:
        return f"You cut m0 off: round it to the nearest integer ({call})."
    value = found * 2.0 ** (-31 - shift)
    return (
        f"Your m0 and n mean {value:.6g}: 2**-n * m0 / 2**31 should be the multiplier "
        f"({call})."
    )


def check_integer_dense(fn: Callable) -> Verdict:
    """Check `fn(q, kernel, bias, zero_in, m0, n, zero_out) -> codes`, int8."""
    cases = [_dense_case(dense) for dense in _layers()]
    return verdict("check_integer_dense", fn, [*cases, _without_floats(_layers()[-1])])


def _layers() -> list[Dense]:
    """From an easy one, each with a new difficulty, to a layer of a real size."""
    rng = np.random.default_rng(11)
    half, one = 2**30, np.zeros(2, np.int64)
    small = np.array([[1, 2, 3], [-4, 5, 6], [7, -8, 9]], np.int8)
    kernel = np.array([[2, -1, 4], [1, 3, -2]], np.int8)
    plain = np.full(2, half), one  # M = 1/2
    wide = np.full((2, 300), 127, np.int8)
    wide[1] = -128
    ends = np.ones((2, 300), np.int8)
    ends[1] = -1
    many = 32
    return [
        Dense(2 * small, kernel, one.astype(np.int32), 0, *plain, 0),
        Dense(2 * small, kernel, np.int32([20, -30]), 0, *plain, 0),
        Dense(2 * small, kernel, np.int32([20, -30]), -6, *plain, 0),
        Dense(2 * small, kernel, np.int32([20, -30]), -6, *plain, 9),
        Dense(small, kernel, np.int32([20, -30]), -6, *plain, 9),
        Dense(wide, ends, np.int32([5, -5]), -128, np.full(2, half), 3 + one, 0),
        Dense(wide // 2, ends, np.int32([5, -5]), 0, *plain, 100),
        _halves(),
        _twice(),
        Dense(
            rng.integers(-128, 128, (many, 200)).astype(np.int8),
            rng.integers(-127, 128, (10, 200)).astype(np.int8),
            rng.integers(-20_000, 20_000, 10).astype(np.int32),
            -128,
            rng.integers(2**30, 2**31, 10),
            rng.integers(9, 12, 10),
            -20,
        ),
    ]


def _halves() -> Dense:
    """Accumulators times M that end in exactly one half, of both signs."""
    q = np.array([[20, 4], [-20, -4], [28, 4], [-28, -4]], np.int8)
    kernel, one = np.array([[1, 0], [0, 1]], np.int8), np.ones(2, np.int64)
    return Dense(q, kernel, np.zeros(2, np.int32), 0, 2**30 * one, 2 * one, 0)


def _twice() -> Dense:
    """Numbers just below a half, which the first rounding lifts onto it.

    The first is that of tensorflow issue 25087: 7984 * M = 11.4991, and 12 comes out.
    """
    q, kernel = np.array([[1], [-1]], np.int8), np.array([[0], [0]], np.int8)
    bias = np.array([7984, 1023], np.int32)
    m0, n = np.array([1_583_594_044, 2**31 - 2**20]), np.array([9, 4])
    return Dense(q, kernel, bias, 0, m0, n, 0)


def _dense_case(dense: Dense) -> Callable:
    right = dense.right()

    def case(fn):
        call = f"for arrays of shapes {dense.q.shape}, {dense.kernel.shape}"
        call += f", zero_in = {dense.zero_in}, zero_out = {dense.zero_out}"
        found = numbers(answer(fn, *dense.arguments), "int8 codes")
        if found.shape != right.shape:
            raise Wrong(
                f"Return one code for each image and output, {right.shape}: yours are "
                f"{found.shape} ({call})."
            )
        if not np.array_equal(found, right):
            raise Wrong(f"{_dense_mistake(found, dense, right)} ({call}).")

    return case


def _dense_mistake(found: np.ndarray, dense: Dense, right: np.ndarray) -> str:
    for sentence, codes in dense.mistakes().items():
        if np.array_equal(found, codes):
            return sentence
    if not np.array_equal(found, np.rint(found)):
        return "Your codes have fractions: a code is a whole number"
    if found.min() < INT8.min or found.max() > INT8.max:
        return OUTSIDE
    where = tuple(int(k) for k in np.argwhere(found != right)[0])
    return (
        f"Code {list(where)} is {found[where]:g} and should be {right[where]}: its "
        f"accumulator is {(dense.sums() + dense.bias)[where]}, times M "
        f"{dense.real()[where]:.4f}"
    )


class _Watched(np.ndarray):
    """An array that notes whether anything computed from it is of floats."""

    floats: list[bool] = []

    def __array_finalize__(self, source) -> None:
        if self.dtype.kind == "f":
            _Watched.floats.append(True)


def _without_floats(dense: Dense) -> Callable:
    def case(fn):
        _Watched.floats.clear()
        watched = (_watched(argument) for argument in dense.arguments)
        result = answer(fn, *watched)
        if _Watched.floats or np.asarray(result).dtype.kind == "f":
            raise Wrong(f"{FLOATS}.")

    return case


def _watched(argument):
    return argument.view(_Watched) if isinstance(argument, np.ndarray) else argument
