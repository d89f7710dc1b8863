"""Checks of notebook 05: two factors, the rank where they pay, and for an energy."""

from collections.abc import Callable

import numpy as np

from labkit.checks.base import Verdict, Wrong, answer, numbers, verdict
from labkit.lowrank.truncated_svd import largest_paying_rank, rank_for_energy


def check_low_rank_factors(fn: Callable) -> Verdict:
    """Check `fn(w, rank) -> (first, second)`: the two factors of the nearest matrix.

    w: (out, in). first: (rank, in), second: (out, rank), so that y = second @ (first @
    x). Where the singular values go is free.
    """
    rng = np.random.default_rng(10)
    settings = [
        (rng.normal(size=(6, 6)).round(2), 2),  # square: V fits as well as V^T
        (rng.normal(size=(5, 8)).round(2), 3),
        (rng.normal(size=(9, 4)).round(2), 1),
        (rng.normal(size=(3, 7)).round(2), 3),
        (0.01 * rng.normal(size=(6, 6)), 4),
    ]
    cases = [_factors_case(*setting) for setting in settings]
    return verdict("check_low_rank_factors", fn, cases)


def _factors_case(w: np.ndarray, rank: int) -> Callable:
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    nearest = (u[:, :rank] * s[:rank]) @ vt[:rank]

    def case(fn):
        call = f"for a matrix {w.shape}, rank = {rank}"
        first, second = pair(answer(fn, w, rank), w, rank, call)
        found = second @ first
        if not np.allclose(found, nearest, atol=1e-6 * s[0]):
            raise Wrong(_factors_mistake(found, (u, s, vt), nearest, rank, call))

    return case


def pair(result, w: np.ndarray, rank: int, call: str) -> tuple[np.ndarray, np.ndarray]:
    """The answer as two factors of the right shapes, or Wrong."""
    if isinstance(result, np.ndarray) and result.shape == w.shape:
        raise Wrong(
            f"You multiply the factors together: that is {w.size} weights again, as "
            f"before. Return both factors, (first, second) ({call})."
        )
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("Return two matrices: `return first, second`.")
    first, second = (numbers(part, "two matrices") for part in result)
    shapes = (rank, w.shape[1]), (len(w), rank)
    if (first.shape, second.shape) == shapes[::-1] and shapes[0] != shapes[1]:
        raise Wrong(
            f"The order: the first factor reads the inputs, {shapes[0]}, and the "
            f"second gives the outputs, {shapes[1]} ({call})."
        )
    if (first.shape, second.shape) != shapes:
        raise Wrong(
            f"The factors have the shapes {first.shape} and {second.shape}: they "
            f"should be {shapes[0]} and {shapes[1]} ({call})."
        )
    return first, second


def _factors_mistake(found, decomposed, nearest, rank: int, call: str) -> str:
    u, s, vt = decomposed
    known = {
        "Numpy's third result is V^T already: its rows are the directions. You take "
        "rows of V, or turn it round once more": (
            _product(u, s, vt.T, rank) if vt.shape[0] == vt.shape[1] else None
        ),
        "The singular values are in there twice: put them into one factor, or their "
        "roots into both": _product(u, s**2, vt, rank),
        "The singular values are missing: put them into one of the factors": (
            _product(u, np.ones_like(s), vt, rank)
        ),
        "Roots of the singular values go into both factors; yours are in one only": (
            _product(u, np.sqrt(s), vt, rank)
        ),
        "You keep the smallest singular values: numpy gives the largest first": (
            _product(u[:, ::-1], s[::-1], vt[::-1], rank)
        ),
        "Your product is U^T diag(s) V^T: the columns of U are the directions": (
            _product(u.T, s, vt, rank) if u.shape[0] == u.shape[1] else None
        ),
    }
    for sentence, wrong in known.items():
        if wrong is not None and np.allclose(found, wrong, atol=1e-6 * s[0]):
            return f"{sentence} ({call})."
    return (
        "The product of your factors is not the nearest matrix of that rank: its "
        f"squared distance is {np.square(found - _whole(decomposed)).sum():.4g}, the "
        f"least is {np.square(nearest - _whole(decomposed)).sum():.4g} ({call})."
    )


def _product(u, s, vt, rank: int) -> np.ndarray:
    return (u[:, :rank] * s[:rank]) @ vt[:rank]


def _whole(decomposed) -> np.ndarray:
    u, s, vt = decomposed
    return (u * s) @ vt


def check_largest_paying_rank(fn: Callable) -> Verdict:
    """Check `fn(m, n) -> rank`: the largest rank with fewer weights than W (m, n).

    0 where not even rank 1 has fewer.
    """
    sides = [(300, 784), (100, 300), (10, 100), (4, 4), (3, 6), (2, 2), (1, 50)]
    cases = [_paying_case(m, n) for m, n in sides]
    return verdict("check_largest_paying_rank", fn, cases)


def _paying_case(m: int, n: int) -> Callable:
    right = largest_paying_rank(m, n)

    def case(fn):
        given = numbers(answer(fn, m, n), "one rank")
        if given.size != 1:
            raise Wrong(f"Return one rank, not {given.size} numbers.")
        found = float(given.reshape(-1)[0])
        if found != right:
            raise Wrong(_paying_mistake(found, right, m, n))

    return case


def _paying_mistake(found: float, right: int, m: int, n: int) -> str:
    call = f"for m = {m}, n = {n}"
    if found != int(found):
        return (
            f"A rank is a whole number: at {found:g} both have as many weights, so "
            f"take the largest whole one below ({call})."
        )
    cost = int(found) * (m + n)
    if found == right + 1:
        how = "as many weights as" if cost == m * n else "more weights than"
        return (
            f"One too high: rank {found:g} takes {cost:,} weights, {how} the "
            f"{m * n:,} of the matrix ({call})."
        )
    if found == right - 1:
        return (
            f"One too low: rank {right} takes {right * (m + n):,} weights, fewer than "
            f"the matrix's {m * n:,} ({call})."
        )
    if found == min(m, n):
        return (
            f"That is the full rank. Two factors of rank k take k (m + n) weights: "
            f"{cost:,} against {m * n:,} ({call})."
        )
    return (
        f"Rank {found:g} takes {cost:,} weights, rank by (m + n), against {m * n:,}: "
        f"the largest rank with fewer is another ({call})."
    )


def check_rank_for_energy(fn: Callable) -> Verdict:
    """Check `fn(s, kept) -> rank`: the least rank that keeps a fraction of the energy.

    s: singular values, descending. The energy is the sum of their squares.
    """
    rng = np.random.default_rng(11)
    settings = [
        (np.array([4.0, 2.0, 1.0, 1.0]), 0.7),
        (np.array([4.0, 3.0]), 0.64),  # exactly rank 1's
        (np.array([5.0, 5.0, 5.0, 5.0]), 0.75),
        (np.array([3.0, 2.0, 1.0]), 1.0),
        (np.sort(rng.random(30))[::-1], 0.9),
        (0.01 * np.array([9.0, 3.0, 2.0, 1.0, 0.5]), 0.95),
    ]
    cases = [_energy_case(*setting) for setting in settings]
    return verdict("check_rank_for_energy", fn, cases)


def _energy_case(s: np.ndarray, kept: float) -> Callable:
    right = rank_for_energy(s, kept)

    def case(fn):
        given = numbers(answer(fn, s, kept), "one rank")
        if given.size != 1:
            raise Wrong(f"Return one rank, not {given.size} numbers.")
        found = float(given.reshape(-1)[0])
        if found != right:
            raise Wrong(_energy_mistake(found, right, s, kept))

    return case


def _energy_mistake(found: float, right: int, s: np.ndarray, kept: float) -> str:
    listed = s.tolist() if s.size <= 5 else f"{s.size} values"
    call = f"for s = {listed}, kept = {kept:g}"
    sums, squares = np.cumsum(s) / s.sum(), np.cumsum(s**2) / np.sum(s**2)
    by_sums = int((sums >= kept - 1e-12).argmax()) + 1
    if found == right + 1 and np.isclose(squares[right - 1], kept):
        return (
            f"Rank {right} keeps {kept:g} of the energy exactly, which is enough: you "
            f"keep one too many ({call})."
        )
    if found == by_sums != right:
        return (
            "You sum the singular values: the energy ||W||_F^2 is the sum of their "
            f"squares ({call})."
        )
    if found == right - 1:
        if found == 0:
            return f"Place 0 of the sums is rank 1: add 1 ({call})."
        return (
            f"Rank {found:g} keeps {squares[int(found) - 1]:.4g} of the energy, less "
            f"than {kept:g}: place 0 of the sums is rank 1 ({call})."
        )
    if found == right + 1:
        return (
            f"Rank {right} keeps {squares[right - 1]:.4g} of the energy, which is "
            f"enough: you keep one too many ({call})."
        )
    if not 1 <= found <= s.size:
        return f"A rank is from 1 to {s.size}, yours is {found:g} ({call})."
    return f"Rank {found:g} keeps {squares[int(found) - 1]:.4g} of the energy ({call})."
