"""The criteria, and what layers multiply their weights with."""

import numpy as np
import pytest

from labkit import zoo
from labkit.compress.layer_inputs import input_norms, layer_hessian
from labkit.compress.responses import answers
from labkit.model.graph import NetworkError
from labkit.prune import scores
from labkit.prune.masking import mask, masks

LAYERS = [
    ("mlp", "fc1"),
    ("mlp", "fc3"),
    ("lenet5", "conv1"),
    ("lenet5", "conv2"),
    ("lenet5", "fc1"),
    ("resnet8", "conv1"),
    ("resnet8", "stage2_block1_conv1"),  # a stride of 2, padding on one side only
    ("resnet8", "stage3_block1_shortcut"),
    ("resnet20", "stage3_block2_conv2"),
    ("resnet20", "fc"),
]


def images(name, n=3):
    return zoo.dataset(name).calibration.images[:n]


def test_random_scores_differ_from_layer_to_layer_and_not_from_run_to_run():
    w = np.zeros((40, 50))
    rng, again = np.random.default_rng(3), np.random.default_rng(3)
    first, second = scores.random(w, rng), scores.random(w, rng)
    np.testing.assert_array_equal(first, scores.random(w, again))
    assert 0.4 < np.mean(mask(first, 0.5) == mask(second, 0.5)) < 0.6


def test_activation_aware_prefers_the_louder_input():
    w = np.array([[1.0, -1.0, 0.5], [3.0, 0.0, -1.0]])
    x = np.array([[0.0, 3.0, 1.0], [0.0, 4.0, 0.0]])
    found = scores.activation_aware(w, np.linalg.norm(x, axis=0))
    assert found.tolist() == [[0.0, 5.0, 0.5], [0.0, 0.0, 1.0]]
    # What a weight adds to the output alone is that large, over all images.
    for k in range(3):
        alone = np.linalg.norm(np.outer(x[:, k], w[:, k]), axis=0)
        np.testing.assert_allclose(found[:, k], alone)


def test_taylor_is_the_change_of_a_linear_loss_and_fisher_of_a_quadratic_one():
    rng = np.random.default_rng(0)
    w, g, curvature = rng.normal(size=(3, 4, 5))
    taylor, fisher = scores.taylor(w, g), scores.fisher(w, np.abs(curvature))
    for place in np.ndindex(w.shape):
        removed = w.copy()
        removed[place] = 0
        assert taylor[place] == pytest.approx(abs(np.sum(g * w) - np.sum(g * removed)))
        rise = 0.5 * np.sum(np.abs(curvature) * (removed - w) ** 2)
        assert fisher[place] == pytest.approx(rise)


@pytest.mark.parametrize(
    "criterion", [scores.activation_aware, scores.taylor, scores.fisher]
)
def test_shapes_that_would_broadcast_are_refused(criterion):
    with pytest.raises(ValueError, match="give one"):
        criterion(np.ones((2, 3)), np.ones((1, 3)))


def test_the_scope_output_removes_the_same_of_each_output():
    values = np.array([[1.0, 2.0, 3.0, 4.0], [50.0, 60.0, 80.0, 70.0]])
    found = masks({"fc1": values}, 0.5, "output")["fc1"]
    assert found.tolist() == [[False, False, True, True]] * 2
    conv = np.random.default_rng(0).random((6, 3, 3, 2))
    found = masks({"conv1": conv}, 1 / 3, "output")["conv1"]
    assert np.all(np.sum(~found, axis=(1, 2, 3)) == 6)


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_the_hessian_is_that_of_the_outputs(name, layer):
    """w H w^T / 2 is the sum of an output's squares, over images and places."""
    network = zoo.load(name)
    rows = network.kernels[layer].reshape(len(network.kernels[layer]), -1)
    h = layer_hessian(network, images(name), layer, damping=1e-12)
    outputs = answers(network, images(name), layer)
    outputs = (outputs - network.weights[f"{layer}/bias"]).astype(np.float64)
    energy = np.square(outputs).reshape(-1, len(rows)).sum(axis=0)
    np.testing.assert_allclose(
        np.einsum("oi,ij,oj->o", rows, h, rows) / 2, energy, rtol=1e-3
    )


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_norms_are_the_diagonal_of_the_hessian(name, layer):
    network = zoo.load(name)
    norms = input_norms(network, images(name))
    assert list(norms) == list(network.kernels)
    assert norms[layer].shape == network.kernels[layer].shape[1:]
    h = layer_hessian(network, images(name), layer, damping=1e-12)
    diagonal = np.diag(h) / 2
    np.testing.assert_allclose(norms[layer].ravel() ** 2, diagonal, 1e-5, 1e-9)


def test_norms_add_up_over_batches():
    network = zoo.load("lenet5")
    many = input_norms(network, images("lenet5", 60))
    for layer, norms in many.items():
        parts = [
            input_norms(network, part)[layer]
            for part in np.split(images("lenet5", 60), 3)
        ]
        np.testing.assert_allclose(norms, np.linalg.norm(parts, axis=0), rtol=1e-5)


def test_images_that_do_not_serve():
    network = zoo.load("mlp")
    with pytest.raises(ValueError, match="there are no images"):
        input_norms(network, images("mlp", 0))
    for nothing in (images("mlp", 0), np.zeros((3, 28, 28), np.uint8)):
        with pytest.raises(ValueError, match="the inputs of fc1 are 0 all over"):
            layer_hessian(network, nothing, "fc1")
    with pytest.raises(NetworkError, match="there is no layer 'fc9'"):
        layer_hessian(network, images("mlp"), "fc9")
    with pytest.raises(NetworkError, match="pool1 is MAX_POOL_2D: choose a dense"):
        layer_hessian(zoo.load("lenet5"), images("lenet5"), "pool1")
