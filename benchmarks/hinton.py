"""Distillation on MNIST as Hinton, Vinyals and Dean 2015 did it, arXiv:1503.02531.

`python -m benchmarks.hinton` trains what their Sec. 3 trains: a teacher
784-1200-1200-10 with dropout, weight constraints and jitter; students 784-800-800-10
without any of these, alone, and with soft targets at T = 20; students that never see a
3, and others that see only 7s and 8s, with and without some biases moved. How far they
are moved is chosen on validation images. Beside them, students whose images are
jittered as the teacher's were. Here 5,000 of the 60,000 training images are kept for
validation.

Writes data/models/teacher/mlp1200.npz and data/results/hinton.json, after every
training, and goes on from there; the teacher's checkpoint is in runs/hinton.
"""

import time
from dataclasses import asdict
from functools import cache

import numpy as np

from benchmarks import resumed
from benchmarks.files import RESULTS
from labkit import data
from labkit.data import Split

FILE = RESULTS / "hinton.json"
RUNS = data.ROOT / "runs" / "hinton"
SETTINGS = {
    "widths": [784, 800, 800, 10],
    "temperature": 20,
    "epochs": 60,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "shift": 2,
}
SEEDS = 3
# alpha, digits in the transfer set, whether images are jittered, whose biases move.
# The sets with missing digits need no labels: the teacher alone speaks.
CASES = {
    "alone": (0.0, range(10), False, ()),
    "distilled": (0.9, range(10), False, ()),
    "no 3s": (1.0, (0, 1, 2, 4, 5, 6, 7, 8, 9), False, (3,)),
    "only 7s and 8s": (1.0, (7, 8), False, (7, 8)),
    "distilled, jittered": (0.9, range(10), True, ()),
    "alone, jittered": (0.0, range(10), True, ()),
}
OFFSETS = np.arange(-200, 201) / 10
PUBLISHED = {
    "teacher": 67,
    "alone": 146,
    "distilled": 74,
    "no 3s": 206,
    "no 3s, bias moved": 109,
    "only 7s and 8s": 4730,
    "only 7s and 8s, biases moved": 1320,
}


def with_digits(split: Split, digits) -> Split:
    """The images of these digits."""
    chosen = np.isin(split.labels, list(digits))
    return Split(split.images[chosen], split.labels[chosen], split.index[chosen])


def moved(logits: np.ndarray, classes, offset: float) -> np.ndarray:
    """The logits with `offset` added to those of some classes."""
    found = np.array(logits)
    found[:, list(classes)] += offset
    return found


def best_offset(logits: np.ndarray, labels: np.ndarray, classes) -> float:
    """By how much to move some biases so that most answers are right.

    Of equals the least.

    >>> logits = np.array([[1.0, 0.0], [1.0, 0.25], [1.0, -2.0]])
    >>> best_offset(logits, np.array([1, 1, 0]), [1])
    1.1
    """
    right = [
        np.sum(moved(logits, classes, offset).argmax(axis=1) == labels)
        for offset in OFFSETS
    ]
    best = np.flatnonzero(np.equal(right, max(right)))
    return float(OFFSETS[best[np.abs(OFFSETS[best]).argmin()]])


def wrong(logits: np.ndarray, split: Split) -> list[int]:
    """Which images, by their number in the data set, are classified wrong."""
    return sorted(split.index[logits.argmax(axis=1) != split.labels].tolist())


def judged(network, dataset: data.Dataset, classes=()) -> dict:
    """A network's errors, with the biases of some classes as they are and moved."""
    test = network.logits(dataset.test.images)
    validation = network.logits(dataset.validation.images)
    found = {
        "validation_errors": len(wrong(validation, dataset.validation)),
        "errors": len(wrong(test, dataset.test)),
        "errors_on_classes": len(_of(dataset.test, test, classes)),
    }
    if classes:
        offset = best_offset(validation, dataset.validation.labels, classes)
        test = moved(test, classes, offset)
        found["offset"] = offset
        found["errors_moved"] = len(wrong(test, dataset.test))
        found["errors_moved_on_classes"] = len(_of(dataset.test, test, classes))
    else:
        found["wrong"] = wrong(test, dataset.test)
    return found


def _of(split: Split, logits: np.ndarray, classes) -> np.ndarray:
    """The wrongly classified images of some classes."""
    missed = logits.argmax(axis=1) != split.labels
    return np.flatnonzero(missed & np.isin(split.labels, list(classes)))


def teach(dataset: data.Dataset) -> dict:
    """Train the teacher, write its file; what the row says of the file."""
    from labkit.train import teacher

    model, log = teacher.run(dataset, RUNS / "teacher")
    teacher.save(model)
    return {
        **judged(teacher.load(), dataset),
        "recipe": asdict(teacher.RECIPE),
        "seconds": round(sum(row["seconds"] for row in log["epochs"])),
    }


def told(case: str, dataset: data.Dataset) -> tuple:
    """A case's training images, and what the teacher says of them, None if nothing."""
    from labkit.train import moves, teacher
    from labkit.train.fast import SoftTargets

    alpha, digits, jittered, _ = CASES[case]
    split = with_digits(dataset.train, digits)
    if not alpha:
        return split, None
    shift = SETTINGS["shift"] if jittered else 0
    table = moves.logits_everywhere(teacher.load().logits, split, shift)
    return split, SoftTargets(table, SETTINGS["temperature"], alpha)


def one(case: str, seed: int, split: Split, soft, dataset: data.Dataset) -> dict:
    """Train one student: what its row says beside these. split, soft: as `told`."""
    from labkit.train import students

    *_, jittered, classes = CASES[case]
    began = time.perf_counter()
    network = students.train(
        SETTINGS["widths"],
        split,
        students.steps_of(SETTINGS["epochs"], split),
        seed,
        soft,
        SETTINGS["shift"] if jittered else 0,
        rate=SETTINGS["learning_rate"],
    )
    return {
        **judged(network, dataset, classes),
        "seconds": round(time.perf_counter() - began, 1),
    }


def wanted() -> list[dict]:
    """All trainings, the teacher first, those that the paper has no figure of last."""
    published = [case for case in CASES if case in PUBLISHED]
    others = [[case] for case in CASES if case not in published]
    students = [
        {"case": case, "seed": seed}
        for cases in (published, *others)
        for seed in range(SEEDS)
        for case in cases
    ]
    return [{"case": "teacher", "seed": 0}, *students]


def main() -> None:
    dataset = data.load("mnist", full=True)

    @cache  # the teacher sees the images of a case once, not once for each seed
    def of(case: str) -> tuple:
        return told(case, dataset)

    def row(entry: dict, rows: list[dict]) -> dict:
        if entry["case"] == "teacher":
            return teach(dataset)
        split, soft = of(entry["case"])
        return one(**entry, split=split, soft=soft, dataset=dataset)

    head = {
        "command": "python -m benchmarks.hinton",
        "source": "Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Sec. 3",
        "published": PUBLISHED,
        "settings": SETTINGS,
    }
    resumed.complete(FILE, head, wanted(), row)


if __name__ == "__main__":
    main()
