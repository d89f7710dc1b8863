"""Checks of notebook 03: masks with an exact count, by layer and over all layers."""

from collections.abc import Callable, Mapping

import numpy as np

from labkit.checks.base import Verdict, Wrong, answer, verdict


def check_magnitude_mask(fn: Callable) -> Verdict:
    """Check `fn(w, sparsity) -> mask`: the fraction of w with the smallest |w| goes.

    sparsity times the number of weights is a whole number. Which ones of equal
    magnitudes go is free; how many is not.
    """
    rng = np.random.default_rng(4)
    ten = np.array([0.7, -0.1, 0.4, -0.9, 0.2, -0.6, 0.3, 1.0, -0.5, 0.8])
    tied = np.array([0.5, -0.2, 0.2, 0.2, -0.2, 0.9, -0.7, 0.2])
    settings = [
        (ten, 0.2),
        (-np.abs(ten), 0.5),
        (tied, 0.25),
        (tied, 0.5),
        (rng.normal(0, 1, (4, 5)).round(3), 0.35),
        (rng.normal(0, 1, (3, 2, 2, 5)).round(1), 0.9),
        (ten, 0.0),
        (ten, 1.0),
        (np.zeros((2, 5)), 0.4),
    ]
    cases = [_mask_case(*setting) for setting in settings]
    return verdict("check_magnitude_mask", fn, cases)


def _mask_case(w: np.ndarray, sparsity: float) -> Callable:
    count = round(sparsity * w.size)

    def case(fn):
        listed = w.tolist() if w.size <= 10 else f"{w.size} weights"
        call = f"for w = {listed}, sparsity = {sparsity:g}"
        kept = _as_mask(answer(fn, w, sparsity), w, call)
        if np.sum(~kept) != count or not _is_smallest(np.abs(w), kept):
            raise Wrong(_mask_mistake(w, kept, count, call))

    return case


def _as_mask(result, w: np.ndarray, call: str) -> np.ndarray:
    """The answer as a bool array in w's shape, or Wrong."""
    if result is None:
        raise Wrong("Your function returns None: end it with `return` a mask.")
    try:
        found = np.asarray(result)
    except ValueError:
        unlike = f"Return one array, the mask, not lists of unlike length ({call})."
        raise Wrong(unlike) from None
    if found.shape != w.shape:
        raise Wrong(
            f"Return a mask in the shape of the weights, {w.shape}, not {found.shape}: "
            f"w[mask] alone is a flat array that does not fit back ({call})."
        )
    if found.dtype == bool:
        return found
    if found.dtype.kind in "iuf" and np.isin(found, (0, 1)).all():
        return found.astype(bool)
    raise Wrong(
        f"Return a mask, True where a weight stays and False where it goes, not an "
        f"array of {found.dtype} ({call})."
    )


def _is_smallest(scores: np.ndarray, kept: np.ndarray) -> bool:
    """Whether no removed score is above a kept one."""
    if kept.all() or not kept.any():
        return True
    return bool(scores[~kept].max() <= scores[kept].min())


def _mask_mistake(w: np.ndarray, kept: np.ndarray, count: int, call: str) -> str:
    removed = int(np.sum(~kept))
    if np.sum(kept) == count != w.size / 2 and _is_smallest(np.abs(w), ~kept):
        return f"Your mask is True where a weight goes: True means kept ({call})."
    if removed == count and _is_smallest(w, kept):
        return f"You rank w, not |w|: a weight far below 0 is a large one ({call})."
    if removed == count and _is_smallest(-np.abs(w), kept):
        return f"You remove the largest weights ({call})."
    if np.array_equal(kept, np.abs(w) > w.max() - w.mean()) and count < w.size:
        return (
            f"max - mean is near the largest weight, so nearly all goes: {removed} "
            f"weights of {w.size} instead of {count} ({call})."
        )
    if not _is_smallest(np.abs(w), kept):
        return f"A removed weight is larger than a kept one ({call})."
    if removed == count + 1 and np.unique(np.abs(w)).size == w.size:
        return (
            f"You remove {removed} weights, one too many: place n of the sorted "
            f"magnitudes, counted from 0, is the first that stays ({call})."
        )
    cutoff = np.sort(np.abs(w), axis=None)[min(count, w.size - 1)]
    if np.sum(np.abs(w) == cutoff) > 1:
        return (
            f"You remove {removed} weights of {w.size} instead of {count}: a threshold "
            f"treats equal magnitudes alike, so count instead ({call})."
        )
    return f"You remove {removed} weights of {w.size} instead of {count} ({call})."


def check_global_masks(fn: Callable) -> Verdict:
    """Check `fn(weights, sparsity) -> masks`: one ranking of |w| over all layers.

    weights: name -> array. The answer has a mask for each name. sparsity times the
    number of all weights is a whole number.
    """
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
    settings = [(two, 0.5), (two, 0.7), (three, 0.75), (equal, 0.3), (two, 1.0)]
    cases = [_global_case(*setting) for setting in settings]
    return verdict("check_global_masks", fn, cases)


def _global_case(weights: Mapping[str, np.ndarray], sparsity: float) -> Callable:
    row = np.concatenate([np.abs(w).ravel() for w in weights.values()])
    count = round(sparsity * row.size)

    def case(fn):
        given = {name: w.copy() for name, w in weights.items()}
        sizes = ", ".join(f"{name} with {w.size}" for name, w in weights.items())
        call = f"for the layers {sizes} weights and sparsity = {sparsity:g}"
        found = answer(fn, given, sparsity)
        if not isinstance(found, Mapping) or set(found) != set(weights):
            raise Wrong(
                f"Return a dictionary with a mask for each of {', '.join(weights)}."
            )
        if any(not np.array_equal(given.get(n), w) for n, w in weights.items()):
            raise Wrong("Your function changes the weights that it is given.")
        kept = {n: _as_mask(found[n], w, f"{n}, {call}") for n, w in weights.items()}
        together = np.concatenate([kept[name].ravel() for name in weights])
        if np.sum(~together) != count or not _is_smallest(row, together):
            raise Wrong(_global_mistake(weights, kept, sparsity, count, call))

    return case


def _global_mistake(weights, kept, sparsity: float, count: int, call: str) -> str:
    per_layer = all(
        abs(np.sum(~kept[n]) - sparsity * w.size) <= 0.5
        and _is_smallest(np.abs(w), kept[n])
        for n, w in weights.items()
    )
    if per_layer:
        return (
            "Each of your layers loses the same fraction. Rank all weights together: a "
            f"layer of small weights loses more ({call})."
        )
    together = np.concatenate([kept[name].ravel() for name in weights])
    every = np.concatenate([w.ravel() for w in weights.values()])
    return _mask_mistake(every, together, count, f"all layers in a row, {call}")
