"""Trainings of mlp's shape, some pruned on the way, that several experiments share.

A training goes in phases. In each phase the learning rate falls from its peak to 0
along a cosine, and Adam begins anew. No phase is stopped early: its last network
counts, so that no choice among networks favours one side.
"""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labkit import zoo
from labkit.common import split
from labkit.common.files import write_bytes
from labkit.common.reading import read_arrays
from labkit.compress import units
from labkit.model.network import Network
from labkit.prune.masking import masks
from labkit.prune.schedules import SCHEDULES
from labkit.zoo import datasets

RUNS = datasets.ROOT / "runs" / "dense"
SEEDS = 5
SETTINGS = {
    "widths": [784, 300, 100, 10],
    "batch_size": 60,
    "learning_rate": 2e-3,
    "dense_steps": 12_000,
}
LAYERS = ("fc1", "fc2", "fc3")

Masks = Sequence[np.ndarray]
# A network and the steps done in this phase -> its masks from now on, or None.
Pruner = Callable[[Any, int], Masks | None]


def rates(steps: int) -> np.ndarray:
    """The learning rate of each step of a phase, from the peak to 0."""
    return (
        SETTINGS["learning_rate"] * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2
    )


def phase(
    start,
    split: split.Split,
    steps: int,
    seed,
    prune: Pruner | None = None,
    soft=None,
):
    """Train a `labkit.train.fast.Dense` for some steps, and return it.

    prune: asked before each hundred steps. seed: of the order of the images. soft: what
    a teacher says, a `labkit.train.fast.SoftTargets`.
    """
    from labkit.train.fast import Training

    kept = [np.ones(kernel.shape, bool) for kernel in start.kernels]
    batch_size = SETTINGS["batch_size"]
    training = Training(start, kept, split, rates(steps), batch_size, seed, soft=soft)
    while training.step < steps:
        found = prune and prune(training.network, training.step)
        if found:
            training.prune(found)
        training.advance()
    return training.network


def untrained(widths: Sequence[int], seed: int):
    """The network that the first phase of a seed begins with."""
    from labkit.train.fast import Dense

    return Dense.untrained(widths, [seed, 1])


def order(seed: int, number: int) -> list[int]:
    """The seed of the order of the images in a seed's phase, the same for all kinds."""
    return [seed, 1 + number]


def trained(seed: int, dataset: datasets.Dataset):
    """The dense network of a seed after its first phase; kept in runs/ once trained."""
    from labkit.train.fast import Dense

    path = _path(seed)
    if path.exists():
        arrays = list(read_arrays(path, "delete it to train it again").values())
        half = len(arrays) // 2
        return Dense(tuple(arrays[:half]), tuple(arrays[half:]))
    start = untrained(SETTINGS["widths"], seed)
    network = phase(start, dataset.train, SETTINGS["dense_steps"], order(seed, 1))
    content = io.BytesIO()
    np.savez(content, *network.kernels, *network.biases)
    write_bytes(path, content.getvalue())
    return network


def _path(seed: int) -> Path:
    digest = hashlib.sha256(json.dumps(SETTINGS).encode()).hexdigest()[:8]
    return RUNS / f"seed{seed}-{digest}.npz"


def magnitude_masks(network, sparsity: float) -> list[np.ndarray]:
    """The masks that remove the smallest weights, all kernels ranked together."""
    scores = {str(k): np.abs(kernel) for k, kernel in enumerate(network.kernels)}
    return list(masks(scores, sparsity, "global").values())


def by_magnitude(schedule: str, sparsity: float, rising: int, prunings: int) -> Pruner:
    """Remove the smallest weights as a schedule of `labkit.prune.schedules` says.

    rising, prunings: in how many steps of the phase, and how often, sparsity rises.
    """

    def prune(network, step: int) -> list[np.ndarray]:
        now = SCHEDULES[schedule](step, rising, sparsity, prunings)
        return magnitude_masks(network, now)

    return prune


def at_random(sparsity: float, seed) -> Pruner:
    """Before the first step remove any, as many of each layer as magnitude would."""

    def prune(network, step: int) -> list[np.ndarray] | None:
        if step > 0:
            return None
        rng = np.random.default_rng(seed)
        found = magnitude_masks(network, sparsity)
        return [rng.permuted(kept.ravel()).reshape(kept.shape) for kept in found]

    return prune


def as_file(network) -> Network:
    """A network as a model file: mlp's, with its neurons removed to the widths."""
    widths = [len(bias) for bias in network.biases]
    weights = {}
    for layer, kernel, bias in zip(
        LAYERS, network.kernels, network.biases, strict=True
    ):
        weights |= {f"{layer}/kernel": kernel.T, f"{layer}/bias": bias}
    return with_widths(widths[:-1]).with_weights(weights)


def with_widths(hidden: Sequence[int]) -> Network:
    """The model file of mlp with only the first neurons of its hidden layers."""
    base = zoo.load("mlp")
    kept = {
        layer: np.arange(len(base.kernels[layer])) < width
        for layer, width in zip(LAYERS, hidden, strict=False)
    }
    return units.remove_units(base, kept)
