"""A training of some seconds, in a process of its own: `python -m labkit.train.live`.

It begins at the scales of rounding alone, so that what it gains is the training's.
Prints one JSON line every few steps and writes the packed file at the end. The lessons
start it through `labkit.live`, so that their kernels never import TensorFlow. It runs
on the images in data/ alone: of CIFAR-10 these are 5,000 training images.
"""

import argparse
import json
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import keras

from labkit import data
from labkit.files import write_bytes
from labkit.train import fit, qat, quantized
from labkit.train.batches import Batches

EVERY = 5
# Batch normalization's running averages forget in 10 batches what quantization shifted,
# instead of Keras' 100: that is about as long as the whole training.
MOMENTUM = 0.9
# A short training cannot recover from large steps (chosen on validation images).
LEARNING_RATES = {"mlp": 3e-4, "lenet5": 3e-4, "resnet8": 0.01, "resnet20": 0.003}


def batches(split, recipe, input_shape, seed: int):
    """Batches without end, epoch after epoch."""
    for epoch in count():
        epoch_batches = Batches(split, recipe, input_shape, seed, epoch)
        yield from (epoch_batches[k] for k in range(len(epoch_batches)))


def train(name: str, setting: qat.Setting, steps: int, seed: int, report) -> bytes:
    """The packed file of `name` after `steps` batches of quantization-aware training.

    report(step, loss): called every few steps with the mean loss of those steps.
    """
    recipe = replace(
        qat.RECIPES[name],
        epochs=1,
        warmup_epochs=0.1,
        dropout=0.0,
        learning_rate=LEARNING_RATES[name],
        mixed_precision=False,
    )
    with fit.precision(recipe):
        keras.utils.set_random_seed(seed)
        model = qat.start(name, setting, recipe, as_rounded=True)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = MOMENTUM
        fit.compile_by(recipe, model, steps)
        split = data.load(recipe.dataset).train
        stream = batches(split, recipe, model.input_shape[1:], seed)
        losses = []
        for step, (inputs, labels) in enumerate(islice(stream, steps), 1):
            losses.append(float(model.train_on_batch(inputs, labels)[0]))
            model.reset_metrics()
            if step % EVERY == 0 or step == steps:
                report(step, sum(losses) / len(losses))
                losses.clear()
    return quantized.as_file(name, model)[1]


def main() -> None:
    parser = argparse.ArgumentParser("python -m labkit.train.live")
    parser.add_argument("name", choices=qat.RECIPES)
    parser.add_argument("setting", type=qat.Setting.named)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()

    def report(step: int, loss: float) -> None:
        print(json.dumps({"step": step, "loss": loss}), flush=True)

    packed = train(chosen.name, chosen.setting, chosen.steps, chosen.seed, report)
    write_bytes(chosen.out, packed)


if __name__ == "__main__":
    main()
