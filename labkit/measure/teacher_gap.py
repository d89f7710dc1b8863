"""Which share of the gap between a student alone and its teacher a training closes."""

from collections.abc import Sequence

import numpy as np

LEVELS = 0.025, 0.975


def gap_closed(
    teacher: Sequence[int],
    alone: Sequence[Sequence[int]],
    taught: Sequence[Sequence[int]],
    n: int = 10_000,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """(errors alone - errors taught) / (errors alone - errors of the teacher).

    teacher: which of the n test images it gets wrong, whole numbers from 0. alone,
    taught: the same for each seed of the students, whose errors are averaged. Returns
    (share, low, high): the 95 % interval is that of `draws` drawings, with replacement,
    of test images and of seeds (a percentile bootstrap; Efron and Tibshirani 1993).
    Raises ValueError where the students alone are as good as the teacher, in all test
    images or in those of a drawing.

    >>> gap_closed([1], [[1, 2, 3], [1, 2, 3]], [[1, 2], [1, 2]], draws=1)[0]
    0.5
    """
    rng = np.random.default_rng(seed)
    its = _flags(teacher, n)
    both = [np.stack([_flags(one, n) for one in rows]) for rows in (alone, taught)]
    means = [rows.sum(axis=1).mean() for rows in both]
    if means[0] <= its.sum():
        raise ValueError(
            f"alone {means[0]:g} errors, the teacher {its.sum():g}: there is no gap"
        )
    shares = []
    for _ in range(draws):
        counts = np.bincount(rng.integers(0, n, n), minlength=n)
        drawn = [
            (rows[rng.integers(0, len(rows), len(rows))] @ counts).mean()
            for rows in both
        ]
        if drawn[0] <= its @ counts:
            raise ValueError(
                "the gap is too small for an interval: in a drawing of the test images "
                "there is none; give more seeds or images"
            )
        shares.append(_share(its @ counts, *drawn))
    low, high = np.quantile(shares, LEVELS)
    return float(_share(its.sum(), *means)), float(low), float(high)


def _share(teacher: float, alone: float, taught: float) -> float:
    return (alone - taught) / (alone - teacher)


def _flags(images: Sequence[int], n: int) -> np.ndarray:
    images = np.asarray(list(images), np.int64)
    if len(images) and not 0 <= images.min() <= images.max() < n:
        raise ValueError(f"the wrong images are numbers from 0 to {n - 1}")
    flags = np.zeros(n)
    flags[images] = 1
    return flags
