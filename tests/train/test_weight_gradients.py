"""Gradients by the weights of a file: against hand-written ones, and against losses."""

import io

import numpy as np
import pytest

from labkit import zoo
from labkit.model.graph import NetworkError
from labkit.prune.gradients import Gradients

N = 40


def probabilities(logits):
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def loss(network, split):
    """Mean cross-entropy, float64."""
    p = probabilities(network.predict(split.images).astype(np.float64))
    return -np.log(p[np.arange(len(split)), split.labels]).mean()


@pytest.fixture(scope="module")
def found():
    """Name -> the gradients of N validation images, computed once."""
    pytest.importorskip("keras", reason="the extra `train` is not installed")
    from labkit.train.weight_gradients import gradients

    def of(name):
        split = zoo.dataset(name).validation.take(N)
        return gradients(name, zoo.load(name), split), split

    return {name: of(name) for name in ("mlp", "resnet8")}


def test_the_last_layer_by_hand(found):
    """Of one image dL/dW = (p - y) x^T and dL/db = p - y, with p the softmax."""
    gradients, split = found["mlp"]
    network = zoo.load("mlp")
    x = network.activations(split.images, "fc3")
    logits = network.predict(split.images)
    delta = probabilities(logits) - np.eye(10)[split.labels]
    for kind, expected in {
        "mean": delta.T @ x / N,
        "squared": (delta**2).T @ (x**2) / N,
        "units": np.abs(delta * logits).mean(axis=0),
    }.items():
        off = np.abs(getattr(gradients, kind)["fc3"] - expected).max()
        assert off <= 1e-4 * np.abs(expected).max(), kind
    assert gradients.images == N and gradients.network_digest == network.digest


@pytest.mark.parametrize(
    ("name", "layer"), [("mlp", "fc1"), ("resnet8", "stage2_block1_conv1")]
)
def test_the_mean_gradient_is_how_the_loss_changes(found, name, layer):
    """Along the gradient itself, in the file's own weights: batch norm is folded."""
    gradients, split = found[name]
    network, direction = zoo.load(name), gradients.mean[layer]
    slope = np.sqrt(np.sum(np.square(direction, dtype=np.float64)))
    kernel, step = network.kernels[layer], 2e-3 / slope

    def moved(by):
        changed = kernel + by * step * direction
        return loss(network.with_weights({f"{layer}/kernel": changed}), split)

    difference = (moved(1) - moved(-1)) / (2 * step)
    assert difference == pytest.approx(slope**2, rel=0.05)


def test_squares_are_those_of_single_images(found):
    gradients, _ = found["resnet8"]
    for layer, mean in gradients.mean.items():
        assert (gradients.squared[layer] >= mean**2 * 0.999).all()
        assert gradients.squared[layer].mean() > 2 * np.square(mean).mean()
        assert gradients.units[layer].shape == (len(mean),)


@pytest.mark.parametrize("name", ["lenet5", "resnet20"])
def test_the_keras_model_of_a_file_has_its_logits(name):
    pytest.importorskip("keras", reason="the extra `train` is not installed")
    from labkit.model.inputs import as_inputs
    from labkit.train.folded import model_of

    network, images = zoo.load(name), zoo.dataset(name).validation.images[:50]
    expected = network.predict(images)
    model = model_of(name, network)
    logits = model.predict(as_inputs(images, network.input_shape), verbose=0)
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()
    with pytest.raises(ValueError, match="the file has the layers"):
        model_of("mlp", network)


def kept(gradients):
    """What a file of them holds."""
    with np.load(io.BytesIO(gradients.to_bytes())) as file:
        return Gradients.from_arrays(dict(file))


def test_a_file_keeps_them_to_the_precision_of_float16():
    rng = np.random.default_rng(0)
    spread = 10.0 ** rng.uniform(-9, -3, (20, 30))
    mean = {"fc1": (spread * rng.choice([-1, 1], spread.shape)).astype(np.float32)}
    squared = {"fc1": np.square(spread).astype(np.float32)}
    units = {"fc1": rng.random(20, np.float32)}
    given = Gradients(mean, squared, units, "abc", 5000)
    again = kept(given)
    np.testing.assert_allclose(again.mean["fc1"], mean["fc1"], rtol=1e-3, atol=1e-10)
    root = np.sqrt(again.squared["fc1"])
    np.testing.assert_allclose(root, spread, rtol=1e-3, atol=1e-10)
    np.testing.assert_array_equal(again.units["fc1"], units["fc1"])
    assert (again.network_digest, again.images) == ("abc", 5000)
    assert given.to_bytes() == again.to_bytes()
    nothing = {"fc1": np.zeros((2, 2), np.float32)}
    empty = Gradients(nothing, nothing, {"fc1": np.zeros(2, np.float32)}, "", 1)
    assert not kept(empty).mean["fc1"].any()


@pytest.mark.parametrize("name", zoo.NAMES)
def test_the_committed_gradients_are_of_the_networks(name):
    network, gradients = zoo.load(name), zoo.gradients(name)
    assert gradients.network_digest == network.digest and gradients.images == 5000
    for layer, kernel in network.kernels.items():
        assert gradients.mean[layer].shape == kernel.shape
        assert gradients.squared[layer].max() > 0


def test_gradients_of_another_network_are_refused(monkeypatch):
    monkeypatch.setattr(
        "labkit.zoo.networks.record", lambda name: {"sha256": "another"}
    )
    with pytest.raises(NetworkError, match="python -m labkit gradients mlp"):
        zoo.gradients("mlp")
