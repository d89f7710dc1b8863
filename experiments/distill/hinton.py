"""Distillation on MNIST as Hinton, Vinyals and Dean 2015 did it, arXiv:1503.02531.

`python -m experiments.distill.hinton` trains what their Sec. 3 trains: a teacher
784-1200-1200-10 with dropout, weight constraints and jitter; students 784-800-800-10
without any of these, alone, and with soft targets at T = 20; students that never see a
3, and others that see only 7s and 8s, with and without some biases moved. How far they
are moved is chosen on validation images. Beside them, students whose images are
jittered as the teacher's were. Here 5,000 of the 60,000 training images are kept for
validation.

The learning rate is chosen first, for students alone and taught, on plain images and
jittered ones: by validation errors of short trainings of a seed that is not compared.
When all is chosen, the teacher goes on with all 60,000 images, which the published one
was trained on, and students are trained on them, too ("all images").

Writes data/models/teacher/mlp1200.npz, data/results/hinton_rates.json and
data/results/hinton.json, after every training, and goes on from there; the teacher's
checkpoints are in runs/hinton.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from experiments import resumed
from experiments.files import RESULTS, read_json
from experiments.scores import best_rate
from labkit.common.split import Split
from labkit.zoo import datasets

FILE, RATES_FILE = RESULTS / "hinton.json", RESULTS / "hinton_rates.json"
RUNS = datasets.ROOT / "runs" / "hinton"
SETTINGS = {
    "widths": [784, 800, 800, 10],
    "temperature": 20,
    "epochs": 60,
    "batch_size": 128,
    "shift": 2,
}
SEEDS = 3
RATES, CHOOSING = (3e-4, 1e-3, 3e-3, 1e-2), {"epochs": 20, "seed": 100}


class Case(NamedTuple):
    """What a student is told.

    alpha: the teacher's weight in the loss. digits: those in the transfer set.
    jittered: whether images are moved. moved: the classes whose biases are.
    all_images: whether it is trained on validation images, too. like: the case that its
    learning rate was chosen for; None is itself.
    """

    alpha: float
    digits: Sequence[int] = range(10)
    jittered: bool = False
    moved: tuple[int, ...] = ()
    all_images: bool = False
    like: str | None = None


TEACHER, ALL = "teacher", "all images"
# The sets with missing digits need no labels: the teacher alone speaks.
CASES = {
    "alone": Case(0.0),
    "distilled": Case(0.9),
    "no 3s": Case(1.0, (0, 1, 2, 4, 5, 6, 7, 8, 9), moved=(3,), like="distilled"),
    "only 7s and 8s": Case(1.0, (7, 8), moved=(7, 8), like="distilled"),
    "distilled, jittered": Case(0.9, jittered=True),
    "alone, jittered": Case(0.0, jittered=True),
    f"alone, {ALL}": Case(0.0, all_images=True, like="alone"),
    f"distilled, {ALL}": Case(0.9, all_images=True, like="distilled"),
    f"distilled, jittered, {ALL}": Case(
        0.9, jittered=True, all_images=True, like="distilled, jittered"
    ),
}
OFFSETS = np.arange(-200, 201) / 10
PUBLISHED = {
    TEACHER: 67,
    "alone": 146,
    "distilled": 74,
    "no 3s": 206,
    "no 3s, bias moved": 109,
    "only 7s and 8s": 4730,
    "only 7s and 8s, biases moved": 1320,
    f"{TEACHER}, {ALL}": 67,
    f"alone, {ALL}": 146,
    f"distilled, {ALL}": 74,
}


def with_digits(split: Split, digits) -> Split:
    """The images of these digits."""
    chosen = np.isin(split.labels, list(digits))
    return Split(split.images[chosen], split.labels[chosen], split.index[chosen])


def with_validation(dataset: datasets.Dataset) -> SimpleNamespace:
    """The data set, but that validation images are among those of training, too."""
    parts = dataset.train, dataset.validation
    together = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("images", "labels", "index")
    ]
    return SimpleNamespace(
        train=Split(*together), validation=dataset.validation, test=dataset.test
    )


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


def judged(network, dataset: datasets.Dataset, classes=()) -> dict:
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


def teach(dataset: datasets.Dataset) -> dict:
    """Train the teacher, write its file; what the row says of the file."""
    from labkit.train import teacher

    model, log = teacher.run(dataset, RUNS / TEACHER)
    told = {"sha256": teacher.digest(teacher.save(model))}
    return told | _taught(teacher.load(), log, teacher.RECIPE, dataset)


def teach_all(dataset: datasets.Dataset) -> dict:
    """Go on with it on all images, write a file in runs; what the row says of that."""
    from labkit.train import teacher

    recipe, start = teacher.ALL_IMAGES, teacher.load()
    folder, images = RUNS / f"{TEACHER}, {ALL}", with_validation(dataset)
    model, log = teacher.run(images, folder, recipe=recipe, start=start)
    network = teacher.load(teacher.save(model, folder / teacher.FILE.name))
    return _unseen(_taught(network, log, recipe, dataset))


def _taught(network, log: dict, recipe, dataset: datasets.Dataset) -> dict:
    seconds = round(sum(row["seconds"] for row in log["epochs"]))
    return {**judged(network, dataset), "recipe": asdict(recipe), "seconds": seconds}


def _unseen(row: dict) -> dict:
    """The row without what it says of images that were trained on."""
    return {key: value for key, value in row.items() if key != "validation_errors"}


def check(rows: list[dict], rates: list[dict]) -> None:
    """Raise ValueError where rows have another teacher or rate than is there now."""
    from labkit.train import teacher

    for row in rows:
        same = True
        if row["case"] == TEACHER:
            same = row["sha256"] == teacher.digest()
        elif row["case"] in CASES:
            same = row["learning_rate"] == rate_for(rates, row["case"])
        if not same:
            raise ValueError(
                f"{FILE.name}, {row['case']}: made with another teacher or learning "
                "rate; restore all with `git checkout -- data`, or delete those rows"
            )


def teacher_of(case: Case, dataset: datasets.Dataset):
    """The network that teaches in a case; that of all images is trained if need be."""
    from labkit.train import teacher

    if not case.all_images:
        return teacher.load()
    path = RUNS / f"{TEACHER}, {ALL}" / teacher.FILE.name
    if not path.exists():
        teach_all(dataset)
    return teacher.load(path)


def targets_of(name: str, dataset: datasets.Dataset) -> tuple:
    """A case's training images, and what the teacher says of them, None if nothing."""
    from labkit.train import moves
    from labkit.train.fast import SoftTargets

    case = CASES[name]
    images = with_validation(dataset) if case.all_images else dataset
    split = with_digits(images.train, case.digits)
    if not case.alpha:
        return split, None
    answers = teacher_of(case, dataset).logits
    table = moves.logits_everywhere(answers, split, _shift(case))
    return split, SoftTargets(table, SETTINGS["temperature"], case.alpha)


def _shift(case: Case) -> int:
    return SETTINGS["shift"] if case.jittered else 0


def one(
    case: str,
    seed: int,
    learning_rate: float,
    epochs: int,
    told: tuple,
    dataset: datasets.Dataset,
) -> dict:
    """Train one student: what its row says beside these. told: as `told` returns it."""
    from labkit.train import dense_students

    its = CASES[case]
    split, soft = told
    size = SETTINGS["batch_size"]
    began = time.perf_counter()
    network = dense_students.train(
        SETTINGS["widths"],
        split,
        dense_students.steps_of(epochs, split, size),
        seed,
        soft,
        _shift(its),
        learning_rate,
        size,
    )
    row = judged(network, dataset, its.moved)
    row |= {"seconds": round(time.perf_counter() - began, 1)}
    return _unseen(row) if its.all_images else row


def choosing() -> list[dict]:
    """The trainings by which rates are chosen."""
    cases = [name for name, case in CASES.items() if case.like is None]
    return [{"case": name, "learning_rate": r} for name in cases for r in RATES]


def rate_for(rows: list[dict], name: str) -> float:
    """A case's learning rate. rows: what `choosing` lists, with validation errors."""
    return best_rate(rows, case=CASES[name].like or name)


def wanted() -> list[dict]:
    """All students, seed by seed."""
    return [{"case": c, "seed": seed} for seed in range(SEEDS) for c in CASES]


def main() -> None:
    dataset = datasets.load_images("mnist", full=True)
    command = {"command": "python -m experiments.distill.hinton"}
    head = command | {
        "source": "Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Sec. 3",
        "published": PUBLISHED,
        "settings": SETTINGS,
    }

    def taught(name: str, train) -> None:
        row = {"case": name, "seed": 0}
        resumed.complete(FILE, head, [row], lambda entry, rows: train(dataset))

    @cache  # the teacher sees the images of a case once, not once for each seed
    def of(case: str) -> tuple:
        return targets_of(case, dataset)

    def tried(entry: dict, rows: list[dict]) -> dict:
        told = of(entry["case"])
        return one(**entry, **CHOOSING, told=told, dataset=dataset)

    def compared(entry: dict, rows: list[dict]) -> dict:
        told, epochs = of(entry["case"]), SETTINGS["epochs"]
        rate = {"learning_rate": rate_for(rates, entry["case"])}
        return rate | one(**entry, **rate, epochs=epochs, told=told, dataset=dataset)

    taught(TEACHER, teach)
    choice = command | {"settings": SETTINGS | CHOOSING}
    rates = resumed.complete(RATES_FILE, choice, choosing(), tried)["rows"]
    check(read_json(FILE)["rows"], rates)
    taught(f"{TEACHER}, {ALL}", teach_all)
    resumed.complete(FILE, head, wanted(), compared)


if __name__ == "__main__":
    main()
