"""The exercise on gradients of notebook 02b is what `labkit.train` computes."""

import numpy as np
import pytest
from answers.training import rounding_gradients


def test_the_right_gradients_are_those_that_train():
    """The notebook's exercise is what `labkit.train` computes, up to its factor."""
    tf = pytest.importorskip("tensorflow", reason="the extra `train` is not installed")
    from labkit.train.fake_quant import Codes, fake_quantize

    rng = np.random.default_rng(0)
    x, upstream = rng.normal(size=(2, 40)).astype(np.float32)
    codes = Codes(-3, 3)
    variables = tf.Variable(x), tf.Variable(0.3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(fake_quantize(*variables, codes, members=12) * upstream)
    to_x, to_scale = (g.numpy() for g in tape.gradient(loss, variables))
    right = rounding_gradients(x, np.float32(0.3), codes.low, codes.high, upstream)
    np.testing.assert_allclose(to_x, right[0])
    np.testing.assert_allclose(to_scale, right[1] / np.sqrt(12 * codes.high), rtol=1e-4)
