"""What networks of different shapes are compared by, against TensorFlow's gradients."""

import numpy as np
import pytest

from labkit import zoo
from labkit.distill import similarity

tf = pytest.importorskip("tensorflow")
from labkit.train import transfers  # noqa: E402

rng = np.random.default_rng(3)


def test_slopes_of_the_mlp_are_tensorflow_s():
    network, split = zoo.load("mlp"), zoo.dataset("mlp").validation.take(20)
    x = split.images.reshape(20, -1).astype(np.float32) / 255
    kernels = list(network.kernels.values())
    biases = [network.weights[f"{name}/bias"] for name in network.kernels]
    mine = similarity.input_slopes(kernels, biases, x, split.labels)
    _, its = transfers.input_slopes(
        zoo.keras_model("mlp"), tf.constant(x), split.labels
    )
    np.testing.assert_allclose(mine, its, rtol=1e-3, atol=1e-4)


def test_slopes_do_not_see_the_order_of_hidden_units():
    w1, b1, w2 = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(2, 4))
    x, labels, order = rng.normal(size=(5, 3)), np.array([0, 1, 1, 0, 1]), [2, 0, 3, 1]
    b2 = np.zeros(2)
    one = similarity.input_slopes([w1, w2], [b1, b2], x, labels)
    other = similarity.input_slopes(
        [w1[order], w2[:, order]], [b1[order], b2], x, labels
    )
    np.testing.assert_allclose(one, other)


def test_maps_and_relations_give_the_trained_losses():
    its, mine = rng.normal(size=(4, 3, 2, 5)), rng.normal(size=(4, 3, 2, 2))
    apart = similarity.attention_maps(mine) - similarity.attention_maps(its)
    wanted = transfers.attention_distance(tf.constant(its), tf.constant(mine))
    assert np.mean(np.sum(apart**2, axis=1)) == pytest.approx(float(wanted), rel=1e-6)
    apart = similarity.relative_distances(mine) - similarity.relative_distances(its)
    size = np.abs(apart)
    huber = np.where(size < 1, size**2 / 2, size - 0.5).mean()
    wanted = transfers.relation_distance(tf.constant(its), tf.constant(mine))
    assert huber == pytest.approx(float(wanted), rel=1e-5)


def test_images_at_one_place_have_no_relations():
    with pytest.raises(ValueError, match="at one place"):
        similarity.relative_distances(np.ones((3, 2)))


def test_what_is_zero_stays_zero():
    assert similarity.attention_maps(np.zeros((1, 2, 2, 3))).tolist() == [[0] * 4]
    assert similarity.cosines(np.zeros((1, 3)), np.ones((1, 3))).tolist() == [0]
