"""Which units of a network of the zoo a setting removes, and the smaller network.

A layer's units are ranked by themselves, or all together; then each layer's scores are
divided by their length first (Molchanov et al. 2017, arXiv:1611.06440, sec. 2.2), but
for those that are changes of one loss.
"""

from dataclasses import dataclass

import numpy as np

from labkit import zoo
from labkit.common.cache import cached
from labkit.common.registries import chosen
from labkit.common.split import Split
from labkit.compress.repair.batch_norm import reestimate_channels
from labkit.compress.units import (
    ChannelGroup,
    channel_groups,
    group_scores,
    kernel_scores,
    mean_activations,
    remove_units,
    removed_units,
)
from labkit.model.network import Network
from labkit.prune import units
from labkit.prune.units import UNIT_CRITERIA, UnitCriterion

SCOPES = ("layer", "global")
IMAGES = 100  # calibration images that outputs are observed on


@dataclass(frozen=True, eq=False)
class UnitPruned:
    """A network without some units.

    kept: group -> bool (channels,), True = left, as for `remove_units`, which
    made `network` of the network without the branches that had to go.
    """

    network: Network
    kept: dict[str, np.ndarray]


def group_names(name: str, blocks: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """The channel groups of a network of the zoo, named as their first layers.

    blocks: the residual additions whose branches stay, None for all.
    """
    return tuple(_channel_groups(_without_branches(zoo.load(name), blocks)))


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

    criterion: one of UNIT_CRITERIA. fraction, scope: as for `labkit.prune.choose`.
    layers: the groups that lose units, None for all. blocks: the residual additions
    whose branches stay, None for all. repaired: whether the channels that are left get
    their mean and deviation back, on calibration images. seed: of "random" scores.
    """
    base, scores = zoo.load(name), unit_scores(name, criterion, seed)
    summed = group_scores(_channel_groups(_without_branches(base, blocks)), scores)
    if layers is not None:
        summed = {group: s for group, s in summed.items() if group in layers}
    if scope == "global" and not UNIT_CRITERIA[criterion].one_loss:
        summed = {group: units.normalized(s) for group, s in summed.items()}
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
    left = left_units(network, _channel_groups(network), kept)
    return reestimate_channels(base, small, repairing.images, left)


def unit_scores(name: str, criterion: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Layer -> a score for each unit of a network of the zoo; larger: kept longer.

    criterion: one of UNIT_CRITERIA, else ValueError; changes of the loss are committed.
    seed: of what needs a random generator.
    """
    row, network = chosen("criterion", criterion, UNIT_CRITERIA), zoo.load(name)
    if row.needs == "outputs":
        return _by_outputs(network, zoo.dataset(name).calibration.take(IMAGES), row)
    if row.needs == "changes":
        return {layer: row(s) for layer, s in zoo.gradients(name).units.items()}
    if row.needs == "rng":
        rng = np.random.default_rng(seed)
        return kernel_scores(network, lambda kernel: row(kernel, rng))
    return kernel_scores(network, row)


@cached
def _by_outputs(
    network: Network, images: Split, row: UnitCriterion
) -> dict[str, np.ndarray]:
    return mean_activations(network, images.images, row)


def left_units(
    network: Network,
    channel_groups: dict[str, ChannelGroup],
    kept: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Layer -> the numbers of its units that are left, ascending."""
    gone = removed_units(channel_groups, kept)
    return {
        layer: np.setdiff1d(np.arange(len(network.kernels[layer])), numbers)
        for layer, numbers in gone.items()
    }


@cached
def _without_branches(network: Network, blocks: tuple[str, ...] | None) -> Network:
    """The network without the residual branches that are not among `blocks`."""
    if blocks is not None:
        for block in _additions(network):
            if block not in blocks:
                network = network.remove_branch(block)
    return network


@cached
def _channel_groups(network: Network) -> dict[str, ChannelGroup]:
    return channel_groups(network)
