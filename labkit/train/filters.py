"""Filters removed from a ResNet's blocks, and the smaller network trained further.

`labkit.compress.budget.filters` says which ones go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from labkit import zoo
from labkit.compress.budget.filters import NAMES, filters_to_remove, reader
from labkit.train import fit, gradual_pruning
from labkit.zoo import datasets

RECIPES = {
    name: replace(gradual_pruning.RECIPES[name].training, learning_rate=0.05)
    for name in NAMES
}


def smaller(
    name: str, model: keras.Model, removed: Mapping[str, Sequence[int]]
) -> tuple[dict[str, int], dict[str, list[np.ndarray]]]:
    """What is left of a Keras model of `name`: widths, and layer -> its weights."""
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    widths = {}
    for layer, units in removed.items():
        kept = np.setdiff1d(np.arange(weights[layer][0].shape[-1]), units)
        widths[layer] = len(kept)
        for own in (layer, f"{layer}_norm"):
            weights[own] = [array[..., kept] for array in weights[own]]
        kernel, *rest = weights[reader(layer)]
        weights[reader(layer)] = [kernel[:, :, kept], *rest]
    return widths, weights


def start(name: str, saving: float, recipe) -> tuple[keras.Model, dict[str, int]]:
    """The smaller network in the form that is trained, and its widths."""
    widths, weights = smaller(
        name, zoo.keras_model(name), filters_to_remove(name, saving)
    )
    model = fit.build(name, recipe, widths)
    for layer in model.layers:
        layer.set_weights(weights[layer.name])
    return model, widths


def run(name: str, saving: float, folder: Path, seed: int) -> tuple[keras.Model, dict]:
    """Remove filters that cost a fraction `saving` of the MACs, and train the rest.

    Returns the smaller network, as Keras' own float32 layers, and the log, as
    `fit.run` does.
    """
    recipe = RECIPES[name]
    dataset = datasets.load_images(recipe.dataset, full=True)
    with fit.precision(recipe):
        keras.utils.set_random_seed(seed)
        model, widths = start(name, saving, recipe)
        log = {"name": name, "saving": saving, "seed": seed, "epochs": []}
        log = fit.resume(model, log, recipe, dataset, folder)
    return fit.in_float32(name, model, widths), log | {"widths": widths}
