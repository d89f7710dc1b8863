"""A training of some seconds, in a process of its own: `python -m
labkit.train.live_training`.

Prints one JSON line every few steps, which says how many there will be, and writes the
packed file at the end. The lessons start it through `labkit.train.child`, so that their
kernels never import TensorFlow. It runs on the images in data/ alone: of CIFAR-10 these
are 5,000 training images.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import keras
import numpy as np

from labkit import zoo
from labkit.common.exits import in_one_sentence
from labkit.common.file_errors import FileError
from labkit.common.files import write_bytes
from labkit.common.reading import read_arrays
from labkit.compress.pruned import check_mask, pack_zeros
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.prune.masking import SCOPES
from labkit.prune.schedules import SCHEDULES
from labkit.train import convert, fit, gradual_pruning, masked, qat, quantized
from labkit.train.batches import Batches
from labkit.train.folded import to_keras
from labkit.train.pace import Budget, steps_within
from labkit.train.recipes import Recipe
from labkit.zoo import datasets

EVERY = 5
# Batch normalization's running averages forget in 10 batches what compression shifted,
# instead of Keras' 100: that is about as long as the whole training.
MOMENTUM = 0.9
# A short training cannot recover from large steps (chosen on validation images).
LEARNING_RATES = {"mlp": 3e-4, "lenet5": 3e-4, "resnet8": 0.01, "resnet20": 0.003}
# Fewer weights are further from a minimum.
PRUNED_LEARNING_RATES = {"mlp": 2e-3, "lenet5": 1e-3, "resnet8": 0.02, "resnet20": 0.01}
PRUNINGS = 50

Report = Callable[[int, int, float], object]


def train(
    name: str, setting: qat.Setting, budget: Budget, seed: int, report: Report
) -> bytes:
    """The packed file of `name` after quantization-aware training.

    It begins at the scales of rounding alone, so that what it gains is the training's.
    report(step, steps, loss): called every few steps with the steps done, all that
    there will be, and the mean loss of the latest ones.
    """
    recipe = _short(qat.RECIPES[name], LEARNING_RATES[name])
    keras.utils.set_random_seed(seed)
    model = qat.start(name, setting, recipe, as_rounded=True)
    run(model, recipe, budget, seed, report)
    return quantized.as_file(name, model)[1]


def fine_tune(
    name: str,
    masks: Mapping[str, np.ndarray],
    budget: Budget,
    seed: int,
    report: Report,
) -> bytes:
    """The packed file of `name` after a training with some masks kept.

    masks: layer name -> bool array in the file's layout, True = kept, see `_masks`.
    """
    recipe, model = _begin_pruning(name, seed)
    masked.prune(model, {layer: to_keras(kept) for layer, kept in masks.items()})
    run(model, recipe, budget, seed, report)
    return _pruned_file(name, model)


def prune(
    name: str,
    sparsity: float,
    schedule: str,
    scope: str,
    budget: Budget,
    seed: int,
    report: Report,
) -> bytes:
    """The packed file of `name`, pruned by magnitude within half of the steps."""
    recipe, model = _begin_pruning(name, seed)
    how = gradual_pruning.PruningRecipe(
        recipe, schedule, PRUNINGS, until=0.5, scope=scope
    )

    def pruned_before(steps: int) -> Callable[[int], None]:
        pruner = gradual_pruning.Pruner(how, sparsity, steps)
        pruner.set_model(model)
        return pruner.before_step

    run(model, recipe, budget, seed, report, pruned_before)
    return _pruned_file(name, model)


def run(
    model: keras.Model,
    recipe: Recipe,
    budget: Budget,
    seed: int,
    report: Report,
    hook: Callable[[int], Callable[[int], object]] = lambda steps: lambda step: None,
) -> None:
    """Train the model, one batch a step, under the recipe's whole schedule.

    hook: how many steps there will be -> what is called before each with its number,
    and once more after the last.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    # A rate that is set before each step: its schedule needs the number of steps, which
    # is known once the compiled step was timed.
    fit.compile_with(fit.optimizer(recipe, recipe.learning_rate), model)
    split = datasets.load_images(recipe.dataset).train

    def batches():
        return _batches(split, recipe, model.input_shape[1:], seed)

    steps = _steps(model, batches(), budget)
    rate, before_step = fit.schedule(recipe, steps), hook(steps)
    losses = []
    for step, batch in enumerate(islice(batches(), steps)):
        before_step(step)
        model.optimizer.learning_rate = float(rate(step))
        losses.append(_step(model, batch))
        if (step + 1) % EVERY == 0 or step + 1 == steps:
            report(step + 1, steps, sum(losses) / len(losses))
            losses.clear()
    before_step(steps)


def _steps(model: keras.Model, batches: Iterator, budget: Budget) -> int:
    """How many steps there will be; the model is left as it was."""
    model.optimizer.build(model.trainable_variables)
    state = [*model.variables, *model.optimizer.variables]
    before = [variable.numpy() for variable in state]
    steps = steps_within(budget, lambda: _step(model, next(batches)))
    for variable, value in zip(state, before, strict=True):
        variable.assign(value)
    return steps


def _step(model: keras.Model, batch: tuple[np.ndarray, np.ndarray]) -> float:
    """One step of the optimizer; the batch's loss."""
    loss = float(model.train_on_batch(*batch)[0])
    model.reset_metrics()
    return loss


def _short(recipe: Recipe, learning_rate: float) -> Recipe:
    """A recipe for a training of one short epoch."""
    return replace(
        recipe,
        epochs=1,
        warmup_epochs=0.1,
        dropout=0.0,
        learning_rate=learning_rate,
        mixed_precision=False,
    )


def _begin_pruning(name: str, seed: int) -> tuple[Recipe, keras.Model]:
    recipe = _short(gradual_pruning.RECIPES[name].training, PRUNED_LEARNING_RATES[name])
    keras.utils.set_random_seed(seed)
    model = gradual_pruning.start(name, recipe)
    masked.keep_zeros(model)
    return recipe, model


def _pruned_file(name: str, model: keras.Model) -> bytes:
    network = Network.from_bytes(convert.to_tflite(fit.in_float32(name, model)))
    return pack_zeros(network).packed


def _batches(split, recipe, input_shape, seed: int):
    """Batches without end, epoch after epoch."""
    for epoch in count():
        epoch_batches = Batches(split, recipe, input_shape, seed, epoch)
        yield from (epoch_batches[k] for k in range(len(epoch_batches)))


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("name", choices=zoo.NAMES)
    common.add_argument("--steps", type=int, required=True)
    common.add_argument("--seconds", type=float)
    common.add_argument("--seed", type=int, default=0)
    common.add_argument("--out", type=Path, required=True)
    parser = argparse.ArgumentParser("python -m labkit.train.live_training")
    commands = parser.add_subparsers(dest="command", required=True)
    rounded = commands.add_parser("qat", parents=[common])
    rounded.add_argument("setting", type=qat.Setting.named)
    with_masks = commands.add_parser("masked", parents=[common])
    with_masks.add_argument("--masks", type=Path, required=True)
    gradually = commands.add_parser("prune", parents=[common])
    gradually.add_argument("sparsity", type=float)
    gradually.add_argument("--schedule", choices=SCHEDULES, default="cubic")
    gradually.add_argument("--scope", choices=SCOPES, default="global")
    return parser


def _masks(name: str, path: Path) -> dict[str, np.ndarray]:
    """The masks in an .npz file; FileError unless they fit the network's kernels."""
    remedy = "save one with `numpy.savez_compressed(path, **masks)`"
    masks, kernels = read_arrays(path, remedy), zoo.load(name).kernels
    try:
        for layer, kept in masks.items():
            check_mask(layer, kept, kernels)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error
    return masks


def main() -> None:
    chosen = _parser().parse_args()
    with in_one_sentence("stopped, and nothing is kept", (FileError, NetworkError)):
        _train(chosen)


def _train(chosen: argparse.Namespace) -> None:
    """What the command line asks for, to its file."""

    def report(step: int, steps: int, loss: float) -> None:
        line = {"step": step, "steps": steps, "loss": loss}
        print(json.dumps(line), flush=True)

    how = Budget(chosen.steps, chosen.seconds), chosen.seed, report
    if chosen.command == "qat":
        packed = train(chosen.name, chosen.setting, *how)
    elif chosen.command == "masked":
        packed = fine_tune(chosen.name, _masks(chosen.name, chosen.masks), *how)
    else:
        packed = prune(
            chosen.name, chosen.sparsity, chosen.schedule, chosen.scope, *how
        )
    write_bytes(chosen.out, packed)


if __name__ == "__main__":
    main()
