"""Which filters to remove from a ResNet's blocks: choices without any training.

`python -m experiments.prune.filters` writes data/results/filters.json: resnet8 and
resnet20 with about 27 % fewer MACs, the filters ranked in several ways, each network as
it is and with its channels' means and deviations re-estimated on calibration images.
Accuracies are on validation images, since they choose how `python -m labkit filters`
ranks. Some minutes.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from experiments.files import RESULTS, write_run
from experiments.scores import accuracy_of
from labkit import zoo
from labkit.compress.budget.filters import NAMES, inner_layers, unit_macs
from labkit.compress.budget.units import unit_scores
from labkit.compress.repair.batch_norm import reestimate_channels
from labkit.compress.units import remove_units
from labkit.model.network import Network
from labkit.prune import units
from labkit.prune.unit_budget import choose_units

FILE = RESULTS / "filters.json"
SAVING, IMAGES, DRAWS = 0.27, 100, 3
RANDOM = "random"

Scores = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Ranking:
    """A criterion of `labkit.prune.UNIT_CRITERIA`, and how layers are ranked together.

    scaled: each layer's scores divided by their length. by_share: the scores' ranks
    within the layer. per_mac: divided by the MACs that a filter costs.
    """

    criterion: str
    scaled: bool = False
    by_share: bool = False
    per_mac: bool = False


RANKINGS = {
    "Taylor per MAC": Ranking("taylor", per_mac=True),
    "Taylor": Ranking("taylor"),
    "Taylor per MAC, scaled by layer": Ranking("taylor", scaled=True, per_mac=True),
    "Taylor, scaled by layer": Ranking("taylor", scaled=True),
    "norm": Ranking("norm"),
    "norm, scaled by layer": Ranking("norm", scaled=True),
    "fixed share of each layer, by norm": Ranking("norm", by_share=True),
    "fixed share of each layer, by Taylor": Ranking("taylor", by_share=True),
    RANDOM: Ranking("random"),
}


def ranks(scores: np.ndarray) -> np.ndarray:
    """The share of a layer's units that score less than each: 0 to below 1.

    >>> ranks(np.array([5.0, -1.0, 3.0, 9.0])).tolist()
    [0.5, 0.0, 0.25, 0.75]
    """
    return np.argsort(np.argsort(scores, kind="stable")) / len(scores)


def ranking(name: str, criterion: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Inner layer of `name` -> a score for each filter; the smallest go first.

    criterion: a name of RANKINGS. seed: of the random scores.
    """
    network, how = zoo.load(name), RANKINGS[criterion]
    if how.criterion == RANDOM:
        rng = np.random.default_rng(seed)
        kernels = network.kernels
        return {
            layer: units.unit_random(kernels[layer], rng)
            for layer in inner_layers(network)
        }
    found = unit_scores(name, how.criterion)
    found = {layer: found[layer] for layer in inner_layers(network)}
    if how.scaled:
        found = {layer: units.normalized(s) for layer, s in found.items()}
    if how.by_share:
        found = {layer: ranks(s) for layer, s in found.items()}
    if how.per_mac:
        found = {layer: s / unit_macs(network, layer) for layer, s in found.items()}
    return found


def removed(network: Network, scores: Scores) -> dict[str, list[int]]:
    """Layer -> the filters of the smallest scores, until enough MACs are saved."""
    costs = {layer: unit_macs(network, layer) for layer in scores}
    # `choose_units` ranks by score / cost.
    times = {layer: s * costs[layer] for layer, s in scores.items()}
    return choose_units(times, costs, SAVING * network.macs)


def without(network: Network, gone: Mapping[str, list[int]], images=None) -> Network:
    """The network without these filters; with images its channels are re-estimated."""
    left = {
        layer: np.setdiff1d(np.arange(len(network.kernels[layer])), filters)
        for layer, filters in gone.items()
    }
    kept = {
        layer: np.isin(np.arange(len(network.kernels[layer])), stay)
        for layer, stay in left.items()
    }
    small = remove_units(network, kept)
    if images is None:
        return small
    return reestimate_channels(network, small, images, left)


def rows(name: str) -> list[dict]:
    """Every choice of one network; the first row is the network as it is."""
    network, data = zoo.load(name), zoo.dataset(name)
    images = data.calibration.images[:IMAGES]
    dense = accuracy_of(network, data.validation).value
    found = [{"network": name, "criterion": None, "validation_accuracy": dense}]
    cases = [(c, s) for c in RANKINGS for s in range(DRAWS if c == RANDOM else 1)]
    for criterion, seed in tqdm(cases, name):
        gone = removed(network, ranking(name, criterion, seed))
        for repaired in (False, True):
            small = without(network, gone, images if repaired else None)
            found.append(
                {
                    "network": name,
                    "criterion": criterion,
                    "seed": seed if criterion == RANDOM else None,
                    "reestimated": repaired,
                    "saving": 1 - small.macs / network.macs,
                    "size_bytes": len(small),
                    "removed": {layer: len(filters) for layer, filters in gone.items()},
                    "validation_accuracy": accuracy_of(small, data.validation).value,
                }
            )
    return found


def main() -> None:
    start = time.perf_counter()
    found = [row for name in NAMES for row in rows(name)]
    write_run(
        FILE,
        "python -m experiments.prune.filters",
        start,
        found,
        NAMES,
        saving=SAVING,
        calibration_images=IMAGES,
    )


if __name__ == "__main__":
    main()
