"""When weights are removed, and which: schedules and masks over seeds, on mlp's shape.

`python -m experiments.prune.schedules` writes data/results/schedules.json. For each
seed one trained network is pruned to each sparsity while it trains on for the same
steps, at the same learning rates, on the same images in the same order:

* one-shot, iterative, cubic: the smallest weights go, by a schedule of
  `labkit.prune.schedules`;
* random: all at once, as many of each layer as one-shot removes, but any.

"before" is the accuracy without training behind the pruning, where all goes at once. It
goes on where it stopped; eight minutes on an idle core.
"""

import time

from experiments import dense_runs, resumed
from experiments.files import RESULTS
from labkit.prune.schedules import SCHEDULES
from labkit.zoo import datasets

FILE = RESULTS / "schedules.json"
SPARSITIES = (0.95, 0.984)
RANDOM = "random"
KINDS = (*SCHEDULES, RANDOM)
ONE_SHOT = "one-shot"
AT_ONCE = (ONE_SHOT, RANDOM)
STEPS, UNTIL, PRUNINGS = 6_000, 0.5, 10


def settings() -> dict:
    """What all trainings have in common."""
    own = {"second_steps": STEPS, "prunings": PRUNINGS, "until": UNTIL}
    return dense_runs.SETTINGS | own


def pruner(kind: str, sparsity: float, seed: int) -> dense_runs.Pruner:
    """What a kind removes, and when."""
    if kind == RANDOM:
        return dense_runs.at_random(sparsity, [seed, 9])
    rising = round(UNTIL * STEPS)
    return dense_runs.by_magnitude(kind, sparsity, rising, PRUNINGS)


def row(entry: dict, dataset: datasets.Dataset) -> dict:
    """Prune the network of a seed and train it on: its accuracies."""
    kind, sparsity, seed = (entry[key] for key in ("kind", "sparsity", "seed"))
    began = time.perf_counter()
    dense = dense_runs.trained(seed, dataset)
    prune, found = pruner(kind, sparsity, seed), {}
    if kind in AT_ONCE:
        masked = dense.masked(prune(dense, 0))
        found["before"] = masked.accuracy(dataset.test)
    order = dense_runs.order(seed, 2)
    network = dense_runs.phase(dense, dataset.train, STEPS, order, prune)
    return {
        "dense_accuracy": dense.accuracy(dataset.test),
        **found,
        "validation_accuracy": network.accuracy(dataset.validation),
        "accuracy": network.accuracy(dataset.test),
        "nonzero": [int((kernel != 0).sum()) for kernel in network.kernels],
        "seconds": round(time.perf_counter() - began, 1),
    }


def wanted() -> list[dict]:
    """What tells the rows apart."""
    return [
        {"kind": kind, "sparsity": sparsity, "seed": seed}
        for seed in range(dense_runs.SEEDS)
        for sparsity in SPARSITIES
        for kind in KINDS
    ]


def main() -> None:
    dataset = datasets.load_images("mnist", full=True)
    head = {"command": "python -m experiments.prune.schedules", "settings": settings()}
    resumed.complete(FILE, head, wanted(), lambda entry, _: row(entry, dataset))


if __name__ == "__main__":
    main()
