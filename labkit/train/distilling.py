"""Distillation with `keras.distillation.Distiller`: soft targets, and features.

What Keras 3.15 computes, and what it does not:

* `LogitsDistillation(T, keras.losses.KLDivergence())` is T^2 KL(teacher || student),
  the mean over the batch: `labkit.distill.soft_loss`, but for probabilities below 1e-7,
  which it takes for 1e-7; where the student's is, its gradient is 0.
* `LogitsDistillation(T)`, without a loss, is none of it. Its default "kl_divergence" is
  looked up as a function, which is no `KLDivergence`, so neither softmax nor T^2 is
  applied: it compares the logits themselves, clipped to [1e-7, 1].
* `loss="sparse_categorical_crossentropy"` expects probabilities; these networks give
  logits, which is what `LogitsDistillation` expects.
* student_loss_weight is 1 - alpha. The teacher given is frozen (`trainable = False`),
  runs without dropout, and sees the same augmented batch.
"""

from dataclasses import replace
from pathlib import Path

import keras
from keras.distillation import (
    DistillationLoss,
    Distiller,
    FeatureDistillation,
    LogitsDistillation,
)

from labkit import zoo
from labkit.train import fit
from labkit.train.recipes import RECIPES, RESNET, Recipe
from labkit.zoo import datasets

TEMPERATURE, ALPHA = 4.0, 0.9
# The ResNets get 8 epochs, not the 80 or more of those that the lab carries, so that a
# student and its teacher take some minutes: the same for a student alone.
STUDENT_RECIPES = {
    "mlp": replace(RECIPES["mlp"], dropout=0.0),
    "lenet5": replace(RECIPES["lenet5"], dropout=0.0),
    "resnet8": replace(RESNET, epochs=8),
    "resnet20": replace(RESNET, epochs=8),
}


class Teaching(Distiller):
    """A Distiller that `labkit.train.fit` can train like any network."""

    def __init__(self, *parts, **settings):
        super().__init__(*parts, **settings)
        self.built = True  # as its parts are: so a checkpoint can be read at once

    @property
    def input_shape(self) -> tuple:
        """The student's."""
        return self.student.input_shape


def soft_targets(
    teacher: keras.Model, student: keras.Model, temperature: float, alpha: float
) -> Teaching:
    """A model that trains `student` on alpha * soft loss + (1 - alpha) * hard loss.

    teacher, student: pixels in, logits out. Compile it with a loss on logits, as
    `fit.compile_by` does; afterwards the student has the trained weights.
    """
    return Teaching(
        teacher, student, softened(temperature), student_loss_weight=1.0 - alpha
    )


def softened(temperature: float, loss=None) -> DistillationLoss:
    """T^2 KL(teacher || student); loss: in the structure of the outputs, if several."""
    loss = keras.losses.KLDivergence() if loss is None else loss
    return LogitsDistillation(temperature, loss)


def hints(
    teacher: keras.Model,
    student: keras.Model,
    layers: tuple[str, str],
    temperature: float,
    alpha: float,
    weight: float,
) -> Teaching:
    """As `soft_targets`, and the student's features are to predict the teacher's.

    layers: the teacher's layer and the student's that are read; in convolutions of
    equal height and width. A learned projection, dense over the channels, takes the
    student's features to as many as the teacher's, and is thrown away in the end:
    FitNets, Romero et al. 2015, arXiv:1412.6550. weight: of the mean squared difference
    beside the soft loss. Compile it with `compile_hints`, and give it the labels twice,
    (labels, labels): it has two outputs.
    """
    its, mine = (
        network.get_layer(layer).output
        for network, layer in zip((teacher, student), layers, strict=True)
    )
    projected = keras.layers.Dense(its.shape[-1], name="projection")(mine)
    kl = keras.losses.KLDivergence()
    return Teaching(
        keras.Model(teacher.input, (teacher.output, its), name="teacher"),
        keras.Model(student.input, (student.output, projected), name="student"),
        [softened(temperature, (kl, None)), FeatureDistillation((None, "mse"))],
        [1.0, weight],
        student_loss_weight=1.0 - alpha,
    )


def compile_hints(model: Teaching, optimizer: keras.optimizers.Optimizer) -> None:
    """Compile what `hints` made: labels judge the first output, nothing the second."""
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, (hard, _nothing))


def _nothing(_labels, features):
    return 0.0 * keras.ops.sum(features)


def student_recipe(name: str, epochs: int | None = None) -> Recipe:
    """How a student is trained; epochs: another number than its recipe's."""
    recipe = STUDENT_RECIPES[name]
    return recipe if epochs is None else replace(recipe, epochs=epochs)


def run(
    name: str,
    teacher: str,
    alpha: float,
    folder: Path,
    seed: int,
    epochs: int | None = None,
) -> tuple[keras.Model, dict]:
    """Train an untrained `name` on `teacher`'s soft targets, as `fit.run` does.

    alpha: 0 trains it alone, on the same batches from the same first weights.
    epochs: as in `student_recipe`. Goes on where `folder` stops. Raises ValueError for
    a teacher of other inputs.
    """
    zoo.check_teacher(teacher, name)
    recipe = student_recipe(name, epochs)
    dataset = datasets.load_images(recipe.dataset, full=True)
    log = {
        "name": name,
        "seed": seed,
        "teacher": teacher,
        "teacher_sha256": zoo.record(teacher)["sha256"],
        "temperature": TEMPERATURE,
        "alpha": alpha,
        "epochs": [],
    }
    with fit.precision(recipe):
        its = RECIPES[teacher]
        knows = fit.with_weights_of(zoo.keras_model(teacher), fit.build(teacher, its))
        keras.utils.set_random_seed(seed)
        student = fit.build(name, recipe)
        model = soft_targets(knows, student, TEMPERATURE, alpha)
        log = fit.resume(model, log, recipe, dataset, folder)
    return fit.in_float32(name, student), log
