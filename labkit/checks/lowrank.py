"""Exercises of notebook 05: two factors, the rank where they pay, and for an energy."""

from collections.abc import Callable

import numpy as np

from labkit.checks.base import Wrong, numbers
from labkit.checks.exercise import Exercise
from labkit.lowrank import truncated_svd


def _same(u, s, vt):
    return u, s, vt


def _factors(change: Callable, before: float = 0, behind: float = 1) -> Callable:
    """The first terms of `change(u, s, vt)` as two factors.

    before, behind: the powers of the singular values in the first and second factor.
    """

    def factors(w, rank):
        u, s, vt = change(*np.linalg.svd(w, full_matrices=False))
        first = s[:rank, None] ** before * vt[:rank]
        return first, u[:, :rank] * s[:rank] ** behind

    return factors


def _wherever(change: Callable) -> tuple[Callable, ...]:
    """The singular values in the second factor, in the first, their roots in both."""
    return tuple(_factors(change, *powers) for powers in ((0, 1), (1, 0), (0.5, 0.5)))


def pair(result, w: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """An answer as two factors of the right shapes; raises `Wrong` for another one."""
    if isinstance(result, np.ndarray) and result.shape == w.shape:
        raise Wrong(
            f"You multiply the factors together: that is {w.size} weights again, as "
            "before. Return both factors, (first, second)"
        )
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("Return two matrices: `return first, second`")
    first, second = (numbers(part, "two matrices") for part in result)
    shapes = (rank, w.shape[1]), (len(w), rank)
    if (first.shape, second.shape) == shapes[::-1] and shapes[0] != shapes[1]:
        raise Wrong(
            f"The order: the first factor reads the inputs, {shapes[0]}, and the "
            f"second gives the outputs, {shapes[1]}"
        )
    if (first.shape, second.shape) != shapes:
        raise Wrong(
            f"The factors have the shapes {first.shape} and {second.shape}: they "
            f"should be {shapes[0]} and {shapes[1]}"
        )
    return first, second


def _product(result, w, rank) -> np.ndarray:
    """The factors' product, over the largest singular value of w."""
    first, second = pair(result, w, rank)
    return second @ first / np.linalg.norm(w, 2)


def _distance(result, w, rank) -> float:
    first, second = pair(result, w, rank)
    return float(np.square(second @ first - w).sum())


def _is_nearest(value, w, rank) -> bool:
    """Two factors are right whose product is; there are many."""
    return np.allclose(value, _product(_factors(_same)(w, rank), w, rank), atol=1e-6)


def _matrix_calls() -> list[tuple[np.ndarray, int]]:
    """Where W is square, V fits as well as V^T."""
    rng = np.random.default_rng(10)
    return [
        (rng.normal(size=(6, 6)).round(2), 2),
        (rng.normal(size=(5, 8)).round(2), 3),
        (rng.normal(size=(9, 4)).round(2), 1),
        (rng.normal(size=(3, 7)).round(2), 3),
        (0.01 * rng.normal(size=(6, 6)), 4),
    ]


check_low_rank_factors = Exercise(
    name="low_rank_factors",
    asks="""`fn(w, rank) -> (first, second)`: the two factors of the nearest matrix.

    w: (out, in). first: (rank, in), second: (out, rank), so that y = second @ (first @
    x). Where the singular values go is free.
    """,
    reference=_factors(_same),
    calls=_matrix_calls(),
    form=_product,
    accepts=_is_nearest,
    error=("a squared distance from W", _distance),
    atol=1e-6,
    mistakes={
        "Numpy's third result is V^T already: its rows are the directions. You take "
        "rows of V, or transpose it once more": _wherever(
            lambda u, s, vt: (u, s, vt.T)
        ),
        "The rows of U are no directions: take its columns": (
            _wherever(lambda u, s, vt: (u.T, s, vt))
        ),
        "The singular values are in there twice: put them into one factor, or their "
        "roots into both": _factors(_same, before=1),
        "The singular values are missing: put them into one of the factors": (
            _factors(_same, behind=0)
        ),
        "Roots of the singular values go into both factors; yours are in one only": (
            _factors(_same, behind=0.5)
        ),
        "You keep the smallest singular values: numpy gives the largest first": (
            _factors(lambda u, s, vt: (u[:, ::-1], s[::-1], vt[::-1]))
        ),
    },
)


def _one_rank(result, m, n) -> np.ndarray:
    found = _one_number(result)
    if found != np.floor(found):
        raise Wrong(f"A rank is a whole number, yours is {found:g}")
    return found


def _one_number(result) -> np.ndarray:
    found = numbers(result, "one rank")
    if found.size != 1:
        raise Wrong(f"Return one rank, not {found.size} numbers")
    return found.reshape(())


_SIDES = [(300, 784), (100, 300), (10, 100), (4, 4), (3, 6), (2, 2), (1, 50), (20, 31)]

check_largest_paying_rank = Exercise(
    name="largest_paying_rank",
    asks="""`fn(m, n) -> rank`: the largest rank with fewer weights than W (m, n).

    0 where not even rank 1 has fewer.
    """,
    reference=truncated_svd.largest_paying_rank,
    calls=_SIDES,
    form=_one_rank,
    rtol=0,
    atol=0,
    mistakes={
        "That is the break-even rank, at which both have as many weights: take the "
        "largest whole one below it": lambda m, n: m * n / (m + n),
        "Where mn / (m + n) is a whole number, two factors of that rank take as many "
        "weights as the matrix, and not fewer: one less": lambda m, n: m * n // (m + n),
        "You round mn / (m + n) up: a rank pays only below it": (
            lambda m, n: -(-m * n // (m + n))
        ),
        "You round mn / (m + n) to the nearest whole number: a rank pays only below "
        "it": lambda m, n: round(m * n / (m + n)),
        "One too low wherever mn / (m + n) is no whole number: there, the whole rank "
        "below it pays": lambda m, n: m * n // (m + n) - 1,
        "One too low: one rank more takes fewer weights than the matrix, too": (
            lambda m, n: truncated_svd.largest_paying_rank(m, n) - 1,
            lambda m, n: max(truncated_svd.largest_paying_rank(m, n) - 1, 0),
        ),
        "Where rank 1 has no fewer weights than the matrix, no rank pays: return 0": (
            lambda m, n: max(truncated_svd.largest_paying_rank(m, n), 1)
        ),
        "That is the full rank. Two factors of rank k take k (m + n) weights, and pay "
        "below mn / (m + n)": min,
        "That is half of the full rank. Two factors of rank k take k (m + n) weights, "
        "and pay below mn / (m + n)": lambda m, n: min(m, n) // 2,
    },
)


def _shares(s: np.ndarray, power: int) -> np.ndarray:
    return np.cumsum(s**power) / np.sum(s**power)


def _first_of(enough: Callable) -> Callable:
    """The first rank that is `enough(s, kept)`, bool (r,)."""
    return lambda s, kept: int(enough(s, kept).argmax()) + 1


def _index(s, kept):
    return truncated_svd.rank_for_energy(s, kept) - 1


def _from_the_right(s, kept):
    return int(np.searchsorted(_shares(s, 2), kept, side="right")) + 1


def _rank_of(result, s, kept) -> np.ndarray:
    found = _one_number(result)
    if not 1 <= found <= s.size:
        raise Wrong(f"A rank is from 1 to {s.size}, yours is {found:g}")
    return found


def _spectrum_calls() -> list[tuple[np.ndarray, float]]:
    """Of the second and the third, a rank keeps the fraction exactly."""
    rng = np.random.default_rng(11)
    return [
        (np.array([4.0, 2.0, 1.0, 1.0]), 0.7),
        (np.array([4.0, 3.0]), 0.64),
        (np.array([5.0, 5.0, 5.0, 5.0]), 0.75),
        (np.array([3.0, 2.0, 1.0]), 1.0),
        (np.sort(rng.random(30))[::-1], 0.9),
        (0.01 * np.array([9.0, 3.0, 2.0, 1.0, 0.5]), 0.95),
    ]


check_rank_for_energy = Exercise(
    name="rank_for_energy",
    asks="""`fn(s, kept) -> rank`: the least rank that keeps a fraction of the energy.

    s: singular values, descending. The energy is the sum of their squares.
    """,
    reference=truncated_svd.rank_for_energy,
    calls=_spectrum_calls(),
    form=_rank_of,
    rtol=0,
    atol=0,
    mistakes={
        "You sum the singular values: the energy ||W||_F^2 is the sum of their "
        "squares": _first_of(lambda s, kept: _shares(s, 1) >= kept - 1e-12),
        "That is the fraction of the norm: the energy is its square, so take no root": (
            _first_of(lambda s, kept: np.sqrt(_shares(s, 2)) >= kept - 1e-12)
        ),
        "Index 0 of the sums is rank 1: add 1": _index,
        "A rank that keeps the fraction exactly is enough: you keep one too many": (
            _first_of(lambda s, kept: _shares(s, 2) > kept),
            _from_the_right,
            lambda s, kept: min(_from_the_right(s, kept), len(s)),
        ),
        "You leave out the fraction `kept`, which is what stays": (
            lambda s, kept: truncated_svd.rank_for_energy(s, 1 - kept)
        ),
        "That is a fraction of the ranks: sum the squares of the singular values": (
            lambda s, kept: int(np.ceil(kept * len(s)))
        ),
    },
)
