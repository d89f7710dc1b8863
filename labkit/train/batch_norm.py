"""Batch normalization: through TensorFlow's fused kernel, and its averages anew.

Keras 3 spells batch normalization out in elementwise operations, which on a CPU takes
longer than the convolutions of a ResNet-20. The fused kernel computes the same thing
in one pass (bench: `make bench` prints both). Networks are only trained with it;
the saved file has Keras' own layer with the same weights.
"""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("labkit")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras' BatchNormalization over the last axis of NHWC, computed by one kernel."""

    def call(self, inputs, training=None, mask=None):
        if not training:
            return super().call(inputs, training=False, mask=mask)
        outputs, mean, variance, *_ = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        for moving, batch in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs


def reestimate(model: keras.Model, inputs: Iterable[np.ndarray]) -> None:
    """Set every moving mean and variance to their plain averages over some batches.

    inputs: batches like those of the training, moved and mirrored as there. While a
    network with few bits trains, weights jump between two codes and the moving averages
    describe a network between the two (Nagel et al. 2022, arXiv:2203.11086).
    """
    layers = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [layer.momentum for layer in layers]
    for k, batch in enumerate(inputs if layers else ()):
        for layer in layers:
            layer.momentum = k / (k + 1)
        model(batch, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
