"""A ResNet's convolutions factorized, and the factors trained further.

Ranks are chosen at one budget of MACs by the product of energies, of the layers'
responses on calibration images (Zhang et al. 2016, arXiv:1505.06798). Each convolution
becomes a chain of smaller ones before its batch normalization; all of them train.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from labkit import zoo
from labkit.compress import factorized
from labkit.compress.budget.ranks import plan_ranks
from labkit.compress.responses import observe
from labkit.lowrank.parts import FactorLayer, assign_strides
from labkit.train import fit, gradual_pruning
from labkit.train.folded import to_keras
from labkit.zoo import datasets

NAMES = ("resnet8", "resnet20")
METHOD = "responses"
IMAGES = 1000  # of calibration, on which the responses are observed
SMALLEST_GAIN = 1e-6  # of a batch normalization: a channel below it is dead
RECIPES = {
    name: replace(gradual_pruning.RECIPES[name].training, learning_rate=0.05)
    for name in NAMES
}


@keras.saving.register_keras_serializable("labkit")
class Chain(keras.layers.Layer):
    """Convolutions or dense layers one after the other, nothing between them.

    shapes: of the kernels as Keras has them, outputs last. strides: one pair a kernel,
    None for a dense layer. padding: "same" or "valid". use_bias: of the last one.
    """

    def __init__(self, shapes, strides, padding="same", use_bias=False, **settings):
        super().__init__(**settings)
        self.shapes = [tuple(shape) for shape in shapes]
        self.strides = [tuple(pair) if pair else None for pair in strides]
        self.padding, self.use_bias = padding, use_bias

    def build(self, input_shape):
        self.kernels = [
            self.add_weight(shape=shape, name=f"kernel_{k}")
            for k, shape in enumerate(self.shapes, 1)
        ]
        if self.use_bias:
            shape = self.shapes[-1][-1:]
            self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")

    def call(self, x):
        for kernel, strides in zip(self.kernels, self.strides, strict=True):
            if strides is None:
                x = keras.ops.matmul(x, kernel)
            else:
                x = keras.ops.conv(x, kernel, strides, self.padding)
        return x + self.bias if self.use_bias else x

    def get_config(self):
        own = ("shapes", "strides", "padding", "use_bias")
        return super().get_config() | {name: getattr(self, name) for name in own}


def chosen(name: str, macs: float) -> tuple[dict, dict[str, tuple[FactorLayer, ...]]]:
    """Layer -> its rank, None where it stays whole; and layer -> its parts.

    macs: what the whole network may have at most.
    """
    network = zoo.load(name)
    images = zoo.dataset(name).calibration.images[:IMAGES]
    observed = observe(network, images, METHOD)
    ranks = plan_ranks(network, METHOD, by="product", most=macs, observed=observed)
    return ranks, factorized.factorize_layers(network, ranks, METHOD, observed)


def factorized_model(
    model: keras.Model, parts: Mapping[str, Sequence[FactorLayer]]
) -> keras.Model:
    """The model with layers replaced by chains of their parts, the same outputs.

    model: with batch normalization behind its convolutions. parts: of the file, in
    which it is folded: so the last kernel is divided by its gain here, and what the
    bias gained goes into its mean.
    """

    def cloned(layer):
        if layer.name not in parts:
            return layer.__class__.from_config(layer.get_config())
        return _chain(layer, parts[layer.name])

    clone = keras.models.clone_model(model, clone_function=cloned)
    for layer in model.layers:
        if layer.weights and layer.name not in parts:
            clone.get_layer(layer.name).set_weights(layer.get_weights())
    for name, found in parts.items():
        _set_chain(clone, model, name, found)
    return clone


def _chain(layer, parts: Sequence[FactorLayer]) -> Chain:
    shapes = [to_keras(part.kernel).shape for part in parts]
    if isinstance(layer, keras.layers.Dense):
        strides, padding = [None] * len(parts), "valid"
    else:
        strides = assign_strides(layer.kernel_size, layer.strides, parts)
        padding = layer.padding
    return Chain(shapes, strides, padding, layer.use_bias, name=layer.name)


def _set_chain(clone, model, name: str, parts: Sequence[FactorLayer]) -> None:
    """Give a chain the parts' weights, and the batch normalization what it lost."""
    kernels = [to_keras(part.kernel) for part in parts]
    layer = model.get_layer(name)
    if layer.use_bias:
        clone.get_layer(name).set_weights([*kernels, parts[-1].bias])
        return
    norm = clone.get_layer(f"{name}_norm")
    gamma, beta, mean, variance = norm.get_weights()
    gain = gamma / np.sqrt(variance + norm.epsilon)
    alive = np.abs(gain) > SMALLEST_GAIN
    inverse = np.divide(1, gain, out=np.zeros_like(gain), where=alive)
    clone.get_layer(name).set_weights([*kernels[:-1], kernels[-1] * inverse])
    gained = parts[-1].bias - (beta - mean * gain)
    norm.set_weights([gamma, beta, mean - gained * inverse, variance])


def start(name: str, macs: float, recipe) -> tuple[keras.Model, dict]:
    """The factorized network in the form that is trained, and its ranks.

    recipe: None for Keras' own layers.
    """
    ranks, parts = chosen(name, macs)
    model = fit.with_weights_of(zoo.keras_model(name), fit.build(name, recipe))
    return factorized_model(model, parts), ranks


def run(name: str, macs: float, folder: Path, seed: int) -> tuple[keras.Model, dict]:
    """Take `name` apart for at most so many MACs, and train the factors.

    Returns the factorized network, as Keras' own float32 layers and chains, and the
    log, as `fit.run` does.
    """
    recipe = RECIPES[name]
    dataset = datasets.load_images(recipe.dataset, full=True)
    with fit.precision(recipe):
        keras.utils.set_random_seed(seed)
        model, ranks = start(name, macs, recipe)
        log = {"name": name, "budget": macs, "seed": seed, "epochs": []}
        log = fit.resume(model, log, recipe, dataset, folder)
    plain, _ = start(name, macs, None)
    return fit.with_weights_of(model, plain), log | {"ranks": ranks}
