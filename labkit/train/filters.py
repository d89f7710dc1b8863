"""Filters removed from a ResNet's blocks, and the smaller network trained further.

Only the first convolution of each block loses filters: its outputs are read by the
second one alone, so that the residual additions keep their shape (Li et al. 2016,
arXiv:1608.08710, sec. 3.3). Which ones is decided by the loss on calibration images:
each filter's first-order Taylor score (`labkit.gradients`) per MAC that it costs. On
validation images, before any further training, that kept far more of resnet20's
accuracy than the filters' norms, than a fixed share of each layer, and than the score
scaled by layer, with or without the MACs (`python -m benchmarks.filters`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from labkit import data, zoo
from labkit.network import Network
from labkit.prune.unit_budget import choose_units
from labkit.train import fit, pruning

NAMES = ("resnet8", "resnet20")
RECIPES = {
    name: replace(pruning.RECIPES[name].training, learning_rate=0.05) for name in NAMES
}


def inner_layers(network: Network) -> list[str]:
    """The first convolutions of the residual blocks, in the order they run."""
    return [name for name in network.kernels if name.endswith("_conv1")]


def unit_macs(network: Network, layer: str) -> float:
    """The MACs that end with one filter of a block's first convolution."""
    reader = network.layer(_reader(layer))
    return (network.layer(layer).macs + reader.macs) / len(network.kernels[layer])


def chosen(name: str, saving: float) -> dict[str, list[int]]:
    """Layer -> the filters of `name` to remove, to save that fraction of its MACs."""
    network, scores = zoo.load(name), zoo.gradients(name).units
    layers = inner_layers(network)
    return choose_units(
        {layer: scores[layer] for layer in layers},
        {layer: unit_macs(network, layer) for layer in layers},
        saving * network.macs,
    )


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
        kernel, *rest = weights[_reader(layer)]
        weights[_reader(layer)] = [kernel[:, :, kept], *rest]
    return widths, weights


def start(name: str, saving: float, recipe) -> tuple[keras.Model, dict[str, int]]:
    """The smaller network in the form that is trained, and its widths."""
    widths, weights = smaller(name, zoo.keras_model(name), chosen(name, saving))
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
    dataset = data.load(recipe.dataset, full=True)
    with fit.precision(recipe):
        keras.utils.set_random_seed(seed)
        model, widths = start(name, saving, recipe)
        log = {"name": name, "saving": saving, "seed": seed, "epochs": []}
        log = fit.go_on(model, log, recipe, dataset, folder)
    return fit.in_float32(name, model, widths), log | {"widths": widths}


def _reader(layer: str) -> str:
    """The one layer that reads a block's first convolution."""
    return layer.removesuffix("1") + "2"
