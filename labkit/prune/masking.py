"""Scores -> masks that remove an exact number of weights.

A threshold between two scores removes too many or too few wherever scores are equal,
and reading the threshold at index n of the sorted scores is off by one. So the weights
are ranked and counted: the `removed_count` smallest go, and of equal ones the first.
"""

from collections.abc import Mapping

import numpy as np

from labkit.common import arguments
from labkit.common.arguments import fraction, whole
from labkit.common.registries import Row, chosen, registry

SCOPES = registry(
    Row("layer", "per layer", "Each layer loses its lowest scores."),
    Row("global", "global", "The lowest scores of all layers go."),
    Row("output", "per output", "Each output of a layer loses its lowest scores."),
)


def mask(scores: np.ndarray, sparsity: float) -> np.ndarray:
    """The mask that removes the `removed_count` smallest scores.

    Of equal scores those that come first (in C order) are removed first.

    >>> mask(np.array([[0.3, 0.1], [0.1, 0.2]]), 0.25).tolist()
    [[True, False], [True, True]]

    scores: finite numbers of any shape. sparsity: 0 to 1. Returns a bool array of the
    scores' shape, True = kept. Raises ValueError outside these.
    """
    scores = finite(scores)
    return _keep(scores.ravel(), removed_count(sparsity, scores.size)).reshape(
        scores.shape
    )


def _keep(flat: np.ndarray, count: int) -> np.ndarray:
    """All but the `count` smallest entries, found without sorting them all."""
    kept = np.ones(flat.size, bool)
    if count:
        largest_removed = np.partition(flat, count - 1)[count - 1]
        kept[flat < largest_removed] = False
        missing = count - (flat.size - np.count_nonzero(kept))
        kept[np.flatnonzero(flat == largest_removed)[:missing]] = False
    return kept


def removed_count(sparsity: float, n: int) -> int:
    """How many of n weights a sparsity removes: sparsity * n, halves rounded up.

    >>> removed_count(0.25, 10), removed_count(0.0, 10), removed_count(1.0, 10)
    (3, 0, 10)

    sparsity: 0 to 1, both included. n: 0 or more. Raises ValueError outside.
    """
    fraction("sparsity", sparsity, "the fraction to remove,")
    count, rest = divmod(float(sparsity) * whole("n", n, 0), 1)
    return int(count) + (rest >= 0.5)  # halves upwards


def masks(
    scores: Mapping[str, np.ndarray],
    sparsity: float | Mapping[str, float],
    scope: str = "layer",
) -> dict[str, np.ndarray]:
    """Layer -> mask, for the scores of several layers.

    >>> scores = {"fc1": np.array([1.0, 2.0, 3.0, 4.0]), "fc2": np.array([2.5, 5.0])}
    >>> {name: m.tolist() for name, m in masks(scores, 0.5).items()}
    {'fc1': [False, False, True, True], 'fc2': [False, True]}
    >>> {name: m.tolist() for name, m in masks(scores, 0.5, "global").items()}
    {'fc1': [False, False, True, True], 'fc2': [False, True]}
    >>> masks(scores, {"fc1": 0.75, "fc2": 0.0})["fc1"].tolist()
    [False, False, False, True]

    scores: layer name -> scores, see `mask`. sparsity: one number, or but for the scope
    "global" a mapping with one for each layer. scope: "layer" removes that fraction of
    each layer, "output" that fraction of each row along a layer's first axis; "global"
    ranks the scores of all layers together and removes that fraction of them all, so
    they must be in one unit. Of equal scores the first layer's are removed first.
    Raises ValueError outside these.
    """
    chosen("scope", scope, SCOPES)
    if scope == "global":
        return _global(scores, sparsity)
    fractions = _fractions(scores, sparsity)
    rank = mask if scope == "layer" else _by_output
    return {name: rank(array, fractions[name]) for name, array in scores.items()}


def sparsity(masks: Mapping[str, np.ndarray]) -> float:
    """The fraction of all weights that the masks remove, 0 to 1.

    >>> sparsity({"fc1": np.array([True, False, False]), "fc2": np.array([True])})
    0.5

    Raises ValueError where there are no weights.
    """
    size = sum(np.size(kept) for kept in masks.values())
    if not size:
        raise ValueError("the masks are empty: give at least one with a weight")
    return 1 - sum(int(np.count_nonzero(kept)) for kept in masks.values()) / size


def finite(scores: np.ndarray, layer: str = "") -> np.ndarray:
    """The scores as an array; ValueError unless all are finite, naming the layer."""
    name = f"scores[{layer!r}]" if layer else "scores"
    return arguments.finite(name, scores, may_be_empty=True)


def a_mask(kept: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The mask as a bool array; ValueError for another type or shape."""
    kept = np.asarray(kept)
    if kept.dtype != bool or kept.shape != shape:
        raise ValueError(f"the mask is {kept.dtype} {kept.shape}: give bool {shape}")
    return kept


def _by_output(scores: np.ndarray, sparsity: float) -> np.ndarray:
    rows = [mask(row, sparsity) for row in scores]
    return np.array(rows, bool).reshape(np.shape(scores))


def _global(
    scores: Mapping[str, np.ndarray], sparsity: float | Mapping[str, float]
) -> dict[str, np.ndarray]:
    if isinstance(sparsity, Mapping):
        raise ValueError(
            "sparsity has a number for each layer: a global ranking takes one number"
        )
    if not scores:
        return {}
    flats = [finite(array, name).ravel() for name, array in scores.items()]
    together = np.concatenate(flats)
    kept = _keep(together, removed_count(sparsity, together.size))
    parts = np.split(kept, np.cumsum([flat.size for flat in flats])[:-1])
    return {
        name: part.reshape(np.shape(array))
        for (name, array), part in zip(scores.items(), parts, strict=True)
    }


def _fractions(
    scores: Mapping[str, np.ndarray], sparsity: float | Mapping[str, float]
) -> Mapping[str, float]:
    if not isinstance(sparsity, Mapping):
        return dict.fromkeys(scores, sparsity)
    for name in sparsity:
        if name not in scores:
            raise ValueError(
                f"sparsity names a layer {name!r} without scores: choose from "
                f"{', '.join(scores)}"
            )
    missing = [name for name in scores if name not in sparsity]
    if missing:
        raise ValueError(
            f"sparsity has no entry for {missing[0]!r}: add one, 0 keeps the layer"
        )
    return sparsity
