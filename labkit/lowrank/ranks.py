"""The ranks of a whole network at one budget: by energy, by their product, by loss.

Each layer has some ranks to choose from, each with what it costs and the fraction of
the energy that it keeps; last comes the layer as it is, which keeps all. The budget is
the sum of the costs, in MACs or in bytes.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labkit.common import knapsack
from labkit.common.arguments import positive, shaped, whole


@dataclass(frozen=True, eq=False)
class RankOptions:
    """What one layer can become, from cheap to dear.

    ranks: one for each choice but the last, which is the layer as it is: None there.
    costs: int (choices,), above 0, ascending. kept: float (choices,), the fraction of
    the energy kept, ascending to 1, above 0.
    """

    ranks: tuple[Hashable, ...]
    costs: np.ndarray
    kept: np.ndarray

    def __len__(self) -> int:
        return len(self.ranks)


def rank_options(
    ranks: Sequence[Hashable], costs: Sequence[int], kept: Sequence[float], whole: int
) -> RankOptions:
    """The ranks that cost less than the whole layer, and the layer as it is.

    >>> found = rank_options([1, 2, 3], [30, 60, 90], [0.7, 0.9, 1.0], whole=75)
    >>> found.ranks, found.costs.tolist(), found.kept.tolist()
    ((1, 2, None), [30, 60, 75], [0.7, 0.9, 1.0])

    ranks, costs, kept: one entry each, costs and kept ascending. whole: the layer's
    cost. Ranks that keep no energy are left out.
    """
    paying = [k for k, cost in enumerate(costs) if cost < whole and kept[k] > 0]
    return RankOptions(
        (*(ranks[k] for k in paying), None),
        np.array([*(costs[k] for k in paying), whole], np.int64),
        np.minimum([*(kept[k] for k in paying), 1.0], 1.0),
    )


def thinned(found: RankOptions, count: int) -> RankOptions:
    """At most `count` of the choices, evenly spread by cost; the last one stays.

    >>> found = rank_options([1, 2, 3, 4], [10, 20, 30, 40], [0.4, 0.6, 0.8, 0.9], 50)
    >>> thinned(found, 3).ranks
    (1, 3, None)
    """
    count = whole("count", count, 2)
    wanted = np.linspace(found.costs[0], found.costs[-1], count)
    indices = np.unique([np.abs(found.costs - cost).argmin() for cost in wanted])
    ranks = tuple(found.ranks[k] for k in indices)
    return RankOptions(ranks, found.costs[indices], found.kept[indices])


def by_energy(layers: Mapping[str, RankOptions], budget: float) -> dict[str, Hashable]:
    """Layer -> rank: the same fraction of the energy from each, the largest that fits.

    Each layer takes its cheapest rank that keeps the fraction.

    >>> one = rank_options([1, 2], [10, 20], [0.5, 0.9], whole=30)
    >>> two = rank_options([1, 2], [10, 20], [0.8, 0.9], whole=30)
    >>> by_energy({"fc1": one, "fc2": two}, budget=35)    # 80 % of each
    {'fc1': 2, 'fc2': 1}

    Raises ValueError where not even the cheapest ranks fit.
    """
    check_budget(layers, budget)
    levels = np.unique(np.concatenate([found.kept for found in layers.values()]))
    low, high = 0, len(levels)  # the lowest level fits: it is one cheapest rank's
    while high - low > 1:
        middle = (low + high) // 2
        fits = _cost(layers, _at_level(layers, levels[middle])) <= budget
        low, high = (middle, high) if fits else (low, middle)
    return _ranks(layers, _at_level(layers, levels[low]))


def by_product(layers: Mapping[str, RankOptions], budget: float) -> dict[str, Hashable]:
    """Layer -> rank: a large product of the layers' energies, found greedily.

    From the whole layers on, each step takes the layer one rank down that loses the
    least of its energy for a unit of cost, (dE / E) / dC, until the budget is met:
    Zhang et al. 2016 (arXiv:1505.06798), who saw that the accuracy falls nearly with
    that product.

    >>> one = rank_options([1, 2], [10, 20], [0.5, 0.9], whole=30)
    >>> two = rank_options([1, 2], [10, 20], [0.8, 0.9], whole=30)
    >>> by_product({"fc1": one, "fc2": two}, budget=35)
    {'fc1': 2, 'fc2': 1}

    Raises ValueError where not even the cheapest ranks fit.
    """
    check_budget(layers, budget)
    index = {name: len(found) - 1 for name, found in layers.items()}
    spent = _cost(layers, index)
    while spent > budget:
        name = min(
            (name for name in layers if index[name] > 0),
            key=lambda name: _price(layers[name], index[name]),
        )
        costs = layers[name].costs
        spent -= costs[index[name]] - costs[index[name] - 1]
        index[name] -= 1
    return _ranks(layers, index)


def by_loss(
    layers: Mapping[str, RankOptions],
    loss: Mapping[str, Sequence[float]],
    budget: float,
) -> dict[str, Hashable]:
    """Layer -> rank: the least sum of measured increases of the loss, exactly.

    >>> one = rank_options([1, 2], [10, 20], [0.5, 0.9], whole=30)
    >>> losses = {"fc1": [0.3, 0.2, 0.0], "fc2": [0.9, 0.1, 0.0]}
    >>> by_loss({"fc1": one, "fc2": one}, losses, budget=35)
    {'fc1': 1, 'fc2': 2}

    loss: layer -> one increase for each of its choices, the other layers being whole:
    0 for the last one. Solved by `labkit.common.knapsack.exact`. Raises ValueError
    where not even the cheapest ranks fit.
    """
    check_budget(layers, budget)
    for name, found in layers.items():
        array = shaped(f"loss[{name!r}]", loss.get(name, []), "(choices,)")
        if len(array) != len(found):
            raise ValueError(
                f"loss[{name!r}] has {len(array)} entries: give {len(found)}, one "
                "for each choice"
            )
    most = max(map(len, layers.values()))
    tables = [
        [_filled(table[name], most) for name in layers]
        for table in (loss, {name: found.costs for name, found in layers.items()})
    ]
    frontier = knapsack.exact(*map(np.array, tables))
    best = frontier.choice[frontier.within(budget)]
    return _ranks(
        layers,
        {
            name: min(int(index), len(found) - 1)
            for (name, found), index in zip(layers.items(), best, strict=True)
        },
    )


def check_budget(layers: Mapping[str, RankOptions], budget: float) -> None:
    """Raise ValueError unless the cheapest ranks of all layers fit the budget."""
    if budget != np.inf:
        positive("budget", budget)
    least = sum(int(found.costs[0]) for found in layers.values())
    if budget < least:
        raise ValueError(
            f"a budget of {budget:,.0f} is too small: the smallest ranks of all layers "
            f"cost {least:,}"
        )


def _at_level(layers: Mapping[str, RankOptions], level: float) -> dict[str, int]:
    """The index of each layer's cheapest choice that keeps `level` of the energy."""
    return {name: int((c.kept >= level).argmax()) for name, c in layers.items()}


def _cost(layers: Mapping[str, RankOptions], index: Mapping[str, int]) -> int:
    return sum(int(found.costs[index[name]]) for name, found in layers.items())


def _ranks(layers: Mapping[str, RankOptions], index: Mapping[str, int]) -> dict:
    return {name: found.ranks[index[name]] for name, found in layers.items()}


def _price(found: RankOptions, index: int) -> float:
    """The relative loss of energy for a unit of cost, one rank down."""
    lost = 1 - found.kept[index - 1] / found.kept[index]
    return lost / (found.costs[index] - found.costs[index - 1])


def _filled(values: Sequence, count: int) -> list:
    """A list as long as the longest: the last value again and again."""
    return [*values, *[values[-1]] * (count - len(values))]
