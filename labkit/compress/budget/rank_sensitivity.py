"""How much the rank of one layer matters: its loss at some ranks, the others whole.

As `labkit.compress.budget.sensitivity` does with bits. The losses of single layers are
taken to add up (`labkit.lowrank.by_loss`); that they do is an assumption.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labkit.common.keys import sha256
from labkit.common.reading import read_json
from labkit.common.split import Split
from labkit.compress import factorized
from labkit.compress.budget import ranks
from labkit.compress.budget.sensitivity import score_of
from labkit.compress.responses import ObservedMoments
from labkit.lowrank.ranks import RankOptions, thinned
from labkit.measure.correctness import BATCH, THREADS
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.model.split import split_before
from labkit.zoo import datasets

STEPS = 9  # choices a layer, the whole layer among them
FILE = datasets.DATA_FOLDER / "results" / "rank_sensitivity.json"
_LAYER = {"ranks": list, "costs": [int], "kept": [float], "loss_increase": [float]}
_LOSSES = {"method": str, "unit": str, "images": int, "layers": {str: _LAYER}}
_SHAPE = {"networks": [{"digest": str, "losses": [_LOSSES]}]}


@dataclass(frozen=True, eq=False)
class RankLosses:
    """layers: layer -> its choices, and the increase of the loss at each, the last 0.

    method, unit: what the ranks and the costs are. images: how many it was measured on.
    """

    method: str
    unit: str
    images: int
    layers: dict[str, tuple[RankOptions, list[float]]]

    @cached_property
    def digest(self) -> str:
        """The sha256 of `record`: what a result of these losses is cached under."""
        return sha256(json.dumps(self.record()).encode())

    def record(self) -> dict:
        """As numbers and text, as a results file keeps it."""
        rows = {
            layer: {
                "ranks": list(found.ranks),
                "costs": found.costs.tolist(),
                "kept": found.kept.tolist(),
                "loss_increase": losses,
            }
            for layer, (found, losses) in self.layers.items()
        }
        start = {"method": self.method, "unit": self.unit, "images": self.images}
        return start | {"layers": rows}

    @classmethod
    def from_record(cls, record: dict) -> "RankLosses":
        """The inverse of `record`."""
        layers = {
            layer: (
                RankOptions(
                    tuple(map(_rank, row["ranks"])),
                    np.array(row["costs"], np.int64),
                    np.array(row["kept"]),
                ),
                row["loss_increase"],
            )
            for layer, row in record["layers"].items()
        }
        return cls(record["method"], record["unit"], record["images"], layers)


def rank_losses(
    network: Network,
    split: Split,
    method: str = "svd",
    *,
    layers: Sequence[str] | None = None,
    observed: ObservedMoments | None = None,
    unit: str = "macs",
    steps: int = STEPS,
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
    threads: int = THREADS,
) -> RankLosses:
    """Take each layer apart alone, at some ranks that pay, and measure what it does.

    split: validation images. layers: those to measure, None for all. steps: choices a
    layer, spread evenly by cost, the whole layer among them. progress: wraps the
    layers, as `tqdm` does. What lies before the layer runs once. Raises ValueError for
    what does not fit, "cp" of a convolution among that.
    """
    whole = score_of(network, split.images, split.labels, threads)
    measured = {}
    chosen = factorized.factorizable_layers(network) if layers is None else list(layers)
    for layer in progress(chosen):
        found = ranks.layer_choices(network, layer, method, observed, unit)
        found = thinned(found, steps)
        head, tail = split_before(network, layer)
        x = head.predict(split.images, BATCH, threads) if head else split.images
        losses = []
        for rank in found.ranks[:-1]:
            parts = factorized.factorize_layer(network, layer, rank, method, observed)
            low = factorized.factorize(tail, {layer: parts})
            score = score_of(low, x, split.labels, threads)
            losses.append(score.loss - whole.loss)
        measured[layer] = (found, [*losses, 0.0])
    return RankLosses(method, unit, len(split), measured)


def committed_rank_losses(
    network: Network, method: str, unit: str = "macs"
) -> RankLosses:
    """The losses of a network of the lab that lie in data/results.

    Found by the network's digest: NetworkError where there are none, FileError for a
    damaged file.
    """
    for entry in read_json(FILE, _SHAPE, datasets.made_again(FILE))["networks"]:
        if entry["digest"] == network.digest:
            for record in entry["losses"]:
                if (record["method"], record["unit"]) == (method, unit):
                    return RankLosses.from_record(record)
    raise NetworkError(
        f"{FILE.name} has no losses of this network by {method!r}, in {unit}: measure "
        "them with `rank_losses`"
    )


def is_committed(network: Network, method: str, unit: str = "macs") -> bool:
    """Whether `committed_rank_losses` finds losses by this method, in this unit."""
    try:
        committed_rank_losses(network, method, unit)
    except NetworkError:
        return False
    return True


def _rank(value):
    """A pair of ranks is a list in a file."""
    return tuple(value) if isinstance(value, list) else value
