"""Which units of a network of the zoo a setting removes, and the smaller network.

A layer's units are ranked by themselves, or all together; then each layer's scores are
divided by their length first (Molchanov et al. 2017, arXiv:1611.06440, sec. 2.2), but
for Taylor's, which are changes of one loss.
"""

from dataclasses import dataclass

import numpy as np

from labkit import zoo
from labkit.common.cache import cached
from labkit.common.split import Split
from labkit.compress.repair.batch_norm import reestimate_channels
from labkit.compress.units import (
    Bundle,
    bundle_scores,
    bundles,
    mean_activations,
    remove_units,
    removed_units,
    weight_norms,
)
from labkit.model.network import Network
from labkit.prune import units

UNIT_CRITERIA = ("norm", "activation", "taylor", "random")
SCOPES = ("layer", "global")
IMAGES = 100  # calibration images that outputs are observed on


@dataclass(frozen=True, eq=False)
class UnitPruned:
    """A network without some units.

    kept: bundle -> bool (channels,), True = left, as for `units.remove_units`,
    which made `network` of the network without the branches that had to go.
    """

    network: Network
    kept: dict[str, np.ndarray]


def bundle_names(name: str, blocks: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """The bundles of a network of the zoo, named as their first layers.

    blocks: the residual additions whose branches stay, None for all.
    """
    return tuple(_bundles(_without_branches(zoo.load(name), blocks)))


def block_names(name: str) -> tuple[str, ...]:
    """The residual additions of a network of the zoo, in the order they run."""
    return _additions(zoo.load(name))


def _additions(network: Network) -> tuple[str, ...]:
    return tuple(layer.name for layer in network.layers if layer.kind == "ADD")


def prune_units(
    name: str,
    criterion: str = "norm",
    fraction: float = 0.5,
    scope: str = "layer",
    *,
    layers: tuple[str, ...] | None = None,
    blocks: tuple[str, ...] | None = None,
    repaired: bool = False,
    seed: int = 0,
) -> UnitPruned:
    """A network of the zoo without its least units.

    criterion: one of CRITERIA. fraction, scope: as for `labkit.prune.choose`.
    layers: the bundles that lose units, None for all. blocks: the residual additions
    whose branches stay, None for all. repaired: whether the channels that are left get
    their mean and deviation back, on calibration images. seed: of "random" scores.
    """
    base, scores = zoo.load(name), unit_scores(name, criterion, seed)
    summed = bundle_scores(_bundles(_without_branches(base, blocks)), scores)
    if layers is not None:
        summed = {bundle: s for bundle, s in summed.items() if bundle in layers}
    if scope == "global" and criterion != "taylor":
        summed = {bundle: units.normalized(s) for bundle, s in summed.items()}
    kept = units.choose(summed, fraction, scope)
    repairing = zoo.dataset(name).calibration.take(IMAGES) if repaired else None
    return UnitPruned(_small(base, blocks, kept, repairing), kept)


@cached
def _small(
    base: Network,
    blocks: tuple[str, ...] | None,
    kept: dict[str, np.ndarray],
    repairing: Split | None,
) -> Network:
    """The network without branches and units, repaired on images if there are any."""
    network = _without_branches(base, blocks)
    small = remove_units(network, kept)
    if repairing is None:
        return small
    left = left_units(network, _bundles(network), kept)
    return reestimate_channels(base, small, repairing.images, left)


def unit_scores(name: str, criterion: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Layer -> a score for each unit of a network of the zoo; larger: kept longer.

    "taylor" comes from the committed gradients. seed: of "random".
    """
    network = zoo.load(name)
    return {
        "norm": lambda: weight_norms(network),
        "activation": lambda: _activations(
            network, zoo.dataset(name).calibration.take(IMAGES)
        ),
        "taylor": lambda: dict(zoo.gradients(name).units),
        "random": lambda: _random(network, seed),
    }[criterion]()


@cached
def _activations(network: Network, images: Split) -> dict[str, np.ndarray]:
    return mean_activations(network, images.images)


def left_units(
    network: Network, bundles: dict[str, Bundle], kept: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Layer -> the numbers of its units that are left, ascending."""
    gone = removed_units(bundles, kept)
    return {
        layer: np.setdiff1d(np.arange(len(network.kernels[layer])), numbers)
        for layer, numbers in gone.items()
    }


def _random(network: Network, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {layer: rng.random(len(w)) for layer, w in network.kernels.items()}


@cached
def _without_branches(network: Network, blocks: tuple[str, ...] | None) -> Network:
    """The network without the residual branches that are not among `blocks`."""
    if blocks is not None:
        for block in _additions(network):
            if block not in blocks:
                network = network.remove_branch(block)
    return network


@cached
def _bundles(network: Network) -> dict[str, Bundle]:
    return bundles(network)
