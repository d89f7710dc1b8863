"""Which units of a network of the zoo a setting removes, and the smaller network.

A layer's units are ranked by themselves, or all together; then each layer's scores are
divided by their length first (Molchanov et al. 2017, arXiv:1611.06440, sec. 2.2), but
for Taylor's, which are changes of one loss.
"""

from dataclasses import dataclass

import numpy as np

from labkit import structured, zoo
from labkit.memo import Memo
from labkit.network import Network
from labkit.prune import units
from labkit.repair.batch_norm import reestimate_channels
from labkit.structured import Bundle

CRITERIA = ("norm", "activation", "taylor", "random")
SCOPES = ("layer", "global")
IMAGES = 100  # calibration images that outputs are observed on
_SCORES, _BUNDLES, _SMALLER = Memo(32), Memo(16), Memo(8)


@dataclass(frozen=True, eq=False)
class Smaller:
    """A network without some units.

    kept: bundle -> bool (channels,), True = left, as for `structured.remove_units`,
    which made `network` of the network without the branches that had to go.
    """

    network: Network
    kept: dict[str, np.ndarray]


def bundle_names(name: str, blocks: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """The bundles of a network of the zoo, named as their first layers.

    blocks: the residual additions whose branches stay, None for all.
    """
    return tuple(_bundles(_without_branches(zoo.load(name), name, blocks)))


def block_names(name: str) -> tuple[str, ...]:
    """The residual additions of a network of the zoo, in the order they run."""
    return tuple(layer.name for layer in zoo.load(name).layers if layer.kind == "ADD")


def smaller(
    name: str,
    criterion: str = "norm",
    fraction: float = 0.5,
    scope: str = "layer",
    *,
    layers: tuple[str, ...] | None = None,
    blocks: tuple[str, ...] | None = None,
    repaired: bool = False,
    seed: int = 0,
) -> Smaller:
    """A network of the zoo without its least units.

    criterion: one of CRITERIA. fraction, scope: as for `labkit.prune.units.choose`.
    layers: the bundles that lose units, None for all. blocks: the residual additions
    whose branches stay, None for all. repaired: whether the channels that are left get
    their mean and deviation back, on calibration images. seed: of "random" scores.
    """
    key = (name, criterion, fraction, scope, layers, blocks, repaired, seed)
    return _SMALLER.get(key, lambda: _made(*key))


def _made(name, criterion, fraction, scope, layers, blocks, repaired, seed) -> Smaller:
    base = zoo.load(name)
    network = _without_branches(base, name, blocks)
    bundles, scores = _bundles(network), unit_scores(name, criterion, seed)
    summed = structured.bundle_scores(bundles, scores)
    if layers is not None:
        summed = {bundle: s for bundle, s in summed.items() if bundle in layers}
    if scope == "global" and criterion != "taylor":
        summed = {bundle: units.normalized(s) for bundle, s in summed.items()}
    kept = units.choose(summed, fraction, scope)
    small = structured.remove_units(network, kept)
    if repaired:
        images = zoo.dataset(name).calibration.images[:IMAGES]
        left = left_units(network, bundles, kept)
        small = reestimate_channels(base, small, images, left)
    return Smaller(small, kept)


def unit_scores(name: str, criterion: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Layer -> a score for each unit of a network of the zoo; larger: kept longer.

    "taylor" comes from the committed gradients. seed: of "random".
    """
    network = zoo.load(name)
    make = {
        "norm": lambda: structured.weight_norms(network),
        "activation": lambda: structured.mean_activations(
            network, zoo.dataset(name).calibration.images[:IMAGES]
        ),
        "taylor": lambda: dict(zoo.gradients(name).units),
        "random": lambda: _random(network, seed),
    }[criterion]
    return _SCORES.get((network.digest, criterion, seed), make)


def left_units(
    network: Network, bundles: dict[str, Bundle], kept: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Layer -> the numbers of its units that are left, ascending."""
    gone = structured.removed_units(bundles, kept)
    return {
        layer: np.setdiff1d(np.arange(len(network.kernels[layer])), numbers)
        for layer, numbers in gone.items()
    }


def _random(network: Network, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {layer: rng.random(len(w)) for layer, w in network.kernels.items()}


def _without_branches(
    network: Network, name: str, blocks: tuple[str, ...] | None
) -> Network:
    """The network without the residual branches that are not among `blocks`."""
    if blocks is not None:
        for block in block_names(name):
            if block not in blocks:
                network = network.remove_branch(block)
    return network


def _bundles(network: Network) -> dict[str, Bundle]:
    return _BUNDLES.get(network.digest, lambda: structured.bundles(network))
