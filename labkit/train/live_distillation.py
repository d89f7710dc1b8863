"""A student trained twice in some seconds, alone and by a teacher, in a child process.

`python -m labkit.train.live_distillation` prints one JSON line for every 100 steps of
each student, which says how many there will be, and writes both networks into one .npz
file. `labkit.train.child` starts it. Both students begin with the same weights and see
the same images in the same order, moved alike; the teacher is asked about the moved
images.
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np

from labkit import zoo
from labkit.common import split
from labkit.common.exits import in_one_sentence
from labkit.common.file_errors import FileError
from labkit.common.files import write_bytes
from labkit.model.graph import NetworkError
from labkit.train import dense_students, moves
from labkit.train.fast import STEPS, Dense, SoftTargets
from labkit.train.pace import Budget, steps_within
from labkit.zoo import datasets

TEACHERS = ("mlp", "lenet5")
SHIFT, LOSS_IMAGES = 1, 500
# So few steps need a high rate, most of all at high temperatures: at 1e-3 a student of
# 30 units, T = 4, 500 images was 4 points below 1e-2 on validation images.
RATE = 1e-2
ALONE, DISTILLED = "alone", "distilled"


def train(
    teacher: str,
    width: int,
    temperature: float,
    alpha: float,
    images: int,
    budget: Budget,
    seed: int,
    report,
) -> dict[str, Dense]:
    """The networks 784-w-w-10 after as many steps each, "alone" and "distilled".

    images: how many of the first training images are used. budget: the steps of each,
    the time of both. report(student, step, steps, loss): called every 100 steps with
    those done, all of this student, and the cross-entropy on some validation images.
    """
    dataset = datasets.load_images("mnist")
    split = dataset.calibration.take(images)
    judges = dataset.validation.take(LOSS_IMAGES)
    table = moves.logits_everywhere(zoo.load(teacher).predict, split, SHIFT)
    widths = 784, width, width, 10
    alphas = {ALONE: 0.0, DISTILLED: alpha}
    soft = {key: SoftTargets(table, temperature, a) for key, a in alphas.items()}
    steps = _steps(widths, split, budget, soft[DISTILLED])
    trained = {}
    for student, told in soft.items():
        trained[student] = dense_students.train(
            widths,
            split,
            steps,
            seed,
            told,
            SHIFT,
            RATE,
            report=lambda step, network, student=student: report(
                student, step, steps, network.loss(judges)
            ),
        )
    return trained


def _steps(widths, split: split.Split, budget: Budget, soft: SoftTargets) -> int:
    """How many steps each of the two students has."""
    if budget.seconds is None:
        return budget.steps
    one = Budget(budget.steps, budget.seconds / 2)
    # Rates for whole calls of `advance`, the one that is not timed among them.
    enough = (budget.steps // STEPS + 2) * STEPS
    thrown_away = dense_students.begin(widths, split, enough, 0, soft, SHIFT, RATE)
    return steps_within(one, thrown_away.advance, STEPS)


def to_bytes(trained: dict[str, Dense]) -> bytes:
    """An .npz file of "alone/fc1/kernel", …, in the layout of model files."""
    arrays = {}
    for student, network in trained.items():
        pairs = zip(network.kernels, network.biases, strict=True)
        for k, (kernel, bias) in enumerate(pairs, 1):
            arrays[f"{student}/fc{k}/kernel"] = kernel.T
            arrays[f"{student}/fc{k}/bias"] = bias
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser("python -m labkit.train.live_distillation")
    parser.add_argument("teacher", choices=TEACHERS)
    for name, kind in (("width", int), ("temperature", float), ("alpha", float)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    for name in ("images", "steps"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    chosen = vars(parser.parse_args())
    out = chosen.pop("out")
    budget = Budget(chosen.pop("steps"), chosen.pop("seconds"))

    def report(student: str, step: int, steps: int, loss: float) -> None:
        line = {"step": step, "steps": steps, "loss": loss, "student": student}
        print(json.dumps(line), flush=True)

    with in_one_sentence("stopped, and nothing is kept", (FileError, NetworkError)):
        write_bytes(out, to_bytes(train(**chosen, budget=budget, report=report)))


if __name__ == "__main__":
    main()
