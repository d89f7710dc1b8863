"""Temperatures and weights of distillation, over widths and seeds.

`python -m experiments.distill.temperatures` trains students 784-w-w-10 on soft targets
of the teacher 784-1200-1200-10 (`python -m experiments.distill.hinton` trains it): 7
temperatures at one alpha, and 5 more alphas at one temperature, alpha = 0 being the
student alone. Students of one seed begin with the same weights and see the same images
in the same order. Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Sec. 3: with 300
units or more all temperatures above 8 do alike; with 30, those from 2.5 to 4 do
significantly better.

A temperature changes which learning rate suits, so first the rate of each width and
temperature is chosen, by validation errors of seeds that are not compared later; one
rate for all would compare how well the rate fits. At the other alphas the rate is that
of their temperature; the student alone has its own.

Writes data/results/distillation_rates.json, then data/results/distillation.json, after
every training, and goes on from there. Half an hour on two idle cores.
"""

import time
from functools import cache

import numpy as np

from experiments import resumed
from experiments.files import RESULTS, read_json
from experiments.scores import best_rate, errors
from labkit.zoo import datasets

FILE = RESULTS / "distillation.json"
WIDTHS, SEEDS = (30, 100, 300), 5
TEMPERATURES, ALPHA = (1, 2.5, 4, 8, 12, 20, 40), 0.9
ALPHAS, TEMPERATURE = (0, 0.25, 0.5, 0.75, 1), 4
RATES_FILE = RESULTS / "distillation_rates.json"
RATES, CHOOSING_SEEDS = (1e-3, 3e-3, 1e-2, 3e-2), (100, 101, 102)
SETTINGS = {"epochs": 10, "batch_size": 128}


def choosing() -> list[dict]:
    """What tells the trainings apart by which rates are chosen."""
    told = [(t, ALPHA) for t in TEMPERATURES] + [(TEMPERATURE, 0)]
    return [
        {"width": w, "temperature": t, "alpha": a, "learning_rate": rate, "seed": s}
        for s in CHOOSING_SEEDS
        for w in WIDTHS
        for t, a in told
        for rate in RATES
    ]


def rate_for(rows: list[dict], width: int, temperature: float, alpha: float) -> float:
    """The chosen rate. rows: what `choosing` lists, with "validation_errors"."""
    alpha = ALPHA if alpha else 0
    return best_rate(rows, width=width, temperature=temperature, alpha=alpha)


def check(rows: list[dict], rates: list[dict]) -> None:
    """Raise ValueError where rows have another learning rate than is chosen now."""
    for row in rows:
        told = row["width"], row["temperature"], row["alpha"]
        if row["learning_rate"] != rate_for(rates, *told):
            raise ValueError(
                f"{FILE.name}, {told[0]} units, T = {told[1]:g}: made with another "
                "learning rate than is chosen now; delete those rows"
            )


def wanted() -> list[dict]:
    """What tells the trainings apart that are compared, seed by seed."""
    pairs = [(t, ALPHA) for t in TEMPERATURES] + [(TEMPERATURE, a) for a in ALPHAS]
    return [
        {"width": w, "temperature": t, "alpha": a, "seed": s}
        for s in range(SEEDS)
        for w in WIDTHS
        for t, a in pairs
    ]


def one(
    width: int,
    temperature: float,
    alpha: float,
    seed: int,
    learning_rate: float,
    table: np.ndarray,
    dataset: datasets.Dataset,
) -> dict:
    """Train one student: what its row says beside these."""
    from labkit.train import dense_students
    from labkit.train.fast import SoftTargets

    size = SETTINGS["batch_size"]
    began = time.perf_counter()
    network = dense_students.train(
        (784, width, width, 10),
        dataset.train,
        dense_students.steps_of(SETTINGS["epochs"], dataset.train, size),
        seed,
        SoftTargets(table, temperature, alpha),
        rate=learning_rate,
        batch_size=size,
    )
    return {
        **errors(network, dataset),
        "validation_loss": round(network.loss(dataset.validation), 5),
        "seconds": round(time.perf_counter() - began, 1),
    }


def teacher_table(dataset) -> np.ndarray:
    """The teacher's logits of all training images, (1, n, 10)."""
    from labkit.train import moves, teacher

    return moves.logits_everywhere(teacher.load().logits, dataset.train)


def main() -> None:
    from labkit.train import teacher

    dataset = datasets.load_images("mnist", full=True)

    @cache
    def table() -> np.ndarray:
        return teacher_table(dataset)

    def chosen(entry: dict, rows: list[dict]) -> dict:
        return one(**entry, table=table(), dataset=dataset)

    settings = SETTINGS | {"teacher_sha256": teacher.digest()}
    head = {
        "command": "python -m experiments.distill.temperatures",
        "settings": settings,
    }
    rates = resumed.complete(RATES_FILE, head, choosing(), chosen)["rows"]

    if FILE.exists():
        check(read_json(FILE)["rows"], rates)

    def compared(entry: dict, rows: list[dict]) -> dict:
        rate = rate_for(rates, entry["width"], entry["temperature"], entry["alpha"])
        found = one(**entry, learning_rate=rate, table=table(), dataset=dataset)
        return {"learning_rate": rate} | found

    source = "Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Sec. 3"
    resumed.complete(FILE, head | {"source": source}, wanted(), compared)


if __name__ == "__main__":
    main()
