"""Dense students, trained alone or by a teacher: same start, same order, same moves."""

from collections.abc import Callable, Sequence

import numpy as np

from labkit.common.split import Split
from labkit.train.fast import Dense, SoftTargets, Training

BATCH_SIZE, LEARNING_RATE = 128, 1e-3


def train(
    widths: Sequence[int],
    split: Split,
    steps: int,
    seed: int,
    soft: SoftTargets | None = None,
    shift: int = 0,
    rate: float = LEARNING_RATE,
    batch_size: int = BATCH_SIZE,
    report: Callable[[int, Dense], object] = lambda step, network: None,
) -> Dense:
    """A dense network after `steps` batches of `split`.

    widths: 784, then the units of each layer. soft: what a teacher says; None trains on
    labels alone. The seed fixes the first weights, the order of the images and where
    they are moved, each by itself: two students of one seed differ in nothing but what
    they are told. rate: the learning rate at the start, from which it falls to 0 along
    half a cosine. batch_size: of all images, where there are fewer. report: called
    every 100 steps with the steps done and the network. Raises ValueError without
    steps or images.
    """
    training = begin(widths, split, steps, seed, soft, shift, rate, batch_size)
    while training.step < steps:
        network = training.advance()
        report(training.step, network)
    return network


def begin(
    widths: Sequence[int],
    split: Split,
    steps: int,
    seed: int,
    soft: SoftTargets | None = None,
    shift: int = 0,
    rate: float = LEARNING_RATE,
    batch_size: int = BATCH_SIZE,
) -> Training:
    """The training that `train` takes to its end, before its first step."""
    if steps < 1 or not len(split):
        raise ValueError(
            f"{steps} steps on {len(split)} images: give 1 or more of each"
        )
    rates = rate * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2
    start = Dense.untrained(widths, [seed, 1])
    size = min(batch_size, len(split))
    return Training(start, None, split, rates, size, [seed, 2], shift, soft)


def steps_of(epochs: int, split: Split, batch_size: int = BATCH_SIZE) -> int:
    """How many whole batches `epochs` epochs of a split with images have."""
    return epochs * (len(split) // min(batch_size, len(split)))
