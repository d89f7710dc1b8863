"""Batch normalization through TensorFlow's fused kernel, for training speed.

Keras 3 spells batch normalization out in elementwise operations, which on a CPU takes
longer than the convolutions of a ResNet-20. The fused kernel computes the same thing
in one pass (bench: `make bench` prints both). Networks are only trained with it;
the saved file has Keras' own layer with the same weights.
"""

import keras
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
