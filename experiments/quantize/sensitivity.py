"""Layers x bits maps of the four networks, and bits assigned with them.

`python -m experiments.quantize.sensitivity` writes data/results/sensitivity.json: for
each network the map on the 5,000 validation images, and assignments made with it: the
same bits everywhere, exact and greedy ones for budgets, and random ones. Each is run:
what its loss is beside the sum that predicted it says how far the losses of the layers
add up. `python -m experiments.quantize.sensitivity mlp lenet5` measures these anew and
keeps the others' entries. Half an hour or more on one core.
"""

import json
import sys
import time

import numpy as np
from tqdm import tqdm

from experiments.files import NETWORKS, read_json
from labkit import zoo
from labkit.common.files import write_json
from labkit.common.knapsack import Frontier, exact, greedy
from labkit.compress.budget.sensitivity import FILE, Sensitivity, score, sensitivity
from labkit.compress.quantized import quantize_network
from labkit.measure.intervals import wilson
from labkit.measure.timing import machine

RULE = "least_squares"
GRANULARITY = "channel"
SEED, RANDOM = 0, 12
THREADS = 1  # a second one spins where the machine has other work
BUDGETS = (2.25, 2.5, 3, 3.5, 4, 5, 6)  # bits a weight: these bytes, and the scales


def budget_bytes(found: Sensitivity, bits: float) -> int:
    """What all kernels take at so many bits a weight, between two measured widths."""
    totals = found.table("size_bytes").sum(axis=0)
    return int(np.interp(bits, found.bits, totals))


def assignments(found: Sensitivity) -> list[tuple[str, int | None, tuple[int, ...]]]:
    """(method, budget in bytes or None, the place of each layer's width)."""
    loss, sizes = found.table("loss_increase"), found.table("size_bytes")
    layers, widths = loss.shape
    made = [("uniform", None, (place,) * layers) for place in range(widths)]
    frontiers: dict[str, Frontier] = {
        "exact": exact(loss, sizes),
        "greedy": greedy(loss, sizes),
    }
    for bits in BUDGETS:
        budget = budget_bytes(found, bits)
        for method, frontier in frontiers.items():
            choice = frontier.choice[frontier.within(budget)]
            made.append((method, budget, tuple(choice.tolist())))
    drawn = np.random.default_rng(SEED).integers(0, widths, (RANDOM, layers))
    made += [("random", None, tuple(choice)) for choice in drawn.tolist()]
    return made


def measured(name: str, network, found: Sensitivity, choice: tuple[int, ...]) -> dict:
    """One mixed network: predicted and measured loss, accuracies, bytes."""
    layers = np.arange(len(choice))
    widths = [found.bits[place] for place in choice]
    bits = dict(zip(found.layers, widths, strict=True))
    mixed = quantize_network(network, bits, GRANULARITY, RULE)
    data = zoo.dataset(name)
    on_validation = score(mixed.network, data.validation, THREADS)
    on_test = score(mixed.network, data.test, THREADS)
    return {
        "bits": bits,
        "payload_bytes": int(found.table("size_bytes")[layers, choice].sum()),
        "size_bytes": mixed.size_bytes,
        "predicted_loss_increase": found.table("loss_increase")[layers, choice].sum(),
        "loss_increase": on_validation.loss - found.base.loss,
        "validation_accuracy": on_validation.accuracy,
        "test_accuracy": on_test.accuracy,
        "test_interval": wilson(
            round(on_test.accuracy * len(data.test)), len(data.test)
        ),
    }


def additivity(rows: list[dict]) -> dict:
    """How well the sum of the layers' losses predicts the loss of a mixed network.

    rank_correlation: Spearman's, over all assignments. ratio: measured by predicted
    loss increase, quartiles over the assignments whose prediction is above 0.01.
    """
    rows = list({tuple(row["bits"].values()): row for row in rows}.values())
    predicted, found = (
        np.array([row[key] for row in rows])
        for key in ("predicted_loss_increase", "loss_increase")
    )
    ranks = [np.argsort(np.argsort(values)) for values in (predicted, found)]
    clear = predicted > 0.01
    quartiles = np.percentile(found[clear] / predicted[clear], (25, 50, 75))
    return {
        "assignments": len(rows),
        "rank_correlation": float(np.corrcoef(*ranks)[0, 1]),
        "clear": int(clear.sum()),
        "ratio": quartiles.tolist(),
    }


def entry(name: str) -> dict:
    """Everything about one network."""
    start = time.perf_counter()
    network, split = zoo.load(name), zoo.dataset(name).validation
    found = sensitivity(
        network,
        split,
        granularity=GRANULARITY,
        rule=RULE,
        progress=lambda layers: tqdm(layers, f"{name} layers"),
        threads=THREADS,
    )
    runs, rows = {}, []
    for method, budget, choice in tqdm(assignments(found), f"{name} assignments"):
        if choice not in runs:
            runs[choice] = measured(name, network, found, choice)
        rows.append({"method": method, "budget_bytes": budget} | runs[choice])
    return {
        "network": name,
        "digest": network.digest,
        "seconds": round(time.perf_counter() - start),
        "machine": machine(),
        "test_accuracy": score(network, zoo.dataset(name).test, THREADS).accuracy,
        "maps": [found.record()],
        "assignments": rows,
        "additivity": additivity(rows),
    }


def kept(names: list[str]) -> dict[str, dict]:
    """The entries of the committed file for all networks but these."""
    entries = read_json(FILE, NETWORKS)["networks"] if FILE.exists() else []
    return {e["network"]: e for e in entries if e["network"] not in names}


def main() -> None:
    names = sys.argv[1:] or list(zoo.NAMES)
    found = kept(names)
    for name in names:
        found[name] = entry(name)
        write_json(
            FILE,
            {
                "command": "python -m experiments.quantize.sensitivity",
                "seed": SEED,
                "split": "validation",
                "granularity": GRANULARITY,
                "rule": RULE,
                "networks": [found[name] for name in zoo.NAMES if name in found],
            },
        )
    print(json.dumps({"networks": list(found), "file": FILE.name}))


if __name__ == "__main__":
    main()
