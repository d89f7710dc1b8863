"""The pruned networks beside their dense ones, on the same test images.

`python -m experiments.prune.pruned` writes data/results/pruned.json. It trains nothing:
the networks are the committed ones (`python -m labkit prune NAME SPARSITY`,
`… filters NAME SAVING`). A row's sha256 is its file's, so that a table of older files
is noticed.
"""

import time

from experiments.files import RESULTS, write_run
from experiments.scores import accuracy_of
from labkit import zoo
from labkit.measure.correctness import compare

FILE = RESULTS / "pruned.json"


def row(title: str) -> dict:
    """One pruned network against the dense one that it comes from.

    weights, nonzero: of its kernels, before pruning and now without zeros.
    """
    record = zoo.pruned_record(title)
    name = record["name"]
    network, dense = zoo.load_pruned(title), zoo.load(name)
    test = zoo.dataset(name).test
    base, now = accuracy_of(dense, test), accuracy_of(network, test)
    paired = compare(base, now)
    return {
        "title": title,
        "network": name,
        "how": "weights" if "sparsity" in record else "filters",
        "sha256": record["sha256"],
        "weights": sum(w.size for w in dense.kernels.values()),
        "nonzero": sum(int((w != 0).sum()) for w in network.kernels.values()),
        "dense_macs": dense.macs,
        "macs": network.macs,
        "dense_bytes": len(dense),
        "size_bytes": record["size_bytes"],
        "dense_accuracy": base.value,
        "accuracy": now.value,
        "difference": paired.difference,
        "difference_interval": paired.interval,
        "p_value": paired.p_value,
        "epochs": record["epochs"],
        "training_seconds": record["seconds"],
    }


def main() -> None:
    start = time.perf_counter()
    rows = [row(title) for title in zoo.pruned_names()]
    write_run(FILE, "python -m experiments.prune.pruned", start, rows)


if __name__ == "__main__":
    main()
