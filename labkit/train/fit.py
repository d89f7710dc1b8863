"""Train a network of the zoo by its recipe: seeded, one checkpoint an epoch, resumable.

The same command started again goes on after the last finished epoch. Each epoch's
order and augmentation depend on (seed, epoch) alone, so an interrupted run sees what
an uninterrupted one would have seen.
"""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from labkit import data
from labkit.train import architectures
from labkit.train.batch_norm import FusedBatchNormalization
from labkit.train.batches import Batches, as_inputs
from labkit.train.recipes import RECIPES, Recipe


def build(name: str, recipe: Recipe | None = None) -> keras.Model:
    """The untrained network `name`; with a recipe, in the form that is trained."""
    make = getattr(architectures, name)
    if recipe is None:
        return make()
    if name.startswith("resnet"):
        return make(batch_norm=FusedBatchNormalization)
    return make(dropout=recipe.dropout)


def compile_by(recipe: Recipe, model: keras.Model, training_images: int) -> None:
    """Attach the recipe's optimizer, schedule and loss (cross-entropy on logits)."""
    steps = -(-training_images // recipe.batch_size)
    warmup = int(recipe.warmup_epochs * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, recipe.epochs * steps - warmup,
        warmup_target=recipe.learning_rate, warmup_steps=warmup,
    )
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            schedule, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
        )
    else:
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])


def write_whole(path: Path, save) -> None:
    """Call save(temporary path), then put the file in its place: whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"partial-{path.name}")
    save(temporary)
    os.replace(temporary, path)


def run(name: str, seed: int, folder: Path) -> tuple[keras.Model, dict]:
    """Train `name` from `seed` to its recipe's last epoch, or go on where `folder` stops.

    Returns the trained network, as Keras' own float32 layers, and the log: its
    "epochs" has a row an epoch (loss, accuracy, val_loss, val_accuracy, seconds).
    """
    recipe = RECIPES[name]
    dataset = data.load(recipe.dataset, full=True)
    checkpoint, log_file = folder / "checkpoint.keras", folder / "log.json"
    policy = "mixed_bfloat16" if recipe.mixed_precision else "float32"
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        if checkpoint.exists():
            model, log = keras.models.load_model(checkpoint), json.loads(log_file.read_text())
        else:
            keras.utils.set_random_seed(seed)
            model, log = build(name, recipe), {"name": name, "seed": seed, "epochs": []}
            compile_by(recipe, model, len(dataset.train))
        shape = model.input_shape[1:]
        validation = as_inputs(dataset.validation.images, shape), dataset.validation.labels
        finished = model.optimizer.iterations.numpy() * recipe.batch_size
        for epoch in range(round(finished / len(dataset.train)), recipe.epochs):
            start = time.perf_counter()
            batches = Batches(dataset.train, recipe, shape, seed, epoch)
            history = model.fit(
                batches, validation_data=validation, validation_batch_size=500,
                initial_epoch=epoch, epochs=epoch + 1,
                verbose="auto" if os.isatty(1) else 2,
            ).history
            row = {key: round(float(value[-1]), 5) for key, value in history.items()}
            row["seconds"] = round(time.perf_counter() - start, 1)
            log["epochs"] = [*log["epochs"][:epoch], row]
            write_whole(log_file, lambda path: path.write_text(json.dumps(log, indent=1)))
            write_whole(checkpoint.with_name("checkpoint.keras"), _saver(model))
    finally:
        keras.config.set_dtype_policy(previous)
    return in_float32(name, model), log | {"recipe": asdict(recipe)}


def _saver(model):
    def save(path):
        model.save(path)

    return save


def in_float32(name: str, trained: keras.Model) -> keras.Model:
    """The same network in Keras' own float32 layers, with the trained weights."""
    model = build(name)
    for layer in model.layers:
        layer.set_weights(trained.get_layer(layer.name).get_weights())
    return model


def accuracy(model: keras.Model, split: data.Split) -> float:
    """Fraction of the split's images classified right (0 to 1)."""
    logits = model.predict(
        as_inputs(split.images, model.input_shape[1:]), batch_size=500, verbose=0
    )
    return float(np.mean(logits.argmax(axis=1) == split.labels))
