"""Train a network of the zoo by its recipe: seeded, one checkpoint an epoch, resumable.

The same command started again goes on after the last finished epoch. The order, the
augmentation and the dropout of an epoch depend on (seed, epoch) alone, so an
interrupted run sees what an uninterrupted one would have seen.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import keras
import numpy as np

from labkit.common import split
from labkit.common.file_errors import FileError
from labkit.common.files import write_text, write_whole
from labkit.common.reading import read_json
from labkit.model.inputs import as_inputs
from labkit.train import architectures
from labkit.train.batch_norm import FusedBatchNormalization
from labkit.train.batches import Batches
from labkit.train.recipes import RECIPES, Recipe
from labkit.zoo import datasets

CHECKPOINT, LOG = "checkpoint.keras", "log.json"
MOMENTUM = 0.9


def build(
    name: str,
    recipe: Recipe | None = None,
    widths: Mapping[str, int] = architectures.AS_NAMED,
) -> keras.Model:
    """The untrained network `name`; with a recipe, in the form that is trained.

    widths: layer name -> its units, where they are not as many as in the zoo.
    """
    make = getattr(architectures, name)
    if recipe is None:
        return make(widths=widths)
    if name.startswith("resnet"):
        return make(batch_norm=FusedBatchNormalization, widths=widths)
    return make(dropout=recipe.dropout, widths=widths)


def compile_by(recipe: Recipe, model: keras.Model, steps_per_epoch: int) -> None:
    """Attach the recipe's optimizer, schedule and loss (cross-entropy on logits)."""
    compile_with(optimizer(recipe, schedule(recipe, steps_per_epoch)), model)


def compile_with(optimizer: keras.optimizers.Optimizer, model: keras.Model) -> None:
    """Attach the optimizer and the loss (cross-entropy on logits)."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])


def schedule(
    recipe: Recipe, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Step -> the recipe's learning rate."""
    warmup = int(recipe.warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        recipe.epochs * steps_per_epoch - warmup,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup,
    )


def optimizer(
    recipe: Recipe,
    rate: float | keras.optimizers.schedules.LearningRateSchedule,
) -> keras.optimizers.Optimizer:
    """The recipe's optimizer at a learning rate or a schedule of it."""
    if recipe.optimizer == "sgd":
        # Keras decays beside the momentum, which would make an L2 term 1 / (1 - m) as
        # strong: divided by it, the decay is the usual one.
        decay = recipe.weight_decay / (1 - MOMENTUM)
        found = keras.optimizers.SGD(
            rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay
        )
    else:
        found = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    found.exclude_from_weight_decay(var_names=["bias", "beta", "gamma", "scale"])
    return found


def run(name: str, seed: int, folder: Path) -> tuple[keras.Model, dict]:
    """Train `name` to its recipe's last epoch, from `seed` or where `folder` stops.

    Returns the trained network, as Keras' own float32 layers, and the log: its
    "epochs" has a row an epoch (loss, accuracy, val_loss, val_accuracy, seconds).
    """
    recipe = RECIPES[name]
    dataset = datasets.load_images(recipe.dataset, full=True)
    log = {"name": name, "seed": seed, "epochs": []}
    model, log = run_recipe(partial(build, name), recipe, log, dataset, folder)
    return in_float32(name, model), log


@contextmanager
def precision(recipe: Recipe) -> Iterator[None]:
    """Models built inside compute as the recipe says: in float32 or in bfloat16 too."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(
        "mixed_bfloat16" if recipe.mixed_precision else "float32"
    )
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def run_recipe(
    make: Callable[[Recipe], keras.Model],
    recipe: Recipe,
    log: dict,
    dataset: datasets.Dataset,
    folder: Path,
) -> tuple[keras.Model, dict]:
    """The model that `make` builds at the end of the recipe and of those before it.

    log: what a new log says, its "epochs" empty; its "seed" fixes the first weights.
    Goes on where `folder` stops. Returns the model and the log with a row an epoch.
    """
    *_, last = run_cycles(make, recipe, log, dataset, folder)
    return last


def run_cycles(
    make: Callable[[Recipe], keras.Model],
    recipe: Recipe,
    log: dict,
    dataset: datasets.Dataset,
    folder: Path,
) -> Iterator[tuple[keras.Model, dict]]:
    """As `run_recipe`: the model and the log at the end of each recipe, in turn."""
    before = None
    if recipe.first:
        for before in run_cycles(make, recipe.first, log, dataset, folder / "first"):
            yield before
    keras.utils.set_random_seed(log["seed"])
    with precision(recipe):
        model = make(recipe)
        if before:
            start, log = before
            model.set_weights(start.get_weights())
        log = resume(model, log, recipe, dataset, folder)
    yield model, log


def resume(
    model: keras.Model,
    log: dict,
    recipe: Recipe,
    dataset: datasets.Dataset,
    folder: Path,
) -> dict:
    """Train by the recipe to its last epoch, from the checkpoint in `folder` if any.

    Returns the log with a row for each epoch.
    """
    log = restore(model, log, recipe, dataset, folder)
    train(model, log, recipe, dataset, folder)
    return log


def restore(
    model: keras.Model,
    log: dict,
    recipe: Recipe,
    dataset: datasets.Dataset,
    folder: Path,
) -> dict:
    """Compile the model and put it where the run in `folder` stopped, if there is one.

    Returns the log of that run, or the one given, with the recipe. Raises FileError
    where that run has another log than this one, but for its epochs, or is damaged.
    """
    compile_by(recipe, model, steps_per_epoch(recipe, dataset))
    log = log | {"recipe": asdict(recipe)}
    if not (folder / CHECKPOINT).exists():
        return log
    anew = f"delete {folder} to train anew"
    found = read_json(folder / LOG, {"seed": int, "epochs": [dict]}, anew)
    other = [key for key in log if key != "epochs" and found.get(key) != log[key]]
    if other:
        raise FileError(f"{folder} holds a run with another {', '.join(other)}: {anew}")
    model.optimizer.build(model.trainable_variables)
    try:
        _check_zip(folder / CHECKPOINT)
        model.load_weights(folder / CHECKPOINT)  # the optimizer's state too
    except Exception as error:  # zip, HDF5 and Keras have a dozen kinds of them
        raise FileError(
            f"{folder / CHECKPOINT} cannot be read ({error}): {anew}"
        ) from error
    return found


def _check_zip(path: Path) -> None:
    """Raise ValueError where a checksum inside does not fit: Keras looks at none."""
    with ZipFile(path) as file:
        if changed := file.testzip():
            raise ValueError(f"{changed} in it is changed")


def steps_per_epoch(recipe: Recipe, dataset: datasets.Dataset) -> int:
    """How many batches an epoch has, the last one smaller."""
    return -(-len(dataset.train) // recipe.batch_size)


def train(
    model: keras.Model,
    log: dict,
    recipe: Recipe,
    dataset: datasets.Dataset,
    folder: Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """The epochs that are missing; each adds a row to the log and saves a checkpoint.

    callbacks: Keras', called in each epoch.
    """
    shape = model.input_shape[1:]
    validation = as_inputs(dataset.validation.images, shape), dataset.validation.labels
    before = recipe.all_epochs - recipe.epochs
    done = int(model.optimizer.iterations) // steps_per_epoch(recipe, dataset)
    missing = range(before + done, recipe.all_epochs)
    if missing:  # a folder that cannot be written to is told before the first epoch
        write_text(folder / LOG, json.dumps(log, indent=1))
    for epoch in missing:
        start = time.perf_counter()
        _seed_dropout(model, log["seed"], epoch)
        history = model.fit(
            Batches(dataset.train, recipe, shape, log["seed"], epoch),
            validation_data=validation,
            validation_batch_size=500,
            initial_epoch=epoch,
            epochs=epoch + 1,
            callbacks=list(callbacks),
            shuffle=False,  # Batches has shuffled
            verbose="auto" if os.isatty(1) else 2,
        ).history
        row = {key: round(float(value[-1]), 5) for key, value in history.items()}
        row["seconds"] = round(time.perf_counter() - start, 1)
        # The checkpoint counts: a row beyond it is written again after an interrupt.
        log["epochs"] = [*log["epochs"][:epoch], row]
        write_text(folder / LOG, json.dumps(log, indent=1))
        write_whole(folder / CHECKPOINT, model.save)


def _seed_dropout(model, seed: int, epoch: int) -> None:
    """Fix what is dropped by (seed, epoch): Keras' files do not keep that state."""
    for k, layer in enumerate(model.layers):
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
            state = np.random.default_rng([seed, epoch, k]).integers(2**32, size=2)
            layer.seed_generator.state.assign(state.astype(np.uint32))


def in_float32(
    name: str,
    trained: keras.Model,
    widths: Mapping[str, int] = architectures.AS_NAMED,
) -> keras.Model:
    """The same network in Keras' own float32 layers, with the trained weights."""
    return with_weights_of(trained, build(name, widths=widths))


def with_weights_of(trained: keras.Model, model: keras.Model) -> keras.Model:
    """The model, with the weights of the layers that have the same names."""
    for layer in model.layers:
        layer.set_weights(trained.get_layer(layer.name).get_weights())
    return model


def accuracy(model: keras.Model, split: split.Split) -> float:
    """Fraction of the split's images classified right (0 to 1)."""
    logits = model.predict(
        as_inputs(split.images, model.input_shape[1:]), batch_size=500, verbose=0
    )
    return float(np.mean(logits.argmax(axis=1) == split.labels))
