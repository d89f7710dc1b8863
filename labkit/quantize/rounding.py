"""Rounding rules: real numbers to integers, and the error that each rule makes.

The rules differ in two figures: the bias, the mean of round(x) - x, which adds up over
the terms of a sum, and the variance around it. For x evenly spread between integers,
in steps of the grid:

    rule        bias  variance
    half_even      0  1/12      halves to the even neighbour, as IEEE 754 and numpy do
    half_away      0  1/12      halves away from 0, as C's round() does
    stochastic     0  1/6       up with the probability x - floor(x)
    floor       -1/2  1/12      downwards: what dropping low bits does

The first two differ at exact halves only. There half_away is biased where the numbers
have one sign; half_even is not, where even and odd are equally frequent.
"""

import numpy as np

from labkit.common.arguments import finite
from labkit.common.registries import Row, chosen, registry


def half_even(x: np.ndarray) -> np.ndarray:
    """To the nearest integer, halves to the even one (IEEE 754-2019, sec. 4.3.1).

    >>> half_even(np.array([-1.5, -0.5, 0.5, 1.5, 2.5])).tolist()
    [-2.0, -0.0, 0.0, 2.0, 2.0]
    """
    return np.rint(x)


def half_away(x: np.ndarray) -> np.ndarray:
    """To the nearest integer, halves to the one further from 0.

    Not floor(x + 0.5): in floating point that sum rounds too, and makes 1 of the
    number just below 0.5.

    >>> half_away(np.array([-1.5, -0.5, 0.49999999999999994, 0.5, 2.5])).tolist()
    [-2.0, -1.0, 0.0, 1.0, 3.0]
    """
    whole = np.trunc(x)
    return whole + np.where(np.abs(x - whole) >= 0.5, np.sign(x), np.zeros_like(x))


def floor(x: np.ndarray) -> np.ndarray:
    """To the integer at or below.

    >>> floor(np.array([-0.5, 0.5, 2.0])).tolist()
    [-1.0, 0.0, 2.0]
    """
    return np.floor(x)


def stochastic(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up with the probability x - floor(x), else down: right on average.

    Source: Gupta et al. 2015, arXiv:1502.02551, sec. 3.

    >>> x = stochastic(np.full(1000, 0.25), np.random.default_rng(0))
    >>> sorted(set(x.tolist())), bool(0.2 < x.mean() < 0.3)
    ([0.0, 1.0], True)
    """
    below = np.floor(x)
    return below + (rng.random(x.shape) < x - below).astype(x.dtype)


# needs: "rng", a numpy.random.Generator.
ROUNDINGS = registry(
    Row("half_even", "to nearest", "Halves go to the even neighbour.", half_even),
    Row("half_away", "halves away", "Halves go to the one further from 0.", half_away),
    Row("floor", "down", "Every number goes to the integer at or below.", floor),
    Row(
        "stochastic",
        "at random",
        "Up with the probability x - floor(x), else down.",
        stochastic,
        needs="rng",
    ),
)


def round_to_integers(
    x: np.ndarray, rounding: str = "half_even", rng: np.random.Generator | None = None
) -> np.ndarray:
    """x rounded by the rule of that name, one of ROUNDINGS; float, in x's shape.

    x: a float array. rng: the source of randomness of "stochastic", which must have
    one; the other rules take none. Raises ValueError for another name, or where rng is
    missing or not used.

    >>> round_to_integers(np.array([0.5, 1.5]), "half_away").tolist()
    [1.0, 2.0]
    """
    row = chosen("rounding", rounding, ROUNDINGS)
    if (row.needs == "rng") != (rng is not None):
        raise ValueError(
            f"rounding {rounding!r} with rng {rng}: stochastic rounding takes a "
            "numpy.random.Generator, the other rules none"
        )
    return row(x) if rng is None else row(x, rng)


def bias_and_variance(
    x: np.ndarray, rounding: str, rng: np.random.Generator | None = None
) -> tuple[float, float]:
    """The mean of round(x) - x, and the variance around that mean, in steps.

    x: numbers in steps of the grid, w / scale, finite, not empty (else ValueError).
    rounding, rng: as for `round_to_integers`.

    >>> bias_and_variance(np.array([0.5, 1.5, 2.5, 3.5]), "half_away")
    (0.5, 0.0)
    >>> bias_and_variance(np.array([0.5, 1.5, 2.5, 3.5]), "half_even")
    (0.0, 0.25)
    """
    x = np.asarray(finite("x", x), np.float64)
    error = round_to_integers(x, rounding, rng) - x
    return float(error.mean()), float(error.var())
