"""Kernels with weights that stay zero, whatever the optimizer does.

Momentum and weight decay move a weight whose gradient is zero, so masking gradients is
not enough. Keras applies a variable's constraint after every step of the optimizer,
decay included: the constraint here writes the zeros again. A weight that was zeroed is
never revived; so the zeros of a kernel are its mask, and a checkpoint needs no other.
"""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf


class Masked:
    """A constraint on one kernel: what `kept` does not keep is 0.

    kept: a bool tf.Variable in the kernel's shape, True = kept, so that a compiled
    training step sees it change.
    """

    def __init__(self, kernel: keras.Variable):
        self.kept = tf.Variable(np.asarray(kernel) != 0, trainable=False)

    def __call__(self, kernel):
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
    """From now on what is zero in a kernel stays zero."""
    for kernel in kernels(model).values():
        kernel.constraint = Masked(kernel)


def prune(model: keras.Model, masks: Mapping[str, np.ndarray]) -> None:
    """Set to zero, for good, what the masks do not keep. Earlier zeros stay.

    masks: layer name -> bool array, in Keras' layout, as `kernels` names them. The
    model has gone through `keep_zeros`.
    """
    found = kernels(model)
    for name, kept in masks.items():
        constraint = found[name].constraint
        constraint.kept.assign(constraint.kept & kept)
        found[name].assign(constraint(found[name].value))


def kept(model: keras.Model) -> dict[str, int]:
    """Layer name -> how many weights of its kernel are not zero."""
    return {
        name: int(np.count_nonzero(kernel)) for name, kernel in kernels(model).items()
    }
