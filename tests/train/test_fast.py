"""Dense networks in one compiled loop: Keras' own Adam, masks, orders."""

from dataclasses import replace

import numpy as np
import pytest

from labkit import distill
from labkit.common.split import Split
from labkit.zoo import datasets

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
import tensorflow as tf  # noqa: E402

from labkit.train import fast, moves  # noqa: E402
from labkit.train.fast import STEPS, Dense, SoftTargets, Training, _batches  # noqa: E402

WIDTHS = (784, 30, 10)
RATES = np.full(2 * STEPS, 1e-3)


@pytest.fixture(scope="module")
def split():
    return datasets.load_images("mnist").train.take(400)


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
    split = Split(images, np.array([1, 1], np.uint8), np.arange(2))
    assert network.logits(images).tolist() == [[0, 0], [0, 1]]
    assert network.accuracy(split) == 0.5
    expected = (np.log(2) + np.log(1 + np.exp(-1))) / 2
    assert network.loss(split) == pytest.approx(expected, rel=1e-5)


def test_all_places_are_those_of_the_slow_path(split):
    from labkit.train.batches import shift

    images = split.images[:3]
    table = moves.sources(1)
    assert table.shape == (moves.places(1), 784) and (table[4] == np.arange(784)).all()
    pixels = images.reshape(3, -1)

    class Corner:
        """Draws the place at which the padded image is cut: here always (0, 2)."""

        def integers(self, low, high, size):
            assert (low, high) == (0, 3)
            return np.broadcast_to(np.array([0, 2])[:, None, None], size)

    slow = shift(images[..., None], 1, Corner()).reshape(3, -1)
    down_and_left = 6  # rows of places go down, 0 to 2; columns right
    fast = moves.moved(pixels, np.stack([table[down_and_left]] * 3)).numpy()
    np.testing.assert_array_equal(fast, slow)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_loop_s_loss_has_the_gradient_that_numpy_writes_out(temperature, alpha):
    told, logits = np.random.default_rng(0).normal(0, 3, (2, 6, 10)).astype(np.float32)
    labels, student = np.arange(6, dtype=np.int32), tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = fast._distilled_loss(student, labels, told, temperature, alpha)
    expected = distill.gradient(told, logits, labels, temperature, alpha)
    np.testing.assert_allclose(tape.gradient(loss, student), expected, atol=1e-5)


def test_the_loop_takes_a_step_along_that_gradient(split):
    network, teacher = Dense.untrained(WIDTHS, 0), Dense.untrained(WIDTHS, 1)
    few = split.take(60)
    table = moves.logits_everywhere(teacher.logits, few)
    assert table.shape == (1, 60, 10)
    np.testing.assert_allclose(table[0], teacher.logits(few.images), atol=1e-6)
    soft = SoftTargets(table, 4.0, 0.7)
    training = Training(network, None, few, np.full(1, 1e-3), 60, 1, soft=soft)
    moved = training.advance().biases[-1] - network.biases[-1]
    slopes = distill.gradient(
        table[0], network.logits(few.images), few.labels, 4.0, 0.7
    ).sum(axis=0)
    np.testing.assert_allclose(moved, -1e-3 * np.sign(slopes), rtol=1e-3)


def test_soft_targets_of_other_images_or_places_are_refused(split):
    network, few = Dense.untrained(WIDTHS, 0), split.take(60)
    table = moves.logits_everywhere(network.logits, few)
    for soft, shift, match in (
        (SoftTargets(table, 4.0, 0.7), 1, r"are \(1, 60, 10\), wanted \(9, 60, 10\)"),
        (SoftTargets(table[:, :50], 4.0, 0.7), 0, r"wanted \(1, 60, 10\)"),
        (SoftTargets(table, 0.0, 0.7), 0, "the temperature is 0.0"),
        (SoftTargets(table * np.nan, 4.0, 0.7), 0, "soft targets' logits has an image"),
        (SoftTargets(table - np.inf, 4.0, 0.7), 0, "soft targets' logits has an image"),
        (SoftTargets(table, 4.0, 1.7), 0, "alpha is 1.7"),
    ):
        with pytest.raises(ValueError, match=match):
            Training(network, None, few, RATES[:1], 60, 1, shift, soft)
    with pytest.raises(ValueError, match="batch_size is 61: give 1 to 60"):
        Training(network, None, few, RATES[:1], 61, 1)


def test_a_teacher_that_says_labels_teaches_what_they_do(split):
    """Its logits are 0 at the label and -inf else."""
    network, few = Dense.untrained(WIDTHS, 0), split.take(60)
    table = np.where(np.eye(10)[few.labels] == 1, 0, -np.inf).astype(np.float32)[None]
    after = {
        soft: Training(network, None, few, RATES[:20], 60, 1, soft=soft).advance()
        for soft in (None, SoftTargets(table, 1.0, 1.0))
    }
    alone, taught = (model.kernels[0] for model in after.values())
    assert (alone != network.kernels[0]).any()
    np.testing.assert_allclose(taught, alone, atol=1e-6)


def test_floats_are_read_as_they_are(split):
    network = Dense.untrained(WIDTHS, 0)
    floats = split.images / np.float32(255)
    np.testing.assert_array_equal(network.logits(floats), network.logits(split.images))


def test_a_zero_that_a_new_mask_keeps_is_trained_from_0(split):
    start = Dense.untrained(WIDTHS, 0)
    some = [
        np.random.default_rng(k).random(w.shape) < 0.5
        for k, w in enumerate(start.kernels)
    ]
    training = Training(start, some, split, RATES[:200], 60, 1)
    training.advance()
    training.prune(all_kept(start))
    after = training.advance().kernels[1]
    assert (after[~some[1]] != 0).mean() > 0.5


def test_moved_images_are_judged_by_what_the_teacher_says_there(split):
    """With alpha 1 and itself as a teacher, a network has nothing to learn."""
    network = Dense.untrained(WIDTHS, 0)
    few = split.take(60)
    table = moves.logits_everywhere(network.logits, few, 1)
    soft = SoftTargets(table, 4.0, 1.0)
    training = Training(network, None, few, RATES[:20], 60, 1, shift=1, soft=soft)
    after = training.advance()
    off = np.abs(after.logits(few.images) - network.logits(few.images)).max()
    unmoved = SoftTargets(np.repeat(table[4:5], 9, axis=0), 4.0, 1.0)
    other = Training(network, None, few, RATES[:20], 60, 1, shift=1, soft=unmoved)
    apart = np.abs(other.advance().logits(few.images) - network.logits(few.images))
    assert off < 0.4 * apart.max()


def test_images_move_as_the_seed_says(split):
    def trained(shift, seed=1):
        start = Dense.untrained(WIDTHS, 0)
        training = Training(start, None, split, RATES[:50], 60, seed, shift=shift)
        return training.advance().kernels[0]

    np.testing.assert_array_equal(trained(2, [1, 2]), trained(2, [1, 2]))
    assert (trained(2) != trained(0)).any() and (trained(2) != trained(2, 2)).any()


def test_masks_left_out_keep_all(split):
    start = Dense.untrained(WIDTHS, 0)
    found = [
        Training(start, masks, split, RATES[:50], 60, 1).advance().kernels[0]
        for masks in (None, all_kept(start))
    ]
    np.testing.assert_allclose(*found, atol=1e-6)


@pytest.mark.parametrize("bits", [2, 4])
def test_it_computes_with_rounded_weights(split, bits):
    start = replace(Dense.untrained(WIDTHS, 0), bits=bits)
    network = Training(start, None, split, RATES, 60, 1).advance()
    high, kernels = 2 ** (bits - 1) - 1, []
    for kernel in network.kernels:
        scale = 2 * np.abs(kernel).mean(axis=0) / high**0.5
        codes = np.clip(np.round(kernel / scale), -high, high)
        kernels.append((scale * codes).astype(np.float32))
    by_hand = Dense(tuple(kernels), network.biases)
    images = split.images[:50]
    np.testing.assert_allclose(
        network.logits(images), by_hand.logits(images), rtol=1e-3, atol=1e-3
    )
    unrounded = replace(network, bits=None)
    assert np.abs(unrounded.logits(images) - by_hand.logits(images)).max() > 0.01
    assert network.accuracy(split) > 0.8 > replace(start, bits=None).accuracy(split)
