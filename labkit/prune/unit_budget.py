"""Which units to remove until a network has saved enough: least loss per cost."""

from collections.abc import Mapping

import numpy as np

from labkit.common.arguments import fraction, positive, shaped


def choose_units(
    scores: Mapping[str, np.ndarray],
    costs: Mapping[str, float],
    saving: float,
    least: float = 0.25,
) -> dict[str, list[int]]:
    """Layer -> the units to remove, ascending: the smallest score / cost go first.

    >>> scores = {"conv1": np.array([3.0, 1.0]), "conv2": np.array([5.0, 4.0, 0.5])}
    >>> choose_units(scores, {"conv1": 2.0, "conv2": 1.0}, saving=3.0)
    {'conv1': [1], 'conv2': [2]}

    scores: layer name -> a score for each unit, all in one unit of measure (a loss).
    costs: layer name -> what a removed unit saves, such as its MACs, above 0. saving:
    how much to save at least, in the unit of the costs. least: of each layer this
    fraction of the units is kept, and one in any case. Of equal units those named first
    go first. Raises ValueError where that is not enough, or for scores or costs that do
    not fit.

    A unit's MACs count those of the layers that read it, which get fewer as their own
    units go; the costs are those of the whole network.
    """
    _check(scores, costs)
    fraction("least", least)
    if saving != 0:
        positive("saving", saving)
    order = sorted(
        (float(score) / costs[layer], position, unit)
        for position, (layer, array) in enumerate(scores.items())
        for unit, score in enumerate(array)
    )
    names = list(scores)
    spare = {
        layer: len(array) - max(1, int(np.ceil(least * len(array))))
        for layer, array in scores.items()
    }
    removed, saved = {layer: [] for layer in scores}, 0.0
    for _, position, unit in order:
        if saved >= saving:
            break
        layer = names[position]
        if len(removed[layer]) < spare[layer]:
            removed[layer].append(unit)
            saved += costs[layer]
    if saved < saving:
        raise ValueError(
            f"saving {saving:g} is not possible where each layer keeps {least:.0%} of "
            f"its units: at most {saved:g}"
        )
    return {layer: sorted(units) for layer, units in removed.items()}


def _check(scores: Mapping[str, np.ndarray], costs: Mapping[str, float]) -> None:
    for layer, array in scores.items():
        shaped(f"scores[{layer!r}]", array, "(units,)")
        positive(f"costs[{layer!r}]", costs.get(layer))
