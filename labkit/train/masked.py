"""Kernels with weights that stay zero, whatever the optimizer does.

Momentum and weight decay move a weight whose gradient is zero, so masking gradients is
not enough. Keras applies a variable's constraint after every step of the optimizer,
decay included: the constraint here writes the zeros again. A weight that was zeroed is
never revived; so the zeros of a kernel are its mask, and a checkpoint needs no other.
Averages of weights over the steps (`use_ema`) are written past the constraints, so a
model with masks is not trained with them.
"""

from collections.abc import Mapping
from weakref import ref

import keras
import numpy as np
import tensorflow as tf


class Masked:
    """A constraint on one kernel: what `kept` does not keep is 0.

    kept: a bool tf.Variable in the kernel's shape, True = kept, so that a compiled
    training step sees it change. A constraint that the kernel has already is applied
    first.
    """

    def __init__(self, kernel: keras.Variable, model: keras.Model):
        before = kernel.constraint
        self.before = before.before if isinstance(before, Masked) else before
        self.kept = tf.Variable(np.asarray(kernel) != 0, trainable=False)
        self._model = ref(model)

    def __call__(self, kernel):
        _refuse_averages(self._model())
        if self.before is not None:
            kernel = self.before(kernel)
        return tf.where(self.kept, kernel, tf.zeros_like(kernel))


def kernels(model: keras.Model) -> dict[str, keras.Variable]:
    """Layer name -> its kernel: what is pruned. Biases and batch norm never are."""
    return {layer.name: layer.kernel for layer in model.layers if has_kernel(layer)}


def has_kernel(layer: keras.layers.Layer) -> bool:
    """Whether the layer is dense or a convolution."""
    return hasattr(layer, "kernel")


def magnitudes(model: keras.Model) -> dict[str, np.ndarray]:
    """Layer name -> |w|, float32 in Keras' layout (inputs first, outputs last)."""
    return {name: np.abs(np.asarray(kernel)) for name, kernel in kernels(model).items()}


def keep_zeros(model: keras.Model) -> None:
    """From now on what is zero in a kernel stays zero, trained before or not.

    Raises ValueError, here or before the first step, for an optimizer that averages
    weights.
    """
    _refuse_averages(model)
    for kernel in kernels(model).values():
        kernel.constraint = Masked(kernel, model)
    # A step that is compiled already knows nothing of the constraints: compile it anew.
    model.train_function = None


def prune(model: keras.Model, masks: Mapping[str, np.ndarray]) -> None:
    """Set to zero, for good, what the masks do not keep. Earlier zeros stay.

    masks: layer name -> bool array, in Keras' layout, as `kernels` names them. Raises
    ValueError for another name or shape, and for a model that has not gone through
    `keep_zeros`; then nothing is pruned.
    """
    found = kernels(model)
    for name, kept in masks.items():
        _check(found, name, kept)
    for name, kept in masks.items():
        constraint = found[name].constraint
        constraint.kept.assign(constraint.kept & kept)
        found[name].assign(constraint(found[name].value))


def _check(found: Mapping[str, keras.Variable], name: str, kept: np.ndarray) -> None:
    if name not in found:
        raise ValueError(
            f"there is no layer {name!r} with a kernel: choose from {', '.join(found)}"
        )
    if not isinstance(found[name].constraint, Masked):
        raise ValueError(
            f"nothing keeps the zeros of {name}: call keep_zeros(model) first"
        )
    shape, kept = tuple(found[name].shape), np.asarray(kept)
    if kept.shape != shape or kept.dtype != bool:
        raise ValueError(
            f"the mask of {name} is {kept.dtype} {kept.shape}: give bool {shape}"
        )


def _refuse_averages(model: keras.Model | None) -> None:
    optimizer = getattr(model, "optimizer", None)
    if getattr(getattr(optimizer, "inner_optimizer", optimizer), "use_ema", False):
        raise ValueError(
            "the optimizer averages the weights (use_ema), which brings zeros back: "
            "compile the model without use_ema"
        )


def kept(model: keras.Model) -> dict[str, int]:
    """Layer name -> how many weights of its kernel are not zero."""
    return {
        name: int(np.count_nonzero(kernel)) for name, kernel in kernels(model).items()
    }
