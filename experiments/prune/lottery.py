"""Lottery tickets on the mlp: rewound, re-initialized and dense, over seeds.

`python -m experiments.prune.lottery` trains LeNet-300-100 from five initializations,
prunes it iteratively, and after each pruning rewinds what is left to its initial
weights (Frankle and Carbin 2019, arXiv:1803.03635, sec. 1, 2 and Fig. 2: Adam at
1.2e-3, batches of 60, 20 % of each layer a round, 10 % of the output layer). At some
levels the same masks are trained from new initial weights. Here a training has 10,000
iterations, the paper's has 50,000. Writes data/results/lottery.json after every
training and goes on from there; masks are in runs/lottery. An hour on an idle core.
"""

import io
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments import resumed
from experiments.files import RESULTS, read_json
from labkit.common.files import write_bytes, write_json
from labkit.common.reading import read_arrays
from labkit.prune.masking import mask
from labkit.zoo import datasets

FILE = RESULTS / "lottery.json"
RUNS = datasets.ROOT / "runs" / "lottery"
SETTINGS = {
    "widths": [784, 300, 100, 10],
    "iterations": 10_000,
    "batch_size": 60,
    "learning_rate": 1.2e-3,
    "pruned_a_round": [0.2, 0.2, 0.1],
    "validation_every": 100,
}
SEEDS, ROUNDS = 5, 15
# 51, 21, 13.5 and 3.6 % left: where new initial weights are tried.
REINITIALIZED = (3, 7, 9, 15)
MARKS = (500, 1000, 2000, 3000, 5000, 7500, 10_000)
REWOUND, NEW = "rewound", "reinitialized"


def left(masks: Sequence[np.ndarray]) -> float:
    """The fraction of all kernels' weights that the masks keep."""
    return sum(int(kept.sum()) for kept in masks) / sum(kept.size for kept in masks)


def next_masks(
    kernels: Sequence[np.ndarray], masks: Sequence[np.ndarray], fractions
) -> list[np.ndarray]:
    """The masks without the smallest weights: of what each keeps, a fraction less.

    >>> kernel, kept = np.array([0.0, 3, -1, 2]), np.array([False, True, True, True])
    >>> next_masks([kernel], [kept], [1 / 3])[0].tolist()
    [False, True, False, True]
    """
    found = []
    for kernel, kept, fraction in zip(kernels, masks, fractions, strict=True):
        count = int(kept.sum())
        removed = kept.size - count + round(fraction * count)
        scores = np.where(kept, np.abs(kernel), -1.0)
        found.append(mask(scores, removed / kept.size))
    return found


def trained(start, masks, dataset: datasets.Dataset, seed) -> tuple[dict, list]:
    """One training: its row of results, and the kernels at its end.

    The stop is where the validation loss is smallest, looked at every 100 iterations.
    """
    from labkit.train.fast import STEPS, Training

    assert SETTINGS["validation_every"] == STEPS
    began = time.perf_counter()
    rates = np.full(SETTINGS["iterations"], SETTINGS["learning_rate"])
    training = Training(
        start, masks, dataset.train, rates, SETTINGS["batch_size"], seed
    )
    marks, best, stop = [], np.inf, None
    while training.step < len(rates):
        network = training.advance()
        loss = network.loss(dataset.validation)
        if loss < best:
            best, stop = loss, (training.step, network)
        if training.step in MARKS:
            marks.append(_mark(training.step, network, loss, dataset))
    row = {
        "left": left(masks),
        "stop": _mark(*stop, best, dataset),
        "marks": marks,
        "seconds": round(time.perf_counter() - began, 1),
    }
    return row, list(network.kernels)


def _mark(step: int, network, loss: float, dataset: datasets.Dataset) -> dict:
    return {
        "iteration": step,
        "validation_loss": round(loss, 5),
        "test_accuracy": network.accuracy(dataset.test),
    }


def masks_path(seed: int, round_: int) -> Path:
    """Where the masks lie with which a round's training begins."""
    return RUNS / f"seed{seed}-round{round_}.npz"


def load_masks(seed: int, round_: int) -> list[np.ndarray]:
    """The masks of a round; all kept before the first pruning."""
    if round_ == 0:
        widths = SETTINGS["widths"]
        return [np.ones(shape, bool) for shape in zip(widths, widths[1:], strict=False)]
    path = masks_path(seed, round_)
    return list(read_arrays(path, f"delete it and {FILE} to begin anew").values())


def save_masks(seed: int, round_: int, masks: Sequence[np.ndarray]) -> None:
    """Keep the masks for an interrupted run."""
    content = io.BytesIO()
    np.savez_compressed(content, *masks)
    write_bytes(masks_path(seed, round_), content.getvalue())


def one(kind: str, seed: int, round_: int, dataset: datasets.Dataset) -> dict:
    """Train one network and keep the masks that follow from it: its row of results."""
    from labkit.train.fast import Dense

    # The second number tells streams apart: numpy takes [3] and [3, 0] for one seed.
    begin = [seed, 1] if kind == REWOUND else [seed, 2, round_]
    start = Dense.untrained(SETTINGS["widths"], begin)
    masks = load_masks(seed, round_)
    row, kernels = trained(start, masks, dataset, [seed, 3, round_, kind == NEW])
    if kind == REWOUND:
        fewer = next_masks(kernels, masks, SETTINGS["pruned_a_round"])
        save_masks(seed, round_ + 1, fewer)
    return row


def wanted() -> list[dict]:
    """What tells the trainings apart, in the order they need."""
    return [
        {"kind": kind, "seed": seed, "round": round_}
        for seed in range(SEEDS)
        for round_ in range(ROUNDS + 1)
        for kind in ((REWOUND, NEW) if round_ in REINITIALIZED else (REWOUND,))
    ]


def followed(row: dict) -> bool:
    """Whether the next round can begin: its masks are there, or none are needed."""
    return row["kind"] == NEW or masks_path(row["seed"], row["round"] + 1).exists()


def main() -> None:
    head = {
        "command": "python -m experiments.prune.lottery",
        "source": "Frankle and Carbin 2019, arXiv:1803.03635",
        "settings": SETTINGS,
    }
    if FILE.exists():
        run = read_json(FILE)
        if len(run["rows"]) < len(wanted()):  # or no masks are needed any more
            run["rows"] = [row for row in run["rows"] if followed(row)]
            write_json(FILE, run)
    dataset = datasets.load_images("mnist", full=True)

    def make(entry: dict, rows: list[dict]) -> dict:
        return one(entry["kind"], entry["seed"], entry["round"], dataset)

    resumed.complete(FILE, head, wanted(), make)


if __name__ == "__main__":
    main()
