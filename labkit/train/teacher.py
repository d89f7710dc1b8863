"""The teacher of Hinton et al. 2015, arXiv:1503.02531, Sec. 3: 784-1200-1200-10.

"Strongly regularized using dropout and weight-constraints", its images jittered by up
to two pixels. After 150 epochs it still learned; a second run, a warm restart with half
of the dropout, goes on from there. Trained by Keras, kept as float16, read as a network
of the fast loop.
"""

import io
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from labkit import data
from labkit.files import write_bytes
from labkit.train import fit
from labkit.train.fast import Dense
from labkit.train.recipes import Recipe

FILE = data.FOLDER / "models" / "teacher" / "mlp1200.npz"
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
RECIPE = replace(FIRST, epochs=80, dropout=0.25, mixed_precision=True, first=FIRST)


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
    dataset: data.Dataset, folder: Path, seed: int = 0, recipe: Recipe = RECIPE
) -> tuple[keras.Model, dict]:
    """Train it to the recipe's last epoch, from where `folder` stops: model and log."""
    log = {"name": "mlp1200", "seed": seed, "epochs": []}
    return fit.run_recipe(lambda each: build(recipe=each), recipe, log, dataset, folder)


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


def load(path: Path = FILE) -> Dense:
    """The teacher of a file that `save` wrote, in float32.

    Raises FileNotFoundError where there is none.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: run `git checkout -- data`, or train the teacher with "
            "`python -m benchmarks.hinton`"
        )
    with np.load(path) as file:
        layers = [name.removesuffix("/bias") for name in file if name.endswith("/bias")]
        return Dense(
            tuple(file[f"{name}/kernel"].astype(np.float32) for name in layers),
            tuple(file[f"{name}/bias"].astype(np.float32) for name in layers),
        )
