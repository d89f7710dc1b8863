"""Pruning by magnitude while a trained network is trained further, masks kept.

Before some of its steps the weights of least magnitude are set to zero, as many as the
schedule says; they stay zero. `python -m labkit prune NAME SPARSITY`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from labkit import zoo
from labkit.prune.masking import masks
from labkit.prune.schedules import SCHEDULES
from labkit.train import fit, masked
from labkit.train.recipes import Recipe
from labkit.zoo import datasets


@dataclass(frozen=True)
class PruningRecipe:
    """A masked training: how the weights are trained, and when they are removed.

    schedule: a name of `labkit.prune.SCHEDULES`. prunings: in how many steps
    the sparsity rises. until: the fraction of the training after which it stands.
    scope: "global" ranks all kernels together, "layer" each kernel on its own.
    """

    training: Recipe
    schedule: str = "cubic"
    prunings: int = 100
    until: float = 0.5
    scope: str = "global"


_MNIST = Recipe(
    "mnist",
    epochs=60,
    optimizer="adam",
    learning_rate=1e-3,
    weight_decay=1e-4,
    shift=1,
    dropout=0.1,
)
_CIFAR10 = Recipe(
    "cifar10",
    epochs=20,
    optimizer="sgd",
    learning_rate=0.02,
    weight_decay=5e-4,
    shift=4,
    mirror=True,
    mixed_precision=True,
)
RECIPES = {
    "mlp": PruningRecipe(_MNIST),
    "lenet5": PruningRecipe(replace(_MNIST, epochs=30)),
    "resnet8": PruningRecipe(_CIFAR10),
    "resnet20": PruningRecipe(_CIFAR10),
}
# Beyond this sparsity few weights are left. They remember less (so no dropout: Han et
# al. 2015, arXiv:1506.02626, sec. 3.2, lower it) and have further to go. Without moved
# images they still remember: mlp at 98.4 % then had a validation loss of 0.077 in place
# of 0.062.
FEW_LEFT = 0.95
FEW_LEFT_RATES = {"mlp": 3e-3, "lenet5": 2e-3}


def recipe_for(name: str, sparsity: float) -> PruningRecipe:
    """How `name` is pruned to a sparsity."""
    recipe = RECIPES[name]
    if name not in FEW_LEFT_RATES or sparsity < FEW_LEFT:
        return recipe
    training = replace(recipe.training, dropout=0.0, learning_rate=FEW_LEFT_RATES[name])
    return replace(recipe, training=training, until=0.6)


class Pruner(keras.callbacks.Callback):
    """Prunes by magnitude before each step at which the schedule rises.

    sparsity: of all kernels together, or with the scope "layer" also a mapping, layer
    name -> its own. steps: of the whole training. The model that it is set to has gone
    through `masked.keep_zeros`.
    """

    def __init__(
        self,
        recipe: PruningRecipe,
        sparsity: float | Mapping[str, float],
        steps: int,
    ):
        super().__init__()
        self.recipe, self.final = recipe, sparsity
        self.rising = max(1, round(recipe.until * steps))
        self.reached = None

    def sparsity_at(self, step: int) -> float | dict[str, float]:
        """What is pruned when `step` begins."""

        def now(final: float) -> float:
            schedule = SCHEDULES[self.recipe.schedule]
            return schedule(step, self.rising, final, self.recipe.prunings)

        if isinstance(self.final, Mapping):
            return {name: now(final) for name, final in self.final.items()}
        return now(self.final)

    def before_step(self, step: int) -> None:
        """Prune the model if more is to be pruned at this step than was before."""
        sparsity = self.sparsity_at(step)
        if sparsity != self.reached:
            scores = masked.magnitudes(self.model)
            masked.prune(self.model, masks(scores, sparsity, self.recipe.scope))
            self.reached = sparsity

    def on_train_batch_begin(self, batch, logs=None):
        self.before_step(int(self.model.optimizer.iterations))


def start(name: str, recipe: Recipe) -> keras.Model:
    """The trained network `name` in the form that is trained, nothing pruned yet."""
    return fit.with_weights_of(zoo.keras_model(name), fit.build(name, recipe))


def run(
    name: str, sparsity: float, folder: Path, seed: int
) -> tuple[keras.Model, dict]:
    """Prune `name` while it trains to the last epoch, from where `folder` stops.

    Returns the pruned network, as Keras' own float32 layers, and the log, as `fit.run`
    does.
    """
    recipe = recipe_for(name, sparsity)
    dataset = datasets.load_images(recipe.training.dataset, full=True)
    log = {"name": name, "sparsity": sparsity, "seed": seed, "epochs": []}
    with fit.precision(recipe.training):
        keras.utils.set_random_seed(seed)
        model = start(name, recipe.training)
        log = resume(model, log, recipe, dataset, folder)
    return fit.in_float32(name, model), log


def resume(
    model: keras.Model,
    log: dict,
    recipe: PruningRecipe,
    dataset: datasets.Dataset,
    folder: Path,
) -> dict:
    """As `fit.resume`, with pruning up to the log's "sparsity"."""
    training = recipe.training
    log = fit.restore(model, log, training, dataset, folder)
    masked.keep_zeros(model)
    steps = training.epochs * fit.steps_per_epoch(training, dataset)
    pruner = Pruner(recipe, log["sparsity"], steps)
    fit.train(model, log, training, dataset, folder, [pruner])
    return log
