"""Checks of notebook 03: Taylor scores of weights and of whole units."""

from collections.abc import Callable

import numpy as np

from labkit.checks.base import Verdict, Wrong, answer, numbers, verdict

_W = np.array([[0.5, -2.0, 0.0], [1.0, 0.25, -0.5]])
_G = np.array([[-0.4, 0.1, 3.0], [-0.2, 0.0, -0.6]])


def _settings() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(6)
    many = rng.normal(0, 1, (4, 3, 3, 2)).round(2), rng.normal(0, 1, (4, 3, 3, 2))
    return [(_W, _G), (-_W, _G), many]


def check_taylor_scores(fn: Callable) -> Verdict:
    """Check `fn(w, gradient) -> scores`: |w g| for each weight.

    By how much the loss changes, to first order, when that weight becomes 0.
    """
    cases = [_weight_case(*setting) for setting in _settings()]
    return verdict("check_taylor_scores", fn, cases)


def _weight_case(w: np.ndarray, gradient: np.ndarray) -> Callable:
    right = np.abs(w * gradient)

    def case(fn):
        found = numbers(answer(fn, w, gradient), "one score a weight")
        if found.shape != w.shape:
            raise Wrong(
                f"Return a score for each weight, {w.shape}, not {found.shape}: a mask "
                "is cut from them."
            )
        if not np.allclose(found, right, atol=1e-9):
            raise Wrong(_weight_mistake(found, w, gradient, right))

    return case


def _weight_mistake(found, w, gradient, right) -> str:
    known = {
        "That is w g with its sign. A weight whose removal lowers the loss by much is "
        "not unimportant to first order: take the magnitude": [w * gradient],
        "A weight that goes to 0 moves by -w, so the loss moves by -w g, and the score "
        "is its magnitude": [-w * gradient],
        "That is the gradient alone: how far a weight moves when it goes to 0 is the "
        "weight itself, so multiply by it": [np.abs(gradient), gradient],
        "That is the magnitude alone: multiply by the gradient": [np.abs(w)],
        "That is squared: it ranks alike, but it is no change of the loss": [right**2],
        "Half of the square of w belongs to the second order, with the second "
        "derivative: to first order it is w times the gradient": [
            w**2 * gradient**2 / 2,
            w**2 * np.abs(gradient) / 2,
        ],
    }
    return _named(known, found, right)


def check_taylor_units(fn: Callable) -> Verdict:
    """Check `fn(kernel, gradient) -> (units,)`: |sum of w g| over each unit.

    kernel, gradient: (units, …). Molchanov et al. 2019, arXiv:1906.10771.
    """
    cases = [_unit_case(*setting) for setting in _settings()]
    return verdict("check_taylor_units", fn, cases)


def _unit_case(w: np.ndarray, gradient: np.ndarray) -> Callable:
    rows = (w * gradient).reshape(len(w), -1)
    right = np.abs(rows.sum(axis=1))

    def case(fn):
        found = numbers(answer(fn, w, gradient), "one score a unit")
        if found.shape != (len(w),):
            raise Wrong(
                f"Return one score for each of the {len(w)} units, the first axis of "
                f"the kernel {w.shape}, not an answer of shape {found.shape}."
            )
        if not np.allclose(found, right, atol=1e-9):
            raise Wrong(_unit_mistake(found, w, rows, right))

    return case


def _unit_mistake(found, w, rows, right) -> str:
    known = {
        "You take the magnitudes before the sum. The changes of a unit's weights can "
        "cancel: sum first": [np.abs(rows).sum(axis=1)],
        "The sign: a unit counts whichever way its removal moves the loss, so take the "
        "magnitude of the sum": [rows.sum(axis=1), -rows.sum(axis=1)],
        "That is the mean: a unit takes all its weights with it, so their changes add "
        "up": [right / rows.shape[1], np.abs(rows).mean(axis=1)],
        "That is the sum of magnitudes: multiply by the gradient": [
            np.abs(w).reshape(len(w), -1).sum(axis=1)
        ],
        "That is squared: it ranks alike, but it is no change of the loss": [right**2],
    }
    return _named(known, found, right)


def _named(known: dict[str, list[np.ndarray]], found, right) -> str:
    """The sentence of what the answer is equal to, or where it is furthest off."""
    for sentence, wrong_answers in known.items():
        if any(np.allclose(found, wrong, atol=1e-9) for wrong in wrong_answers):
            return f"{sentence}."
    worst = np.unravel_index(np.abs(found - right).argmax(), right.shape)
    place = int(worst[0]) if len(worst) == 1 else tuple(map(int, worst))
    return f"Score {place} is {found[worst]:g}, it should be {right[worst]:g}."
