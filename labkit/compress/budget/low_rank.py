"""Networks of the zoo at low rank: which layer gets which rank, and the file."""

from collections.abc import Hashable
from dataclasses import dataclass

from labkit import zoo
from labkit.common.cache import cached
from labkit.common.split import Split
from labkit.compress import factorized
from labkit.compress.budget.rank_sensitivity import (
    RankLosses,
    committed_rank_losses,
    rank_losses,
)
from labkit.compress.budget.ranks import RANK_CHOICES, plan_ranks
from labkit.compress.responses import ObservedMoments, observe
from labkit.lowrank.parts import FactorLayer
from labkit.measure.quick import is_quick
from labkit.model.graph import NetworkError
from labkit.model.network import Network

IMAGE_COUNTS = (20, 100, 500, 2000, 5000)  # calibration images that are observed
LOSS_IMAGES = 500  # validation images, where no losses are committed


@dataclass(frozen=True, eq=False)
class LowRank:
    """A network at low rank.

    ranks: layer -> its rank, None where it stays whole; a layer that was not to be
    factorized is not there. parts: layer -> what runs in its place. observed: what the
    method looked at, or None.
    """

    network: Network
    ranks: dict[str, Hashable]
    parts: dict[str, tuple[FactorLayer, ...]]
    observed: ObservedMoments | None


def low_rank_network(
    name: str,
    method: str = "svd",
    parameter_ratio: float = 0.5,
    by: str = "same",
    *,
    layers: tuple[str, ...] | None = None,
    unit: str = "macs",
    images: int = 500,
) -> LowRank:
    """A network of the zoo with its layers factorized.

    method: one of `labkit.compress.FACTORIZATIONS`. parameter_ratio, by, layers,
    unit: as for `labkit.compress.plan_ranks`. images: how many calibration images are
    observed.
    """
    if not factorized.FACTORIZATIONS[method].needs:
        images = 0
    losses = losses_of(name, method, unit, images) if by == "loss" else None
    plan = method, parameter_ratio, by, layers, unit
    return _low(zoo.load(name), plan, observed_on(name, method, images), losses)


@cached
def _low(
    network: Network,
    plan: tuple,
    observed: ObservedMoments | None,
    losses: RankLosses | None,
) -> LowRank:
    method, parameter_ratio, by, layers, unit = plan
    ranks = plan_ranks(
        network,
        method,
        parameter_ratio,
        by,
        layers=layers,
        unit=unit,
        observed=observed,
        loss=losses and losses.layers,
    )
    parts = factorized.factorize_layers(network, ranks, method, observed)
    return LowRank(factorized.factorize(network, parts), ranks, parts, observed)


def ways(name: str, method: str) -> tuple[str, ...]:
    """How ranks can be chosen: by loss where it is committed or quickly measured."""
    network = zoo.load(name)
    own = (
        factorized.effective_method(network, layer, method)
        for layer in factorized.factorizable_layers(network)
    )
    if not all(factorized.FACTORIZATIONS[each].has_energies for each in own):
        return tuple(row.name for row in RANK_CHOICES.values() if not row.needs)
    known = is_quick(network) or _committed(network, method) is not None
    rows = RANK_CHOICES.values()
    return tuple(row.name for row in rows if known or row.needs != "losses")


def methods(name: str) -> tuple[str, ...]:
    """The methods that differ on this network: a dense one has three."""
    network = zoo.load(name)
    kinds = {network.layer(layer).kind for layer in network.kernels}
    rows = factorized.FACTORIZATIONS.values()
    return tuple(row.name for row in rows if not row.kinds or kinds & set(row.kinds))


def losses_of(name: str, method: str, unit: str, images: int) -> RankLosses:
    """Committed losses by rank, or measured now on LOSS_IMAGES validation images."""
    network = zoo.load(name)
    if (found := _committed(network, method, unit)) is not None:
        return found
    split = zoo.dataset(name).validation.take(LOSS_IMAGES)
    return _losses(network, split, method, observed_on(name, method, images), unit)


@cached
def _losses(
    network: Network,
    split: Split,
    method: str,
    observed: ObservedMoments | None,
    unit: str,
) -> RankLosses:
    return rank_losses(network, split, method, observed=observed, unit=unit)


def _committed(network: Network, method: str, unit: str = "macs") -> RankLosses | None:
    try:
        return committed_rank_losses(network, method, unit)
    except NetworkError:
        return None


def observed_on(name: str, method: str, images: int) -> ObservedMoments | None:
    """What a method sees on the first calibration images of a network of the zoo.

    None for 0 images: not every method looks at data.
    """
    if not images:
        return None
    return _observed(zoo.load(name), zoo.dataset(name).calibration.take(images), method)


@cached
def _observed(network: Network, images: Split, method: str) -> ObservedMoments:
    return observe(network, images.images, method)
