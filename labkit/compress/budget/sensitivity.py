"""How much one layer's bits matter: a map of layers by bits, on validation images.

One layer at a time is quantized and the others stay float. The mean cross-entropy rises
smoothly with the damage, where the accuracy of a few thousand images moves in steps; so
the loss is what bits are assigned by (`labkit.common.knapsack`), and the accuracy is
shown.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from labkit.common.reading import read_json
from labkit.common.split import Split
from labkit.compress.quantized import quantize_network
from labkit.measure.correctness import BATCH, THREADS
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.model.split import split_before
from labkit.packed.codec import payload_bytes
from labkit.zoo import datasets

BITS = (2, 3, 4, 5, 6, 8)
FILE = datasets.DATA_FOLDER / "results" / "sensitivity.json"
_MAP = {
    **{"granularity": str, "rule": str, "images": int},
    "base": {"accuracy": float, "loss": float},
    "cells": [
        {"layer": str, "bits": int, "size_bytes": int}
        | {"accuracy": float, "loss_increase": float}
    ],
}
_SHAPE = {"networks": [{"digest": str, "maps": [_MAP]}]}


@dataclass(frozen=True)
class Score:
    """accuracy: 0 to 1. loss: mean cross-entropy, in nats an image."""

    accuracy: float
    loss: float


@dataclass(frozen=True)
class Cell:
    """One layer at one width, the other layers float.

    size_bytes: its kernel's codes and scales. loss_increase: over the float network's.
    """

    layer: str
    bits: int
    size_bytes: int
    accuracy: float
    loss_increase: float


@dataclass(frozen=True)
class Sensitivity:
    """The map of one network: base is the float network, cells the layers by bits.

    images: how many it was measured on. granularity, rule: of the quantizer.
    """

    granularity: str
    rule: str
    images: int
    base: Score
    cells: tuple[Cell, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers in the order they run."""
        return tuple(dict.fromkeys(cell.layer for cell in self.cells))

    @property
    def bits(self) -> tuple[int, ...]:
        """The widths, ascending."""
        return tuple(sorted({cell.bits for cell in self.cells}))

    def table(self, field: str) -> np.ndarray:
        """One field of the cells as an array (layers, widths): "loss_increase", …

        `labkit.common.knapsack` takes those of "loss_increase" and "size_bytes".
        """
        values = {(cell.layer, cell.bits): getattr(cell, field) for cell in self.cells}
        return np.array(
            [[values[layer, bits] for bits in self.bits] for layer in self.layers]
        )

    def record(self) -> dict:
        """The map as numbers and text, as a results file keeps it."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict) -> "Sensitivity":
        """The inverse of `record`."""
        cells = tuple(Cell(**cell) for cell in record["cells"])
        return cls(**{**record, "base": Score(**record["base"]), "cells": cells})


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log softmax(logits)[label], in nats.

    logits: float (n, classes). labels: integers (n,).

    >>> round(cross_entropy(np.zeros((1, 4)), np.array([0])), 4)    # log 4
    1.3863
    """
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)  # exp of at most 0
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_sums - shifted[np.arange(len(labels)), labels]))


def score(network: Network, split: Split, threads: int = THREADS) -> Score:
    """Accuracy and loss of a float or decoded network on all images of a split.

    Raises NetworkError for outputs that are not finite.
    """
    return score_of(network, split.images, split.labels, threads)


def sensitivity(
    network: Network,
    split: Split,
    bits: Sequence[int] = BITS,
    granularity: str = "channel",
    rule: str = "minmax",
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
    threads: int = THREADS,
) -> Sensitivity:
    """Quantize each layer alone to each width and measure what it does.

    split: validation images (their first 500 make a quick map, `split.take(500)`).
    bits, granularity, rule: as for `labkit.quantize.quantize`. progress: wraps the
    layers, as `tqdm` does. threads: how many the kernels may use.
    What lies before the layer runs once, what lies behind it once for each width.
    Raises ValueError for settings out of range.
    """
    base, cells = score(network, split, threads), []
    for layer in progress(tuple(network.kernels)):
        head, tail = split_before(network, layer)
        x = head.predict(split.images, BATCH, threads) if head else split.images
        for width in sorted(set(bits)):
            alone = quantize_network(tail, {layer: width}, granularity, rule)
            found = score_of(alone.network, x, split.labels, threads)
            size = payload_bytes(alone.quantized[layer])
            increase = found.loss - base.loss
            cells.append(Cell(layer, width, size, found.accuracy, increase))
    return Sensitivity(granularity, rule, len(split), base, tuple(cells))


def score_of(
    network: Network, x: np.ndarray, labels: np.ndarray, threads: int = THREADS
) -> Score:
    """The same on inputs x, uint8 images or float32, with labels (n,)."""
    logits = network.predict(x, BATCH, threads)
    if not np.isfinite(logits).all():
        raise NetworkError("the network's outputs are not finite: take more bits")
    right = int((logits.argmax(axis=1) == labels).sum())
    return Score(right / len(labels), cross_entropy(logits, labels))


def committed_sensitivity(network: Network, rule: str = "least_squares") -> Sensitivity:
    """The map of a network of the lab that lies in data/results, per channel.

    Measured on all 5,000 validation images. It is found by the network's digest, so a
    changed network has none: NetworkError, as for a rule that was not measured.
    Raises FileError for a damaged file.
    """
    for entry in read_json(FILE, _SHAPE, datasets.made_again(FILE))["networks"]:
        if entry["digest"] == network.digest:
            for record in entry["maps"]:
                if record["rule"] == rule:
                    return Sensitivity.from_record(record)
    raise NetworkError(
        f"{FILE.name} has no map of this network with the rule {rule!r}: measure one "
        "with `sensitivity`"
    )
