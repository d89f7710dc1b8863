"""Dense networks in one compiled loop: Keras' own Adam, masks, orders."""

import numpy as np
import pytest

from labkit import data

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
from labkit.train.fast import STEPS, Dense, Training, _batches  # noqa: E402

WIDTHS = (784, 30, 10)
RATES = np.full(2 * STEPS, 1e-3)


@pytest.fixture(scope="module")
def split():
    return data.load("mnist").train.take(400)


def all_kept(network):
    return [np.ones(kernel.shape, bool) for kernel in network.kernels]


def test_it_is_keras_training(split):
    start = Dense.untrained(WIDTHS, 0)
    training = Training(start, all_kept(start), split, RATES, 60, 1)
    ours = training.advance()
    model = keras.Sequential(
        [keras.Input((784,)), keras.layers.Dense(30, "relu"), keras.layers.Dense(10)]
    )
    model.set_weights(
        [a for pair in zip(start.kernels, start.biases, strict=True) for a in pair]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    batches = _batches(len(split), 60, 1)
    for _ in range(STEPS):
        picked = next(batches)
        pixels = split.images[picked].reshape(60, -1).astype(np.float32) / 255
        model.train_on_batch(pixels, split.labels[picked])
    theirs = [layer.get_weights()[0] for layer in model.layers]
    for start_w, w, keras_w in zip(start.kernels, ours.kernels, theirs, strict=True):
        assert np.abs(w - start_w).max() > 0.01
        np.testing.assert_allclose(w, keras_w, atol=2e-3)
        assert (
            np.corrcoef((w - start_w).ravel(), (keras_w - start_w).ravel())[0, 1]
            > 0.999
        )
    assert ours.accuracy(split) > 0.9
    assert training.step == STEPS


def test_a_masked_weight_stays_zero_and_the_others_are_trained(split):
    start = Dense.untrained(WIDTHS, 0)
    rng = np.random.default_rng(0)
    masks = [rng.random(kernel.shape) < 0.3 for kernel in start.kernels]
    training = Training(start, masks, split, RATES, 60, 1)
    training.advance()
    fewer = [kept & (rng.random(kept.shape) < 0.5) for kept in masks]
    training.prune(fewer)
    network = training.advance()
    for kernel, kept in zip(network.kernels, fewer, strict=True):
        assert not kernel[~kept].any()
    trained = network.kernels[-1][fewer[-1]] != start.kernels[-1][fewer[-1]]
    assert trained.mean() > 0.9
    with pytest.raises(ValueError, match="ended after 200 steps"):
        training.advance()


def test_the_same_seed_gives_the_same_network(split):
    def trained(start_seed, seed):
        start = Dense.untrained(WIDTHS, start_seed)
        return Training(start, all_kept(start), split, RATES, 60, seed).advance()

    first, again = trained(0, [3, 1]), trained(0, [3, 1])
    np.testing.assert_array_equal(first.kernels[0], again.kernels[0])
    assert (trained(0, [3, 2]).kernels[0] != first.kernels[0]).any()


def test_an_epoch_has_every_image_once():
    batches = _batches(12, 4, 0)
    for _ in range(2):
        seen = np.concatenate([next(batches) for _ in range(3)])
        assert sorted(seen) == list(range(12))


def test_loss_and_accuracy_by_hand():
    kernel = np.zeros((784, 2), np.float32)
    kernel[0] = 0, 1
    network = Dense((kernel,), (np.zeros(2, np.float32),))
    images = np.zeros((2, 28, 28), np.uint8)
    images[1, 0, 0] = 255
    split = data.Split(images, np.array([1, 1], np.uint8), np.arange(2))
    assert network.logits(images).tolist() == [[0, 0], [0, 1]]
    assert network.accuracy(split) == 0.5
    expected = (np.log(2) + np.log(1 + np.exp(-1))) / 2
    assert network.loss(split) == pytest.approx(expected, rel=1e-5)
