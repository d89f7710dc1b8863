"""Factorized or simply smaller? A factorized mlp against small ones of equal bytes.

`python -m experiments.lowrank.smaller` writes data/results/lowrank_smaller.json. For
each seed, the trained network of `experiments.prune.smaller` is factorized by PCA of
its responses, with the ranks that keep the largest product of energies, until its file
has at most the bytes of that experiment's small network; then its factors train on, as
many steps as the small network had in its second phase, at the same learning rates, on
the same images in the same order. So its rows pair with those of
data/results/smaller.json, seed by seed. It goes on where it stopped; three minutes on
an idle core.
"""

import time

import numpy as np

from experiments import dense_runs, resumed
from experiments.files import RESULTS, read_json
from experiments.prune import smaller
from experiments.scores import accuracy_of
from labkit.compress import factorized
from labkit.compress.budget.ranks import plan_ranks
from labkit.compress.responses import observe
from labkit.lowrank.parts import FactorLayer
from labkit.model.network import Network
from labkit.zoo import datasets

FILE = RESULTS / "lowrank_smaller.json"
METHOD = "responses"
IMAGES = 1000  # of calibration, on which the responses are observed


def settings() -> dict:
    """What all trainings have in common."""
    own = {"second_steps": smaller.STEPS, "method": METHOD, "images": IMAGES}
    return dense_runs.SETTINGS | own


def small_bytes(sparsity: float, seed: int) -> int:
    """The bytes of the small network that a row is compared with."""
    same = {"kind": smaller.SMALL, "sparsity": sparsity, "seed": seed}
    rows = read_json(smaller.FILE)["rows"]
    return next(row["size_bytes"] for row in rows if same.items() <= row.items())


def factorized_model(file: Network, images: np.ndarray, size_bytes: int) -> dict:
    """Layer -> its parts, None where it stays whole: a file of at most so many bytes.

    images: of calibration. Ranks by the product of energies.
    """
    observed = observe(file, images, METHOD)
    most = size_bytes
    while True:
        ranks = plan_ranks(
            file, METHOD, by="product", unit="bytes", most=most, observed=observed
        )
        parts = {
            layer: None
            if rank is None
            else factorized.factorize_layer(file, layer, rank, METHOD, observed)
            for layer, rank in ranks.items()
        }
        excess = len(factorized.factorize(file, parts)) - size_bytes
        if excess <= 0:
            return parts
        most -= excess


def as_dense(file: Network, parts: dict):
    """A factorized file as a `labkit.train.fast.Dense`: no ReLU between two factors."""
    from labkit.train.fast import Dense

    kernels, biases, linear = [], [], []
    for layer, found in parts.items():
        if found is None:
            weights = file.weights
            found = [FactorLayer(file.kernels[layer], weights[f"{layer}/bias"])]
        else:
            linear.append(len(kernels))
        for part in found:
            zeros = np.zeros(part.outputs, np.float32)
            kernels.append(np.ascontiguousarray(part.kernel.T))
            biases.append(zeros if part.bias is None else part.bias)
    return Dense(tuple(kernels), tuple(biases), tuple(linear))


def as_file(file: Network, ranks: dict, network) -> Network:
    """The factorized file with a trained network's weights.

    ranks: layer -> its rank, None where it stays whole. A bias that was trained between
    two factors goes through the second one into its bias: the same answers.
    """
    pairs = iter(zip(network.kernels, network.biases, strict=True))
    parts, weights = {}, {}
    for layer, rank in ranks.items():
        kernel, bias = next(pairs)
        if rank is None:
            weights |= {f"{layer}/kernel": kernel.T, f"{layer}/bias": bias}
        else:
            second, last = next(pairs)
            parts[layer] = (
                FactorLayer(kernel.T),
                FactorLayer(second.T, last + bias @ second),
            )
    return factorized.factorize(file.with_weights(weights), parts)


def row(entry: dict, dataset: datasets.Dataset) -> dict:
    """Take the network of a seed apart, train its factors, and say what its file is.

    untrained_accuracy: on validation images, before the factors trained.
    """
    sparsity, seed = entry["sparsity"], entry["seed"]
    dense = dense_runs.as_file(dense_runs.trained(seed, dataset))
    began = time.perf_counter()
    images = dataset.calibration.images[:IMAGES]
    parts = factorized_model(dense, images, small_bytes(sparsity, seed))
    ranks = {
        layer: None if found is None else found[0].outputs
        for layer, found in parts.items()
    }
    untrained = accuracy_of(factorized.factorize(dense, parts), dataset.validation)
    order = dense_runs.order(seed, 2)
    start = as_dense(dense, parts)
    network = dense_runs.phase(start, dataset.train, smaller.STEPS, order)
    seconds = time.perf_counter() - began
    file = as_file(dense, ranks, network)
    return {
        "ranks": ranks,
        "parameters": file.parameters,
        "macs": file.macs,
        "size_bytes": len(file),
        "steps": dense_runs.SETTINGS["dense_steps"] + smaller.STEPS,
        "untrained_accuracy": untrained.value,
        "validation_accuracy": accuracy_of(file, dataset.validation).value,
        "accuracy": accuracy_of(file, dataset.test).value,
        "seconds": round(seconds, 1),
    }


def wanted() -> list[dict]:
    """What tells the rows apart."""
    return [
        {"sparsity": sparsity, "seed": seed}
        for seed in range(dense_runs.SEEDS)
        for sparsity in smaller.SPARSITIES
    ]


def main() -> None:
    dataset = datasets.load_images("mnist", full=True)
    head = {"command": "python -m experiments.lowrank.smaller", "settings": settings()}
    resumed.complete(FILE, head, wanted(), lambda entry, rows: row(entry, dataset))


if __name__ == "__main__":
    main()
