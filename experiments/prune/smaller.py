"""Pruned or simply smaller? The question of Liu et al. 2019, arXiv:1810.05270.

`python -m experiments.prune.smaller` writes data/results/smaller.json. For each seed
and sparsity three networks of mlp's kind, each of the same number of steps in all, at
the same learning rates, on the same images in the same order:

* pruned: trained, then pruned by magnitude (cubic schedule) while it trains on, and
  packed without its zeros;
* neurons removed: the same trained network without the neurons of least weight norm
  (Li et al. 2017, arXiv:1608.08710), trained on;
* small: the shape of the one before, trained from the start.

The last two are float32 files, as wide as fits in the bytes of the pruned one, both
hidden layers scaled alike, the second never narrower than the ten classes. A row's
accuracies are of its file. It goes on where it stopped; ten minutes on an idle core.
"""

import time

import numpy as np

from experiments import dense_runs, resumed
from experiments.files import RESULTS
from experiments.scores import accuracy_of
from labkit.compress import units
from labkit.compress.pruned import pack_zeros
from labkit.zoo import datasets

FILE = RESULTS / "smaller.json"
SPARSITIES = (0.8, 0.92, 0.984)
DENSE, PRUNED, REMOVED, SMALL = "dense", "pruned", "neurons removed", "small"
KINDS = (PRUNED, REMOVED, SMALL)
SCHEDULE, UNTIL, PRUNINGS = "cubic", 0.5, 30
STEPS = 12_000  # of the second phase


def settings() -> dict:
    """What all trainings have in common."""
    own = {"second_steps": STEPS, "schedule": SCHEDULE, "prunings": PRUNINGS}
    return dense_runs.SETTINGS | own | {"until": UNTIL}


def widths_within(size_bytes: int) -> tuple[int, int]:
    """The widest hidden layers whose float32 file has at most so many bytes.

    Both are the same fraction of mlp's, but for the second's least width: one unit for
    each class. Raises ValueError where not even one unit fits.
    """
    _, first, second, classes = dense_runs.SETTINGS["widths"]

    def widths(n: int) -> tuple[int, int]:
        return n, max(min(classes, second), round(second * n / first))

    low, high = 0, first
    while low < high:
        middle = (low + high + 1) // 2
        fits = len(dense_runs.with_widths(widths(middle))) <= size_bytes
        low, high = (middle, high) if fits else (low, middle - 1)
    if low == 0:
        raise ValueError(f"no network of this kind has a file of {size_bytes} bytes")
    return widths(low)


def without_neurons(network, hidden: tuple[int, int]):
    """A `Dense` without the hidden neurons whose weights have the least norm."""
    norms = units.weight_norms(dense_runs.as_file(network))
    kernels, biases = list(network.kernels), list(network.biases)
    for k, width in enumerate(hidden):
        kept = np.sort(np.argsort(-norms[dense_runs.LAYERS[k]], kind="stable")[:width])
        kernels[k], biases[k] = kernels[k][:, kept], biases[k][kept]
        kernels[k + 1] = kernels[k + 1][kept]
    return type(network)(tuple(kernels), tuple(biases))


def second_phase(kind: str, sparsity: float, seed: int, rows: list[dict], dataset):
    """The network of a row."""
    prune = None
    if kind == PRUNED:
        start, rising = dense_runs.trained(seed, dataset), round(UNTIL * STEPS)
        prune = dense_runs.by_magnitude(SCHEDULE, sparsity, rising, PRUNINGS)
    else:
        hidden = widths_within(_size(rows, sparsity, seed))
        if kind == REMOVED:
            start = without_neurons(dense_runs.trained(seed, dataset), hidden)
        else:
            start = _small(hidden, seed, dataset)
    order = dense_runs.order(seed, 2)
    return dense_runs.phase(start, dataset.train, STEPS, order, prune)


def _size(rows: list[dict], sparsity: float, seed: int) -> int:
    same = {"kind": PRUNED, "sparsity": sparsity, "seed": seed}
    return next(row["size_bytes"] for row in rows if same.items() <= row.items())


def _small(hidden: tuple[int, int], seed: int, dataset):
    """A narrow network after a first phase like the wide one's."""
    steps = dense_runs.SETTINGS["dense_steps"]
    inputs, *_, classes = dense_runs.SETTINGS["widths"]
    start = dense_runs.untrained((inputs, *hidden, classes), seed)
    return dense_runs.phase(start, dataset.train, steps, dense_runs.order(seed, 1))


def row(entry: dict, rows: list[dict], dataset: datasets.Dataset) -> dict:
    """Train the network of an entry, and what its file is.

    parameters: numbers that are not removed. seconds: of what this row alone needed.
    """
    began = time.perf_counter()
    if entry["kind"] == DENSE:
        network = dense_runs.trained(entry["seed"], dataset)
    else:
        network = second_phase(**entry, rows=rows, dataset=dataset)
    seconds = time.perf_counter() - began
    file = dense_runs.as_file(network)
    packed = pack_zeros(file).packed if entry["kind"] == PRUNED else file.to_bytes()
    kernels = [np.count_nonzero(kernel) for kernel in network.kernels]
    parameters = sum(kernels) + sum(bias.size for bias in network.biases)
    steps = dense_runs.SETTINGS["dense_steps"]
    return {
        "hidden": [len(bias) for bias in network.biases[:-1]],
        "parameters": int(parameters),
        "macs": file.macs,
        "size_bytes": len(packed),
        "steps": steps + (0 if entry["kind"] == DENSE else STEPS),
        "validation_accuracy": accuracy_of(file, dataset.validation).value,
        "accuracy": accuracy_of(file, dataset.test).value,
        "seconds": round(seconds, 1),
    }


def wanted() -> list[dict]:
    """What tells the rows apart, in the order they need each other."""
    found = []
    for seed in range(dense_runs.SEEDS):
        found.append({"kind": DENSE, "sparsity": 0.0, "seed": seed})
        for sparsity in SPARSITIES:
            found += [{"kind": k, "sparsity": sparsity, "seed": seed} for k in KINDS]
    return found


def main() -> None:
    dataset = datasets.load_images("mnist", full=True)
    head = {
        "command": "python -m experiments.prune.smaller",
        "source": "Liu et al. 2019, arXiv:1810.05270",
        "settings": settings(),
    }
    resumed.complete(
        FILE, head, wanted(), lambda entry, rows: row(entry, rows, dataset)
    )


if __name__ == "__main__":
    main()
