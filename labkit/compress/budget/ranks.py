"""The ranks of all layers of a network, by one slider: which, and what they cost.

The *parameter ratio* is how many weights a layer's factors have, as a fraction of its
own: 1 is the break-even rank, whatever the method. The same ratio for every layer is
the simplest choice. The others spend the same budget otherwise: they ask which layers
lose the least (`labkit.lowrank.ranks`).
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from labkit.common.registries import Row, chosen, registry
from labkit.compress import factorized
from labkit.compress.budget.rank_costs import check_unit, cost, rank_cost, rank_for
from labkit.compress.factorized import Factorization
from labkit.compress.responses import ObservedMoments
from labkit.lowrank import ranks as choose
from labkit.lowrank.ranks import RankOptions
from labkit.model.network import Network

# needs: "energies" of nested terms, or "losses" that were measured.
RANK_CHOICES = registry(
    Row("same", "same ratio", "Every layer keeps the same fraction of its weights."),
    Row(
        "energy",
        "energy",
        "Every layer keeps the same fraction of its energy.",
        choose.by_energy,
        needs="energies",
    ),
    Row(
        "product",
        "product of energies",
        "The product of the fractions of energy kept is the largest.",
        choose.by_product,
        needs="energies",
    ),
    Row(
        "loss",
        "measured loss",
        "The sum of the measured increases of the loss is the least.",
        choose.by_loss,
        needs="losses",
    ),
)
TUCKER_STEPS = 32  # pairs of ranks to choose from, on the diagonal
Ranks = dict[str, Hashable]


def layer_choices(
    network: Network,
    layer: str,
    method: str,
    observed: ObservedMoments | None = None,
    unit: str = "macs",
) -> RankOptions:
    """The ranks of a layer that pay, with their costs and energies.

    method: not "cp" of a convolution, which has no energies (ValueError). Tucker's
    ranks go up together, in the proportion of the layer's sides, and of its energy what
    the bound of the higher-order SVD leaves is taken.
    """
    method = factorized.effective_method(network, layer, method)
    whole = cost(network, layer, None, unit)
    row = factorized.FACTORIZATIONS[method]
    if not row.has_energies:
        raise ValueError(
            f"the terms of {row.text} have no energies: choose the same ratio"
        )
    if not row.nested:
        return _diagonal_choices(network, layer, row, unit, whole)
    found = factorized.decomposition(network, layer, method, observed)
    step = cost(network, layer, found.parts(1), unit)
    total = found.energies.sum() or 1.0
    ranks = range(1, found.full_rank + 1)
    kept = np.cumsum(found.energies) / total
    return choose.rank_options(ranks, [rank * step for rank in ranks], kept, whole)


def _diagonal_choices(
    network: Network, layer: str, row: Factorization, unit: str, whole: int
) -> RankOptions:
    kernel = network.kernels[layer]
    energies, lost = row.energies(kernel), []
    shares = np.arange(1, TUCKER_STEPS + 1) / TUCKER_STEPS
    pairs = dict.fromkeys(row.ranks_for(kernel.shape, s) for s in shares)
    for pair in pairs:
        rest = (e[rank:].sum() for e, rank in zip(energies, pair, strict=True))
        lost.append(sum(rest) / energies[0].sum())
    kept = np.maximum(1 - np.array(lost), 1e-3)
    costs = [rank_cost(network, layer, row.name, pair, unit) for pair in pairs]
    return choose.rank_options(list(pairs), costs, kept, whole)


def budget(
    network: Network,
    method: str,
    parameter_ratio: float,
    layers: Sequence[str] | None = None,
    unit: str = "macs",
) -> int:
    """What the layers cost where each has the same parameter ratio."""
    total = 0
    for layer in factorized.factorizable_layers(network) if layers is None else layers:
        rank = rank_for(network, layer, method, parameter_ratio)
        total += rank_cost(network, layer, method, rank, unit)
    return total


def plan_ranks(
    network: Network,
    method: str = "svd",
    parameter_ratio: float = 0.5,
    by: str = "same",
    *,
    layers: Sequence[str] | None = None,
    unit: str = "macs",
    most: float | None = None,
    observed: ObservedMoments | None = None,
    loss: Mapping[str, tuple[RankOptions, Sequence[float]]] | None = None,
) -> Ranks:
    """Layer -> its rank; None for a layer that stays whole.

    parameter_ratio: of each layer's weights with by="same"; otherwise the same cost in
    all, shared out by one energy ("energy"), by the product of energies ("product"), or
    by measured losses ("loss"). layers: those to factorize, None for all. unit: of the
    cost. most: the budget itself, in place of the ratio's. observed: for the methods
    that look at data. loss: layer -> its choices and the increase of the loss at each,
    as `labkit.compress.budget.rank_sensitivity` measures it. Where not even the
    smallest ranks meet the ratio's budget, they are taken. Raises ValueError for what
    does not fit, or a budget `most` that nothing meets.
    """
    check_unit(unit)
    row = chosen("by", by, RANK_CHOICES)
    names = factorized.factorizable_layers(network) if layers is None else list(layers)
    if row.compute is None:
        return {
            layer: rank_for(network, layer, method, parameter_ratio) for layer in names
        }
    if not names:
        return {}
    if row.needs == "losses":
        if loss is None:
            raise ValueError(
                "by 'loss' needs loss=, the `layers` of labkit.compress.rank_losses"
            )
        found = {layer: loss[layer][0] for layer in names}
    else:
        found = {
            layer: layer_choices(network, layer, method, observed, unit)
            for layer in names
        }
    least = sum(int(choices.costs[0]) for choices in found.values())
    if most is None:
        most = max(budget(network, method, parameter_ratio, names, unit), least)
    if row.needs == "losses":
        return row(found, {layer: loss[layer][1] for layer in names}, most)
    return row(found, most)
