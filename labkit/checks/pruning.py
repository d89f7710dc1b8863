"""Exercises of notebook 03: masks with an exact count, by layer and over all layers.

Of equal magnitudes any may go, so a mask is compared by the magnitudes that it keeps.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from labkit.checks.base import Wrong
from labkit.checks.exercise import Exercise


def _without(scores: np.ndarray, count: int) -> np.ndarray:
    """The mask that removes the `count` smallest scores."""
    kept = np.ones(scores.size, bool)
    kept[np.argsort(scores, axis=None)[:count]] = False
    return kept.reshape(scores.shape)


def _mask(w: np.ndarray, sparsity: float, count: Callable = round) -> np.ndarray:
    return _without(np.abs(w), count(sparsity * w.size))


def _count(w: np.ndarray, sparsity: float) -> int:
    return round(sparsity * w.size)


def _article(w: np.ndarray, sparsity: float) -> np.ndarray:
    return np.abs(w) > w.max() - w.mean()


def _threshold(
    keeps: np.ufunc, index: Callable, before: Sequence = (), after: Sequence = ()
) -> Callable:
    """Compares |w| with the sorted |w|'s entry at `index(sparsity * w.size)`.

    before, after: what the learner puts at the ends of the sorted magnitudes.
    """

    def mask(w, sparsity):
        row = np.concatenate([before, np.sort(np.abs(w), axis=None), after])
        return keeps(np.abs(w), row[index(sparsity * w.size)])

    return mask


def _quantile(keeps: np.ufunc) -> Callable:
    return lambda w, sparsity: keeps(np.abs(w), np.quantile(np.abs(w), sparsity))


_MISTAKES = {
    "You rank w, not |w|: a weight far below 0 is a large one": (
        lambda w, s: _without(w, _count(w, s)),
    ),
    "Your mask is True where a weight goes: True means kept": (
        lambda w, s: ~_mask(w, s),
    ),
    "You remove the largest weights": (
        lambda w, s: _without(-np.abs(w), _count(w, s)),
    ),
    "You keep the fraction `sparsity` of the weights: it is what goes": (
        lambda w, s: _without(np.abs(w), w.size - _count(w, s)),
    ),
    "You remove nothing: all of the mask is True": (
        lambda w, s: np.ones(w.shape, bool),
    ),
    "max - mean is near the largest weight, so nearly all goes: rank |w| and count": (
        _article,
    ),
    "You remove one too many: entry n of the sorted magnitudes, counted from 0, is the "
    "first that stays, and at a sparsity of 1 there is no such entry": (
        _threshold(np.greater, int),
        _threshold(np.greater, round),
        _threshold(np.greater, int, after=[np.inf]),
        _threshold(np.greater, round, after=[np.inf]),
    ),
    "A threshold treats equal magnitudes alike, so it removes too many or too few of "
    "them: count instead": (
        _threshold(np.greater, lambda n: round(n) - 1),
        _threshold(np.greater, round, before=[-1.0]),
        _threshold(np.greater_equal, round),
        _threshold(np.greater_equal, round, after=[np.inf]),
    ),
    "A quantile is a threshold, and it treats equal magnitudes alike: count instead": (
        _quantile(np.greater),
        _quantile(np.greater_equal),
    ),
    "You cut the digits of the count off: it is rounded to the nearest": (
        lambda w, s: _mask(w, s, int),
    ),
    "You round the count up: it is rounded to the nearest": (
        lambda w, s: _mask(w, s, math.ceil),
    ),
}


def _kept(result, w: np.ndarray, *_) -> np.ndarray:
    """The magnitudes that a mask keeps, ascending."""
    if result is None:
        raise Wrong("Your function returns None: end it with `return` a mask")
    try:
        found = np.asarray(result)
    except ValueError:
        unlike = "Return one array, the mask, not lists of unlike length"
        raise Wrong(unlike) from None
    if found.shape != w.shape:
        raise Wrong(
            f"Return a mask in the shape of the weights, {w.shape}, not {found.shape}: "
            "w[mask] alone is a flat array that does not fit back"
        )
    if found.dtype.kind not in "biuf" or not np.isin(found, (0, 1)).all():
        raise Wrong(
            "Return a mask, True where a weight stays and False where it goes, not an "
            f"array of {found.dtype}"
        )
    return np.sort(np.abs(w[found.astype(bool)]))


def _ten_weights() -> np.ndarray:
    return np.array([0.7, -0.1, 0.4, -0.9, 0.2, -0.6, 0.3, 1.0, -0.5, 0.8])


def _mask_calls() -> list[tuple[np.ndarray, float]]:
    """Two of the counts are not whole before they are rounded: 2.9 and 3.1."""
    rng = np.random.default_rng(4)
    ten = _ten_weights()
    tied = np.array([0.5, -0.2, 0.2, 0.2, -0.2, 0.9, -0.7, 0.2])
    return [
        (ten, 0.2),
        (-np.abs(ten), 0.5),
        (tied, 0.25),
        (tied, 0.5),
        (rng.normal(0, 1, (4, 5)).round(3), 0.35),
        (rng.normal(0, 1, (3, 2, 2, 5)).round(1), 0.9),
        (ten, 0.0),
        (ten, 1.0),
        (np.zeros((2, 5)), 0.4),
        (ten, 0.29),
        (ten, 0.31),
    ]


check_magnitude_mask = Exercise(
    name="magnitude_mask",
    asks="""`fn(w, sparsity) -> mask`: the fraction of w with the smallest |w| goes.

    Exactly round(sparsity * w.size) weights go, which ones of equal magnitudes is free.
    """,
    reference=_mask,
    calls=_mask_calls(),
    form=_kept,
    accepts=lambda kept, *call: np.array_equal(kept, _kept(_mask(*call), *call)),
    mistakes=_MISTAKES,
)


def _in_a_row(mask: Callable) -> Callable:
    """`mask` of all layers' weights together, cut up again."""

    def masks(weights, sparsity):
        row = np.concatenate([w.ravel() for w in weights.values()])
        ends = np.cumsum([w.size for w in weights.values()])[:-1]
        parts = np.split(mask(row, sparsity), ends)
        return {
            name: part.reshape(w.shape)
            for (name, w), part in zip(weights.items(), parts, strict=True)
        }

    return masks


def _each(mask: Callable) -> Callable:
    """`mask` of every layer by itself."""
    return lambda weights, sparsity: {
        name: mask(w, sparsity) for name, w in weights.items()
    }


_masks = _in_a_row(_mask)


def _kept_of_all(result, weights: Mapping[str, np.ndarray], *_) -> np.ndarray:
    """The magnitudes that the masks of all layers keep, ascending."""
    if not isinstance(result, Mapping) or set(result) != set(weights):
        names = ", ".join(weights)
        raise Wrong(f"Return a dictionary with a mask for each of {names}")
    kept = [_kept(result[name], w) for name, w in weights.items()]
    return np.sort(np.concatenate(kept))


def _global_calls() -> list[tuple[dict, float]]:
    rng = np.random.default_rng(5)
    two = {
        "fc1": np.array([[0.1, -0.2, 0.3], [0.05, 0.4, -0.15]]),
        "fc2": np.array([1.0, -2.0, 0.25, 3.0]),
    }
    three = {
        "conv1": rng.normal(0, 0.5, (3, 2, 2, 1)).round(3),
        "fc1": rng.normal(0, 0.1, (4, 6)).round(3),
        "fc2": rng.normal(0, 0.3, (2, 2)).round(3),
    }
    equal = {"fc1": np.full((2, 3), -0.5), "fc2": np.full(4, 0.5)}
    return [
        (two, 0.5),
        (two, 0.7),
        (three, 0.75),
        (equal, 0.3),
        (two, 0.0),
        (two, 1.0),
        (two, 0.29),
        (two, 0.31),
    ]


check_global_masks = Exercise(
    name="global_masks",
    asks="""`fn(weights, sparsity) -> masks`: one ranking of |w| over all layers.

    weights: name -> array. The answer has a mask for each name. Over all layers
    together exactly round(sparsity * number of weights) go.
    """,
    reference=_masks,
    calls=_global_calls(),
    form=_kept_of_all,
    accepts=lambda kept, *call: np.array_equal(
        kept, _kept_of_all(_masks(*call), *call)
    ),
    mistakes={
        "Each of your layers loses the same fraction. Rank all weights together: a "
        "layer of small weights loses more": (
            _each(_mask),
            _each(_threshold(np.greater_equal, round, after=[np.inf])),
        ),
        **{
            text: (
                *map(_in_a_row, fns),
                *([_each(_article)] if _article in fns else []),
            )
            for text, fns in _MISTAKES.items()
        },
    },
)
