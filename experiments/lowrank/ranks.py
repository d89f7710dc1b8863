"""Plain SVD beside the factors that look at data, on the same images of mlp.

`python -m experiments.lowrank.ranks` writes data/results/lowrank.json. Each layer alone
at many ranks, then the whole network with the same share of the weights for each layer;
nothing is trained. A row has a file's bytes and MACs, its accuracies, and how it
differs from plain SVD's file of the same ranks, image by image (exact McNemar). Less
than a minute on one core.
"""

import time
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from experiments.files import RESULTS
from experiments.scores import accuracy_of
from labkit import zoo
from labkit.common.files import write_json
from labkit.compress import factorized
from labkit.compress.budget.ranks import plan_ranks
from labkit.compress.responses import answers, observe
from labkit.measure.correctness import Accuracy, compare
from labkit.measure.timing import machine
from labkit.model.network import Network

FILE = RESULTS / "lowrank.json"
NAME = "mlp"
METHODS = tuple(row.name for row in factorized.FACTORIZATIONS.values() if not row.kinds)
IMAGES = 5000  # of calibration, that are observed
RANKS = {
    "fc1": (1, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 56, 80, 113, 160, 217),
    "fc2": (1, 2, 3, 4, 5, 6, 7, 8, 10, 14, 20, 28, 40, 56, 75),
    "fc3": (1, 2, 3, 4, 5, 6, 7, 8, 9),
}
SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
WHOLE = "all layers"
SPLITS = ("validation", "test")


def wanted(network: Network) -> Iterator[tuple[str, float | None, dict[str, int]]]:
    """What is factorized, the share of each layer's weights or None, the ranks."""
    for layer, ranks in RANKS.items():
        yield from ((layer, None, {layer: rank}) for rank in ranks)
    for share in SHARES:
        yield WHOLE, share, plan_ranks(network, "svd", share)


def output_error(low: Network, images: np.ndarray, layer: str, right) -> float:
    """The mean of ||y - y_k||^2 over images, y a layer's answers before its activation.

    layer: whose answers. right: those of the whole network, (n, outputs).
    """
    if layer not in low.kernels:
        layer = f"{layer}_2"  # the second factor gives the answers
    change = answers(low, images, layer).astype(np.float64) - right
    return float(np.square(change).sum(axis=1).mean())


def scores(low: Network, data) -> dict[str, Accuracy]:
    """Split -> which images a file gets right."""
    return {name: accuracy_of(low, getattr(data, name)) for name in SPLITS}


def row(method: str, found: dict[str, Accuracy], plain: dict[str, Accuracy]) -> dict:
    """Accuracies, and the paired difference from plain SVD's file."""
    line = {"method": method}
    for name in SPLITS:
        paired = compare(plain[name], found[name])
        line |= {
            f"{name}_accuracy": found[name].value,
            f"{name}_difference": paired.difference,
            f"{name}_p_value": paired.p_value,
        }
    return line


def rows() -> Iterator[dict]:
    """The rows of all methods at all ranks."""
    network, data = zoo.load(NAME), zoo.dataset(NAME)
    images = data.calibration.images[:IMAGES]
    seen = {what: observe(network, images, what) for what in factorized.DATA_AWARE}
    held_out = data.validation.images
    right = {layer: answers(network, held_out, layer) for layer in RANKS}
    for scope, share, ranks in tqdm(list(wanted(network))):
        shown = list(RANKS)[-1] if scope == WHOLE else scope
        plain = None
        for method in METHODS:
            low = factorized.factorize_network(network, ranks, method, seen.get(method))
            found = scores(low, data)
            plain = plain or found
            yield {
                "scope": scope,
                "share": share,
                "ranks": ranks,
                "macs": low.macs,
                "size_bytes": len(low),
                "output_error": output_error(low, held_out, shown, right[shown]),
                **row(method, found, plain),
            }


def main() -> None:
    start = time.perf_counter()
    network = zoo.load(NAME)
    found = list(rows())
    base = scores(network, zoo.dataset(NAME))
    content = {
        "command": "python -m experiments.lowrank.ranks",
        "seconds": round(time.perf_counter() - start),
        "machine": machine(),
        "networks": {NAME: network.digest},
        "calibration_images": IMAGES,
        "macs": network.macs,
        "size_bytes": len(network),
        **{f"{name}_accuracy": base[name].value for name in SPLITS},
        "rows": found,
    }
    write_json(FILE, content)


if __name__ == "__main__":
    main()
