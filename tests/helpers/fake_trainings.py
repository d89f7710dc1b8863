"""Trainings that take no time, for panels that train in a process of their own."""

import io

import numpy as np
from recomputed.distillation import student_arrays
from recomputed.qat import CALIBRATION

from labkit import zoo
from labkit.compress.post_training import Setting, round_network
from labkit.train import child


def fake_quantized_training(monkeypatch) -> list:
    """The result is the network at 8 bits; what was asked for."""
    asked = []

    def quick(name, setting, steps, seed, cancelled=None, seconds=None):
        asked.append((name, setting, steps, seed))
        for step in (5, steps):
            yield child.Progress(step, steps, 1 / step)
        images = zoo.dataset(name).calibration.images[:CALIBRATION]
        eight = round_network(zoo.load(name), images, Setting(8, 8)).packed
        yield child.Progress(steps, steps, 1 / steps, eight)

    monkeypatch.setattr(child, "training", quick)
    return asked


def fake_distillation(monkeypatch) -> list:
    """The results are random students; what was asked for."""
    asked = []

    def quick(
        teacher, width, temperature, alpha, images, steps, seed,
        cancelled=None, seconds=None,
    ):  # fmt: skip
        asked.append((teacher, width, temperature, alpha, images, steps, seed))
        content, arrays = io.BytesIO(), {}
        for k, student in enumerate(("alone", "distilled")):
            for step in (100, steps):
                yield child.Progress(step, steps, 1 / step, student=student)
            found = student_arrays(width, [seed, k])
            arrays |= {f"{student}/{name}": a for name, a in found.items()}
        np.savez(content, **arrays)
        yield child.Progress(steps, steps, 0.0, content.getvalue(), "distilled")

    monkeypatch.setattr(child, "distillation", quick)
    return asked
