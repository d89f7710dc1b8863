"""Losses by rank of the four networks, one layer at a time, on validation images.

`python -m experiments.lowrank.rank_sensitivity` writes
data/results/rank_sensitivity.json: what `labkit.compress.plan_ranks` shares a budget
out by with "loss", and the rank panel with it.
`python -m experiments.lowrank.rank_sensitivity mlp lenet5` measures these anew and
keeps the others' entries. Half an hour or more on one core for all four.
"""

import json
import sys
import time

from tqdm import tqdm

from experiments.files import NETWORKS, read_json
from labkit import zoo
from labkit.common.files import write_json
from labkit.compress import factorized
from labkit.compress.budget.rank_sensitivity import FILE, rank_losses
from labkit.compress.responses import observe
from labkit.measure.timing import machine
from labkit.panels.rank.panel import IMAGES

METHODS = ("svd", "responses", "spatial", "tucker")
VALIDATION = 1000
THREADS = 1  # a second one spins where the machine has other work


def entry(name: str) -> dict:
    """The losses of one network by every method."""
    start = time.perf_counter()
    network, data = zoo.load(name), zoo.dataset(name)
    kinds = {network.layer(layer).kind for layer in network.kernels}
    found = []
    for row in map(factorized.FACTORIZATIONS.get, METHODS):
        if row.kinds and not kinds & set(row.kinds):
            continue
        method, observed = row.name, None
        if row.needs:
            observed = observe(network, data.calibration.images[: IMAGES[name]], method)
        losses = rank_losses(
            network,
            data.validation.take(VALIDATION),
            method,
            observed=observed,
            progress=lambda layers, title=f"{name} {method}": tqdm(layers, title),
            threads=THREADS,
        )
        found.append(losses.record())
    return {
        "network": name,
        "digest": network.digest,
        "seconds": round(time.perf_counter() - start),
        "machine": machine(),
        "losses": found,
    }


def main() -> None:
    names = sys.argv[1:] or list(zoo.NAMES)
    old = read_json(FILE, NETWORKS)["networks"] if FILE.exists() else []
    found = {e["network"]: e for e in old if e["network"] not in names}
    for name in names:
        found[name] = entry(name)
        write_json(
            FILE,
            {
                "command": "python -m experiments.lowrank.rank_sensitivity",
                "split": f"validation, the first {VALIDATION}",
                "networks": [found[name] for name in zoo.NAMES if name in found],
            },
        )
    print(json.dumps({"networks": list(found), "file": FILE.name}))


if __name__ == "__main__":
    main()
