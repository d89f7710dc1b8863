"""Every function that takes images takes the same ones, and refuses the same ones."""

from functools import cache

import numpy as np
import pytest
from float_graphs import dense_file
from long import quick

from labkit import zoo
from labkit.compress import deploy
from labkit.compress.activations import calibrate
from labkit.compress.layer_inputs import input_norms, layer_hessian
from labkit.compress.repair.statistics import channel_statistics
from labkit.compress.responses import answers, observe
from labkit.compress.units import mean_activations
from labkit.integer.network import IntegerNetwork
from labkit.model.graph import NetworkError
from labkit.model.inputs import as_inputs
from labkit.model.network import Network
from labkit.model.runtime import Runner

COUNT = 12


def network() -> Network:
    return zoo.load("mlp")


def images() -> np.ndarray:
    return zoo.dataset("mlp").calibration.images[:COUNT]


def static(x, algorithm="min_max") -> bytes:
    made = deploy.deployable(
        network(), 8, "static", images=x, count=COUNT, algorithm=algorithm
    )
    return np.frombuffer(made.to_bytes(), np.uint8)


@cache
def integer() -> IntegerNetwork:
    return IntegerNetwork.from_bytes(static(images()).tobytes())


def dense_logits(x) -> np.ndarray:
    fast = pytest.importorskip("labkit.train.fast")
    kernels = [kernel.T for kernel in network().kernels.values()]
    biases = [array for name, array in network().weights.items() if "bias" in name]
    return fast.Dense(tuple(kernels), tuple(biases)).logits(x)


# What each function makes of images, as one array.
USES = {
    "as_inputs": lambda x: network().as_inputs(x),
    "predict": lambda x: network().predict(x),
    "activations of the first layer": lambda x: network().activations(x, "fc1"),
    "activations": lambda x: network().activations(x, "fc2"),
    "inner_activations": lambda x: network().inner_activations(x, ["fc2"])["fc2"],
    "outputs": lambda x: network().outputs(x, ["fc1"])["fc1"],
    "calibrate": lambda x: [
        (grid.lo, grid.hi) for grid in calibrate(network(), x, 8).values()
    ],
    "observe inputs": lambda x: observe(network(), x, "inputs").moments["fc1"].mean,
    "observe responses": lambda x: observe(network(), x).moments["fc1"].mean,
    "answers": lambda x: answers(network(), x, "fc1"),
    "input_norms": lambda x: input_norms(network(), x)["fc1"],
    "layer_hessian": lambda x: layer_hessian(network(), x, "fc2"),
    "channel_statistics": lambda x: channel_statistics(network(), x, "fc1").mean,
    "mean_activations": lambda x: mean_activations(network(), x)["fc1"],
    "deployable static": static,
    "deployable gptq": lambda x: static(x, "gptq"),
    "IntegerNetwork.predict": lambda x: integer().predict(x),
    "IntegerNetwork.run": lambda x: integer().run(x)["fc1"],
    "fast.Dense": dense_logits,
}


# `ai_edge_quantizer` reads the images for both recipes in the same way.
QUICK = [use for name, use in USES.items() if name != "deployable gptq"]


def every_use(test):
    return pytest.mark.parametrize("use", quick(USES.values(), *QUICK), ids=USES)(test)


@every_use
def test_pixels_and_the_floats_that_they_become_give_the_same(use):
    pixels = images()
    expected = np.asarray(use(pixels), np.float64)
    assert np.abs(expected).max() > 0
    floats = pixels / np.float32(255)
    for same in (floats, floats.astype(np.float64), floats.reshape(COUNT, 784)):
        np.testing.assert_array_equal(np.asarray(use(same)), expected)


def with_one(value) -> np.ndarray:
    x = images() / 255
    x[COUNT - 1, 14, 14] = value
    return x


REFUSED = {
    "NaN": (lambda: with_one(np.nan), "images contain NaN or infinity"),
    "infinity": (lambda: with_one(-np.inf), "images contain NaN or infinity"),
    "beyond float32": (lambda: with_one(1e39), "NaN or infinity in float32"),
    "int64": (lambda: images().astype(np.int64), "images are int64: give uint8"),
    "int16": (lambda: images().astype(np.int16), "images are int16: give uint8"),
    "bool": (lambda: images() > 127, "images are bool: give uint8"),
    "complex": (lambda: images() * 1j, "images are complex128: give uint8"),
    "another size": (lambda: images()[:, :27], r"shape .*12, 27, 28"),
    "one image": (lambda: images()[0], r"shape .*28, 28"),
}


@every_use
@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_right_is_refused(use, make, words):
    with pytest.raises((ValueError, NetworkError), match=words) as caught:
        use(make())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_as_inputs_is_float32_of_the_shape_asked_for(dtype):
    found = as_inputs(np.ones((3, 4), dtype), (2, 2))
    assert found.dtype == np.float32 and found.shape == (3, 2, 2)
    assert as_inputs(np.empty((0, 4), dtype), (2, 2)).shape == (0, 2, 2)


def test_lists_are_taken():
    rows = images().tolist()
    with pytest.raises(ValueError, match="images are int64"):
        network().predict(rows)
    floats = (images() / 255).tolist()
    np.testing.assert_array_equal(
        network().predict(floats), network().predict(np.array(floats))
    )


def test_a_network_of_numbers_that_are_no_pixels_can_be_calibrated():
    """Thirty standardized features, as a table's columns are: about -4 to 4."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 2000)
    apart = rng.normal(size=30) * 0.5
    x = rng.normal(size=(2000, 30)) + (labels[:, None] - 0.5) * apart
    # The distance along `apart` in both directions, behind a ReLU each.
    layers = [
        (np.stack([apart, -apart]), np.zeros(2)),
        (np.array([[-1.0, 1.0], [1.0, -1.0]]), np.zeros(2)),
    ]
    network = Network.from_bytes(dense_file(layers))
    made = deploy.deployable(network, 8, "static", images=x, count=50)
    rounded = Runner(made.to_bytes(), len(x)).run(x).argmax(axis=1)
    exact = network.predict(x).argmax(axis=1)
    np.testing.assert_array_equal(exact, x @ apart > 0)
    assert np.mean(exact == labels) > 0.9
    assert abs(np.mean(rounded == labels) - np.mean(exact == labels)) < 0.01
