"""Networks of the zoo at low rank: which layer gets which rank, and the file."""

from collections.abc import Hashable
from dataclasses import dataclass

from labkit import factorized, rank_choice, zoo
from labkit.graph import NetworkError
from labkit.lowrank.parts import Part
from labkit.memo import Memo
from labkit.network import Network
from labkit.panels.positions import is_quick
from labkit.rank_sensitivity import FILE, RankLosses, committed, rank_losses
from labkit.responses import Observed, observe

IMAGE_COUNTS = (20, 100, 500, 2000, 5000)  # calibration images that are observed
LOSS_IMAGES = 500  # validation images, where no losses are committed
_LOW, _OBSERVED, _LOSSES = Memo(8), Memo(8), Memo(16)


@dataclass(frozen=True, eq=False)
class Low:
    """A network at low rank.

    ranks: layer -> its rank, None where it stays whole; a layer that was not to be
    taken apart is not there. parts: layer -> what runs in its place. observed: what the
    method looked at, or None.
    """

    network: Network
    ranks: dict[str, Hashable]
    parts: dict[str, tuple[Part, ...]]
    observed: Observed | None


def low(
    name: str,
    method: str = "svd",
    share: float = 0.5,
    by: str = "same",
    *,
    layers: tuple[str, ...] | None = None,
    unit: str = "macs",
    images: int = 500,
) -> Low:
    """A network of the zoo with its layers taken apart.

    method: one of `labkit.factorized.METHODS`. share, by, layers, unit: as for
    `labkit.rank_choice.plan`. images: how many calibration images are observed.
    """
    if method not in factorized.DATA_AWARE:
        images = 0
    key = (name, method, share, by, layers, unit, images)
    return _LOW.get(key, lambda: _made(*key))


def _made(name, method, share, by, layers, unit, images) -> Low:
    network = zoo.load(name)
    observed = _observed(name, method, images) if images else None
    losses = None
    if by == "loss":
        losses = losses_of(name, method, unit, images).layers
    ranks = rank_choice.plan(
        network,
        method,
        share,
        by,
        layers=layers,
        unit=unit,
        observed=observed,
        loss=losses,
    )
    parts = factorized.parts_at(network, ranks, method, observed)
    return Low(factorized.factorize(network, parts), ranks, parts, observed)


def ways(name: str, method: str) -> tuple[str, ...]:
    """How ranks can be chosen: by loss where it is committed or quickly measured."""
    network = zoo.load(name)
    if any(
        factorized.effective_method(network, layer, method) == "cp"
        for layer in factorized.layers(network)
    ):
        return ("same",)
    known = is_quick(network) or _is_committed(network, method)
    return rank_choice.BY if known else rank_choice.BY[:-1]


def methods(name: str) -> tuple[str, ...]:
    """The methods that differ on this network: a dense one has three."""
    kernels = zoo.load(name).kernels.values()
    dense = all(kernel.ndim == 2 for kernel in kernels)
    return factorized.METHODS[:3] if dense else factorized.METHODS


def losses_of(name: str, method: str, unit: str, images: int) -> RankLosses:
    """Committed losses by rank, or measured now on LOSS_IMAGES validation images."""
    network = zoo.load(name)

    def made() -> RankLosses:
        if _is_committed(network, method, unit):
            return committed(network, method, unit)
        split = zoo.dataset(name).validation.take(LOSS_IMAGES)
        observed = _observed(name, method, images) if images else None
        return rank_losses(network, split, method, observed=observed, unit=unit)

    return _LOSSES.get((network.digest, method, unit, images), made)


def _is_committed(network: Network, method: str, unit: str = "macs") -> bool:
    key = (network.digest, method, unit, FILE)

    def found() -> str:
        try:
            committed(network, method, unit)
        except NetworkError:
            return "no"
        return "yes"

    return _LOSSES.get(key, found) == "yes"


def _observed(name: str, method: str, images: int) -> Observed:
    network = zoo.load(name)

    def made() -> Observed:
        seen = zoo.dataset(name).calibration.images[:images]
        return observe(network, seen, method)

    return _OBSERVED.get((network.digest, method, images), made)
