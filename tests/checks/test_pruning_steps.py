"""The right answers of notebooks 03b and 03c are what Keras and the model file do."""

import numpy as np
import pytest

from labkit import zoo
from labkit.checks import check_masked_step, check_removed_units


def test_the_right_step_is_that_of_keras():
    """With the mask applied after the step, through momentum and weight decay."""
    keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
    rng = np.random.default_rng(0)
    w, gradients = rng.normal(size=6), rng.normal(size=(4, 6)).astype(np.float32)
    mask = np.array([1, 0, 1, 1, 0, 1], bool)
    w = (w * mask).astype(np.float32)
    variable, velocity, mine = keras.Variable(w), np.zeros(6), w
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    for gradient in gradients:
        decayed = gradient + 0.01 * variable.numpy()
        optimizer.apply([keras.ops.convert_to_tensor(decayed)], [variable])
        variable.assign(variable.numpy() * mask)
        mine, velocity = check_masked_step.reference(
            mine, mask, velocity, gradient, 0.1, 0.9, 0.01
        )
        np.testing.assert_allclose(mine, variable.numpy(), rtol=1e-5, atol=1e-6)


def test_the_right_removal_is_that_of_the_model_file():
    network, gone = zoo.load("mlp"), [3, 41, 299]
    names = ("fc1/kernel", "fc1/bias", "fc2/kernel")
    arrays = (network.weights[name] for name in names)
    right = check_removed_units.reference(*arrays, gone)
    smaller = network.remove_units("fc1", gone)
    for name, array in zip(names, right, strict=True):
        np.testing.assert_array_equal(smaller.weights[name], array)
