"""Exercises of notebook 03: Taylor scores of weights and of whole units."""

import numpy as np

from labkit.checks.base import Wrong, numbers
from labkit.checks.exercise import Exercise


def _calls() -> list[tuple[np.ndarray, np.ndarray]]:
    w = np.array([[0.5, -2.0, 0.0], [1.0, 0.25, -0.5]])
    gradient = np.array([[-0.4, 0.1, 3.0], [-0.2, 0.0, -0.6]])
    rng = np.random.default_rng(6)
    many = rng.normal(0, 1, (4, 3, 3, 2)).round(2), rng.normal(0, 1, (4, 3, 3, 2))
    return [(w, gradient), (-w, gradient), many]


def _a_score_a_weight(result, w, gradient) -> np.ndarray:
    found = numbers(result, "one score a weight")
    if found.shape != w.shape:
        raise Wrong(
            f"Return a score for each weight, {w.shape}, not {found.shape}: a mask is "
            "cut from them"
        )
    return found


check_taylor_scores = Exercise(
    name="taylor_scores",
    asks="""`fn(w, gradient) -> scores`: |w g| for each weight.

    By how much the loss changes, to first order, when that weight becomes 0.
    """,
    reference=lambda w, g: np.abs(w * g),
    calls=_calls(),
    form=_a_score_a_weight,
    mistakes={
        "That is w g with its sign. A weight whose removal lowers the loss by much is "
        "not unimportant to first order: take the magnitude": lambda w, g: w * g,
        "A weight that goes to 0 moves by -w, so the loss moves by -w g, and the score "
        "is its magnitude": lambda w, g: -w * g,
        "That is the gradient alone: how far a weight moves when it goes to 0 is the "
        "weight itself, so multiply by it": (lambda w, g: np.abs(g), lambda w, g: g),
        "That is the magnitude alone: multiply by the gradient": (
            lambda w, g: np.abs(w)
        ),
        "That is squared: it ranks alike, but it is no change of the loss": (
            lambda w, g: (w * g) ** 2
        ),
        "Half of the square of w belongs to the second order, with the second "
        "derivative: to first order it is w times the gradient": (
            lambda w, g: w**2 * g**2 / 2,
            lambda w, g: w**2 * np.abs(g) / 2,
        ),
    },
)


def _rows(w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    return (w * gradient).reshape(len(w), -1)


def _a_score_a_unit(result, w, gradient) -> np.ndarray:
    found = numbers(result, "one score a unit")
    if found.shape != (len(w),):
        raise Wrong(
            f"Return one score for each of the {len(w)} units, the first axis of the "
            f"kernel {w.shape}, not an answer of shape {found.shape}"
        )
    return found


check_taylor_units = Exercise(
    name="taylor_units",
    asks="""`fn(kernel, gradient) -> (units,)`: |sum of w g| over each unit.

    kernel, gradient: (units, …). Molchanov et al. 2019, arXiv:1906.10771.
    """,
    reference=lambda w, g: np.abs(_rows(w, g).sum(axis=1)),
    calls=_calls(),
    form=_a_score_a_unit,
    mistakes={
        "You take the magnitudes before the sum. The changes of a unit's weights can "
        "cancel: sum first": lambda w, g: np.abs(_rows(w, g)).sum(axis=1),
        "The sign: a unit counts whichever way its removal moves the loss, so take the "
        "magnitude of the sum": (
            lambda w, g: _rows(w, g).sum(axis=1),
            lambda w, g: -_rows(w, g).sum(axis=1),
        ),
        "That is the mean: a unit takes all its weights with it, so their changes add "
        "up": (
            lambda w, g: np.abs(_rows(w, g).mean(axis=1)),
            lambda w, g: np.abs(_rows(w, g)).mean(axis=1),
        ),
        "That is the sum of magnitudes: multiply by the gradient": (
            lambda w, g: np.abs(w).reshape(len(w), -1).sum(axis=1)
        ),
        "That is squared: it ranks alike, but it is no change of the loss": (
            lambda w, g: _rows(w, g).sum(axis=1) ** 2
        ),
    },
)
