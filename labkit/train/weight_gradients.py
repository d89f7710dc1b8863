"""Gradients by the weights of a model file, image by image:
`labkit.prune.gradients`."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from labkit.common.split import Split
from labkit.model.inputs import as_inputs
from labkit.model.network import Network
from labkit.prune.gradients import Gradients
from labkit.train.folded import model_of, to_file

IMAGES = 1000  # to a call of the compiled loop


def gradients(name: str, network: Network, split: Split) -> Gradients:
    """The gradients of the cross-entropy of the split's images, one image at a time.

    name: the zoo's architecture that `network` is a file of. No dropout, batch
    normalization as folded in the file.
    """
    model = model_of(name, network)
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    sums = [_Sums(layer) for layer in layers]
    add = _adding(model, sums)
    for inputs, labels in _parts(split, model.input_shape[1:]):
        add(inputs, labels)
    n = len(split)
    names = [layer.name for layer in layers]
    return Gradients(
        *(
            {
                layer: to_file(getattr(total, kind).numpy() / n)
                for layer, total in zip(names, sums, strict=True)
            }
            for kind in ("gradient", "squared", "units")
        ),
        network.digest,
        n,
    )


class _Sums:
    """What is added up over the images for one layer."""

    def __init__(self, layer: keras.layers.Layer):
        self.kernel, self.bias = layer.kernel, layer.bias
        self.gradient, self.squared = (
            tf.Variable(tf.zeros(layer.kernel.shape)) for _ in range(2)
        )
        self.units = tf.Variable(tf.zeros(layer.bias.shape))

    def add(self, by_kernel: tf.Tensor, by_bias: tf.Tensor) -> None:
        self.gradient.assign_add(by_kernel)
        self.squared.assign_add(tf.square(by_kernel))
        all_but_units = list(range(len(by_kernel.shape) - 1))
        product = tf.reduce_sum(self.kernel.value * by_kernel, all_but_units)
        self.units.assign_add(tf.abs(product + self.bias.value * by_bias))


def _adding(model: keras.Model, sums: list[_Sums]):
    """A compiled function that adds the gradients of some images to the sums."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    kernels = [total.kernel.value for total in sums]
    biases = [total.bias.value for total in sums]

    @tf.function(reduce_retracing=True)
    def add(inputs, labels):
        for k in tf.range(tf.shape(inputs)[0]):
            image, label = inputs[k : k + 1], labels[k : k + 1]
            with tf.GradientTape() as tape:
                value = loss(label, model(image, training=False))
            by_kernels, by_biases = tape.gradient(value, (kernels, biases))
            for position, total in enumerate(sums):
                total.add(by_kernels[position], by_biases[position])

    return add


def _parts(split: Split, shape) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(split), IMAGES):
        part = slice(start, start + IMAGES)
        yield as_inputs(split.images[part], shape), split.labels[part].astype(np.int32)
