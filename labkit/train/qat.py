"""Quantization-aware training: from the trained network, through the rounding.

Every dense layer and convolution computes with fake-quantized weights and inputs
(Jacob et al. 2018, arXiv:1712.05877, sec. 3). Batch normalization stays a layer of its
own while it trains and is folded afterwards, its averages estimated anew: with one
scale for each output channel the fold multiplies scales and leaves every integer code
as it is.
"""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from labkit import zoo
from labkit.compress.post_training import KEPT_BITS, Setting
from labkit.model.inputs import as_inputs
from labkit.train import fit
from labkit.train.batch_norm import reestimate
from labkit.train.batches import Batches
from labkit.train.fake_quant import Codes, quantized_clone
from labkit.train.recipes import Recipe
from labkit.zoo import datasets

BEGIN_IMAGES = 128
END_BATCHES = 40


_RESNET = Recipe(
    "cifar10",
    epochs=16,
    optimizer="sgd",
    learning_rate=0.01,
    weight_decay=2e-4,
    warmup_epochs=1,
    shift=4,
    mirror=True,
)
_MNIST = Recipe(
    "mnist",
    epochs=5,
    optimizer="adam",
    learning_rate=3e-4,
    weight_decay=1e-4,
    warmup_epochs=0.5,
    shift=1,
    dropout=0.2,
)
RECIPES = {
    "mlp": _MNIST,
    "lenet5": _MNIST,
    "resnet8": _RESNET,
    "resnet20": replace(
        _RESNET,
        epochs=36,
        learning_rate=0.05,
        weight_decay=5e-4,
        mixed_precision=True,
    ),
}


def layer_inputs(model: keras.Model, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """What each layer with a kernel reads when the network sees `pixels`."""
    found = [layer for layer in model.layers if hasattr(layer, "kernel")]
    reader = keras.Model(model.input, [layer.input for layer in found])
    arrays = reader.predict(pixels, verbose=0)
    return {layer.name: array for layer, array in zip(found, arrays, strict=True)}


def grids(inputs: dict[str, np.ndarray], setting: Setting) -> dict:
    """Layer -> the codes of its kernel and of its inputs, in the order that they run.

    Inputs that are never negative, after a ReLU, use all their codes above 0.
    """
    first, *_, last = inputs
    chosen = {}
    for name, array in inputs.items():
        kept = name in (first, last)
        bits = KEPT_BITS if kept else setting.weights
        input_bits = KEPT_BITS if kept else setting.activations
        signed = bool(array.min() < 0)
        reads = None if name == first else Codes.for_inputs(input_bits, signed)
        chosen[name] = Codes.symmetric(bits), reads
    return chosen


def start(
    name: str, setting: Setting, recipe: Recipe, as_rounded: bool = False
) -> keras.Model:
    """The trained network `name` with quantizing layers, before any training.

    as_rounded: with the scales of rounding alone, where a short training should begin.
    """
    trained = zoo.keras_model(name)
    model = fit.with_weights_of(trained, fit.build(name, recipe))
    images = datasets.load_images(recipe.dataset).calibration.images[:BEGIN_IMAGES]
    inputs = layer_inputs(trained, as_inputs(images, trained.input_shape[1:]))
    return quantized_clone(model, grids(inputs, setting), inputs, as_rounded)


def run(
    name: str, setting: Setting, folder: Path, seed: int
) -> tuple[keras.Model, dict]:
    """Train `name` at `setting` to the last epoch, from where `folder` stops.

    Then batch normalization's averages are estimated anew, see `reestimate`.

    Returns the quantizing model and the log, as `fit.run` does.
    """
    recipe = RECIPES[name]
    dataset = datasets.load_images(recipe.dataset, full=True)
    with fit.precision(recipe):
        keras.utils.set_random_seed(seed)
        model = start(name, setting, recipe)
        log = {"name": name, "setting": str(setting), "seed": seed, "epochs": []}
        log = fit.resume(model, log, recipe, dataset, folder)
        shape, epoch = model.input_shape[1:], recipe.epochs
        batches = Batches(dataset.train, recipe, shape, seed, epoch)
        reestimate(model, (batches[k][0] for k in range(END_BATCHES)))
        return model, log
