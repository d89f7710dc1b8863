"""Distillation as repair: a damaged network trained on by its own float network.

`python -m experiments.distill.repair` writes data/results/distilled_repair.json. The
trained network of each seed (784-300-100-10) is damaged: weights removed, rounded to
few bits, or layers factorized. Then it trains on, the same steps on the same images in
the same order, told the labels alone, or also what it said itself before the damage.
Removed weights stay away, and rounded ones are rounded in every step. The undamaged
network is trained on in the same ways, for comparison. That a student taught at a
higher temperature gains in float and loses at few bits has been seen: `published`. It
goes on where it stopped; a quarter of an hour on two idle cores.
"""

import time
from dataclasses import replace

from experiments import dense_runs, resumed
from experiments.files import RESULTS
from experiments.lowrank import smaller
from experiments.scores import errors
from labkit.zoo import datasets

FILE = RESULTS / "distilled_repair.json"
STEPS = 6000
NONE, ZEROS, LOW_RANK = "none", "98.4 % zeros", "low rank"
BITS = {"4 bits": 4, "3 bits": 3, "2 bits": 2}
SPARSITY = 0.984
LIKE_ZEROS = 0.92  # low rank has the bytes of a small network beside so many zeros
ALPHA = 0.9
NOTHING, LABELS = "nothing", "labels"
TEMPERATURES = {"T = 1": 1, "T = 4": 4, "T = 20": 20}
TOLD = (NOTHING, LABELS, *TEMPERATURES)
PUBLISHED = {
    "source": "Distiller (IntelLabs), preact_resnet_cifar_dorefa.yaml",
    "network": "pre-activation ResNet-20 taught by ResNet-44, CIFAR-10 accuracy %",
    "rows": [
        {"student": "float", "alone": 92.13, "T = 1": 92.46, "T = 2": 92.86,
         "T = 5": 93.21},
        {"student": "W3A8", "alone": 91.44, "T = 1": 91.40, "T = 2": 90.87,
         "T = 5": 80.94},
    ],
}  # fmt: skip


def low_rank(network, dataset: datasets.Dataset, seed: int):
    """Taken apart by PCA of its responses, to the bytes of a small network."""
    file = dense_runs.as_file(network)
    images = dataset.calibration.images[: smaller.IMAGES]
    size_bytes = smaller.small_bytes(LIKE_ZEROS, seed)
    parts = smaller.factorized_model(file, images, size_bytes)
    return smaller.as_dense(file, parts)


def damages() -> list[str]:
    """What can be done to a network, in the order of the table."""
    return [NONE, ZEROS, *BITS, LOW_RANK]


def damaged(network, damage: str, dataset: datasets.Dataset, seed: int):
    """The trained network of a seed after one of `damages`."""
    if damage == ZEROS:
        return network.masked(dense_runs.magnitude_masks(network, SPARSITY))
    if damage in BITS:
        return replace(network, bits=BITS[damage])
    return low_rank(network, dataset, seed) if damage == LOW_RANK else network


def row(entry: dict, dataset: datasets.Dataset) -> dict:
    """Damage and train the network of an entry: what its row says beside it."""
    seed, told = entry["seed"], entry["told"]
    float_network = dense_runs.trained(seed, dataset)
    network = damaged(float_network, entry["damage"], dataset, seed)
    began = time.perf_counter()
    if told != NOTHING:
        network = repaired(network, float_network, told, seed, dataset)
    return {
        **errors(network, dataset),
        "seconds": round(time.perf_counter() - began, 1),
    }


def repaired(network, teacher, told: str, seed: int, dataset: datasets.Dataset):
    """A network after its training; what is zero in it stays so."""
    from labkit.train import moves
    from labkit.train.fast import SoftTargets

    soft = None
    if told != LABELS:
        table = moves.logits_everywhere(teacher.logits, dataset.train)
        soft = SoftTargets(table, TEMPERATURES[told], ALPHA)
    kept = [kernel != 0 for kernel in network.kernels]
    order = dense_runs.order(seed, 2)

    def prune(_network, step: int):
        return kept if step == 0 else None

    return dense_runs.phase(network, dataset.train, STEPS, order, prune, soft)


def settings() -> dict:
    """What all trainings have in common."""
    own = {"steps": STEPS, "alpha": ALPHA, "low_rank_like_zeros": LIKE_ZEROS}
    return dense_runs.SETTINGS | own


def wanted() -> list[dict]:
    """What tells the rows apart."""
    return [
        {"damage": damage, "told": told, "seed": seed}
        for seed in range(dense_runs.SEEDS)
        for damage in damages()
        for told in TOLD
    ]


def main() -> None:
    dataset = datasets.load_images("mnist", full=True)
    head = {
        "command": "python -m experiments.distill.repair",
        "settings": settings(),
        "published": PUBLISHED,
    }
    resumed.complete(FILE, head, wanted(), lambda entry, rows: row(entry, dataset))


if __name__ == "__main__":
    main()
