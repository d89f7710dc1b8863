"""The teacher of Hinton et al. 2015, arXiv:1503.02531, Sec. 3: 784-1200-1200-10.

"Strongly regularized using dropout and weight-constraints", its images jittered by up
to two pixels. It is trained in cycles, each of which goes on from the weights of the
one before with a new learning rate (warm restarts). The teacher is the mean of the
weights at their ends, but for the first: Izmailov et al. 2018, arXiv:1803.05407, with
their cyclical rate. Trained by Keras, kept as float16, read as a network of the fast
loop.

Hinton's teacher saw 60,000 images; this one leaves 5,000 for validation. `ALL_IMAGES`
are cycles that go on from it with all of them.
"""

import io
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import keras
import numpy as np

from labkit.common.file_errors import FileError
from labkit.common.files import write_bytes
from labkit.common.reading import read_arrays
from labkit.train import fit
from labkit.train.fast import Dense
from labkit.train.recipes import Recipe
from labkit.zoo import datasets

FILE = datasets.DATA_FOLDER / "models" / "teacher" / "mlp1200.npz"
WIDTHS = (784, 1200, 1200, 10)
PIXELS_DROPOUT, LARGEST_NORM = 0.4, 3.0  # pixels have so much of a unit's dropout
FIRST = Recipe(
    "mnist",
    epochs=150,
    optimizer="adam",
    learning_rate=1e-3,
    batch_size=250,
    shift=2,
    dropout=0.5,
)


def cycles(first: Recipe | None, *epochs_and_dropout: tuple[int, float]) -> Recipe:
    """A recipe of so many epochs with such dropout each, one after the other."""
    for epochs, dropout in epochs_and_dropout:
        now = replace(FIRST, epochs=epochs, dropout=dropout, mixed_precision=True)
        first = replace(now, first=first)
    return first


RECIPE = cycles(FIRST, (80, 0.25), (90, 0.5), (60, 0.25), (90, 0.5), (90, 0.5))
ALL_IMAGES = cycles(None, (50, 0.25), (50, 0.5), (50, 0.25))


def build(widths=WIDTHS, recipe: Recipe = RECIPE) -> keras.Model:
    """The untrained teacher: pixels / 255 in, logits out.

    The weights into a unit have a length of at most 3: Srivastava et al. 2014.
    """
    pixels = keras.Input((widths[0],), name="pixels")
    x = keras.layers.Dropout(PIXELS_DROPOUT * recipe.dropout, name="dropout0")(pixels)
    for k, units in enumerate(widths[1:-1], 1):
        short = keras.constraints.MaxNorm(LARGEST_NORM)
        layer = keras.layers.Dense(
            units, "relu", kernel_constraint=short, name=f"fc{k}"
        )
        x = keras.layers.Dropout(recipe.dropout, name=f"dropout{k}")(layer(x))
    last = f"fc{len(widths) - 1}"
    logits = keras.layers.Dense(widths[-1], name=last, dtype="float32")(x)
    return keras.Model(pixels, logits, name="teacher")


def run(
    dataset: datasets.Dataset,
    folder: Path,
    seed: int = 0,
    recipe: Recipe = RECIPE,
    start: Dense | None = None,
) -> tuple[keras.Model, dict]:
    """Train it to the recipe's last epoch, from where `folder` stops: model and log.

    start: what to go on from; None begins anew. The model has the mean of the weights
    at the ends of all recipes, but for the first of several of a network begun anew.
    """

    def make(each: Recipe) -> keras.Model:
        model = build(recipe=each)
        if start:
            pairs = zip(start.kernels, start.biases, strict=True)
            model.set_weights([weight for pair in pairs for weight in pair])
        return model

    new = {"name": "mlp1200", "seed": seed, "epochs": []}
    ends = []
    for ran in fit.run_cycles(make, recipe, new, dataset, folder):
        model, log = ran
        ends.append(model.get_weights())
    model.set_weights(mean_weights(ends if start or len(ends) == 1 else ends[1:]))
    return model, log


def mean_weights(ends: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """The mean of each weight over the networks, whose weights are in one order."""
    return [np.mean(same, axis=0) for same in zip(*ends, strict=True)]


def save(model: keras.Model, path: Path = FILE) -> Path:
    """Write the weights as float16: "fc1/kernel", "fc1/bias", …, in Keras' layout."""
    arrays = {
        f"{layer.name}/{role}": np.asarray(getattr(layer, role)).astype(np.float16)
        for layer in model.layers
        if hasattr(layer, "kernel")
        for role in ("kernel", "bias")
    }
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return write_bytes(path, content.getvalue())


def digest(path: Path = FILE) -> str:
    """The SHA-256 of a teacher's file, by which results name it; "" without a file."""
    return sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def load(path: Path = FILE) -> Dense:
    """The teacher of a file that `save` wrote, in float32.

    Raises FileError where there is none, or a damaged one.
    """
    remedy = (
        "delete it and train the teacher with `python -m experiments.distill.hinton`"
    )
    if path == FILE:
        remedy = f"{datasets.restore(path)}, or {remedy}"
    arrays = read_arrays(path, remedy)
    layers = [name.removesuffix("/bias") for name in arrays if name.endswith("/bias")]
    try:
        return Dense(
            tuple(arrays[f"{name}/kernel"].astype(np.float32) for name in layers),
            tuple(arrays[f"{name}/bias"].astype(np.float32) for name in layers),
        )
    except KeyError as error:
        raise FileError(f"{path} has no array {error}: {remedy}") from error
