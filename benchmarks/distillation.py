"""Temperatures and weights of distillation, over widths and seeds.

`python -m benchmarks.distillation` trains students 784-w-w-10 on soft targets of the
teacher 784-1200-1200-10 (`python -m benchmarks.hinton` trains it): 7 temperatures at
one alpha, and 5 more alphas at one temperature, alpha = 0 being the student alone.
Students of one seed begin with the same weights and see the same images in the same
order. Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Sec. 3: with 300 units or more
all temperatures above 8 do alike; with 30, those from 2.5 to 4 do significantly better.

Writes data/results/distillation.json after every training and goes on from there.
About 40 minutes on an idle core.
"""

import time
from functools import cache

import numpy as np

from benchmarks import resumed
from benchmarks.files import RESULTS
from labkit import data

FILE = RESULTS / "distillation.json"
WIDTHS, SEEDS = (30, 100, 300), 5
TEMPERATURES, ALPHA = (1, 2.5, 4, 8, 12, 20, 40), 0.9
ALPHAS, TEMPERATURE = (0, 0.25, 0.5, 0.75, 1), 4
SETTINGS = {
    "teacher": "784-1200-1200-10",
    "epochs": 20,
    "batch_size": 128,
    "learning_rate": 3e-3,
    "shift": 0,
}


def wanted() -> list[tuple[int, float, float, int]]:
    """(width, temperature, alpha, seed) of every training, seed by seed."""
    pairs = [(t, ALPHA) for t in TEMPERATURES] + [(TEMPERATURE, a) for a in ALPHAS]
    return [(w, t, a, s) for s in range(SEEDS) for w in WIDTHS for t, a in pairs]


def one(width, temperature, alpha, seed, table: np.ndarray, dataset) -> dict:
    """Train one student: what its row says beside these."""
    from labkit.train import students
    from labkit.train.fast import SoftTargets

    began = time.perf_counter()
    network = students.train(
        (784, width, width, 10),
        dataset.train,
        students.steps_of(SETTINGS["epochs"], dataset.train),
        seed,
        SoftTargets(table, temperature, alpha),
        rate=SETTINGS["learning_rate"],
    )
    splits = {"validation": dataset.validation, "test": dataset.test}
    return {
        **{
            f"{name}_errors": round(len(split) * (1 - network.accuracy(split)))
            for name, split in splits.items()
        },
        "validation_loss": round(network.loss(dataset.validation), 5),
        "seconds": round(time.perf_counter() - began, 1),
    }


def teacher_table(dataset) -> np.ndarray:
    """The teacher's logits of all training images, (1, n, 10)."""
    from labkit.train import moves, teacher

    return moves.logits_everywhere(teacher.load().logits, dataset.train)


def main() -> None:
    dataset = data.load("mnist", full=True)

    @cache
    def table() -> np.ndarray:
        return teacher_table(dataset)

    head = {
        "command": "python -m benchmarks.distillation",
        "source": "Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Sec. 3",
        "settings": SETTINGS,
    }
    keys = "width", "temperature", "alpha", "seed"
    resumed.complete(
        FILE,
        head,
        [dict(zip(keys, values, strict=True)) for values in wanted()],
        lambda entry, rows: one(**entry, table=table(), dataset=dataset),
    )


if __name__ == "__main__":
    main()
