"""Quantization-aware training: gradients, checkpoints, and the file at its end."""

from dataclasses import replace

import numpy as np
import pytest
from check_asserts import assert_reaches
from long import quick

from labkit import zoo
from labkit.measure.correctness import accuracy
from labkit.packed.compressed import unpack
from labkit.train import child
from labkit.zoo import datasets

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
import tensorflow as tf  # noqa: E402

from labkit.model.inputs import as_inputs  # noqa: E402
from labkit.train import fit, qat, quantized  # noqa: E402
from labkit.train.fake_quant import Codes, fake_quantize  # noqa: E402


def gradients(x, scale, codes, upstream, members=1):
    """The outputs, and the gradients of sum(upstream * outputs)."""
    x, scale = tf.Variable(x), tf.Variable(scale)
    with tf.GradientTape() as tape:
        outputs = fake_quantize(x, scale, codes, members)
        loss = tf.reduce_sum(outputs * upstream)
    return outputs.numpy(), *(g.numpy() for g in tape.gradient(loss, [x, scale]))


def test_rounding_by_hand():
    """Scale 0.5, codes -2 .. 1: values below, inside, half way, and above."""
    x = np.float32([-3.0, -0.6, 0.25, 0.75, 9.0])
    outputs, to_x, to_scale = gradients(x, 0.5, Codes(-2, 1), np.ones(5, np.float32))
    assert outputs.tolist() == [-1.0, -0.5, 0.0, 0.5, 0.5]
    assert to_x.tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]
    # low; -1 + 1.2; 0 - 0.5; high; high (Esser et al. 2019, eq. 3)
    assert to_scale == pytest.approx(-2 + 0.2 - 0.5 + 1 + 1)


def test_scale_gradient_is_the_derivative_where_rounding_is_taken_as_a_shift():
    """With round(v) - v held fixed, x_hat is smooth in the scale: differences agree."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3)).astype(np.float32)
    scale = np.float32([0.2, 0.3, 0.5])
    codes, upstream = Codes.symmetric(3), rng.normal(size=(50, 3)).astype(np.float32)
    shift = np.rint(x / scale) - x / scale

    def smooth(scale):
        ratio = np.clip(x / scale, codes.low, codes.high)
        inside = (x / scale > codes.low) & (x / scale < codes.high)
        return np.sum(upstream * scale * (ratio + shift * inside), axis=0)

    step = 1e-4
    differences = (smooth(scale + step) - smooth(scale - step)) / (2 * step)
    _, _, to_scale = gradients(x, scale, codes, upstream, members=16)
    weight = (16 * codes.high) ** -0.5
    np.testing.assert_allclose(to_scale, weight * differences, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_on_the_grid_stay_where_they_are(bits):
    codes = Codes.symmetric(bits)
    x = 0.25 * np.arange(codes.low, codes.high + 1, dtype=np.float32)
    outputs, _, _ = gradients(x, 0.25, codes, np.ones_like(x))
    np.testing.assert_array_equal(outputs, x)


@pytest.fixture(scope="module")
def split():
    return datasets.load_images("mnist").validation.take(500)


@pytest.mark.parametrize(
    "name", quick(["mlp", "lenet5", "resnet8", "resnet20"], "lenet5")
)
def test_the_file_computes_what_the_model_computes(eager, name):
    recipe = qat.RECIPES[name]
    model = qat.start(name, qat.Setting(4, 4), replace(recipe, mixed_precision=False))
    network, packed = quantized.as_file(name, model)
    assert unpack(packed).to_bytes() == network.to_bytes()
    images = zoo.dataset(name).validation.images[:100]
    expected = model.predict(as_inputs(images, network.input_shape), verbose=0)
    logits = network.predict(images)
    # Near the middle of two points float32 may round either way, layer after layer.
    off = np.abs(logits - expected).max(axis=1) / np.abs(expected).max()
    assert np.median(off) < 0.02
    assert np.mean(logits.argmax(1) == expected.argmax(1)) >= 0.97


def test_codes_are_what_the_setting_says(eager):
    model = qat.start("lenet5", qat.Setting(2, 4), qat.RECIPES["lenet5"])
    network, packed = quantized.as_file("lenet5", model)
    levels = {
        name: max(len(np.unique(np.abs(channel))) for channel in kernel)
        for name, kernel in network.kernels.items()
    }
    assert levels["conv2"] <= 2 and levels["fc1"] <= 2  # 0 and one magnitude
    assert levels["fc2"] > 10
    reads = network.activations(zoo.dataset("lenet5").validation.images[:20], "fc1")
    assert len(np.unique(reads)) <= 16
    assert len(packed) < 0.08 * len(network)


def test_folding_batch_norm_leaves_the_codes_alone():
    """Scales are multiplied, a negative factor turns the codes of its channel round."""
    q = np.int8([[1, -2], [0, 3], [-3, 1]])  # (in, out), as in Keras
    factor = np.float32([0.5, -2.0])
    folded = (q * factor).T
    tensor = quantized.rescaled(folded, q, bits=3)
    np.testing.assert_array_equal(tensor.q, [[1, 0, -3], [2, -3, -1]])
    np.testing.assert_array_equal(tensor.scale, [0.5, 2.0])
    np.testing.assert_array_equal(tensor.decode(), folded)
    with pytest.raises(ValueError, match="codes changed"):
        quantized.rescaled(folded + np.float32([[0, 0.2, 0], [0, 0, 0]]), q, bits=3)


def test_a_checkpoint_keeps_the_scales(eager, tmp_path):
    recipe = qat.RECIPES["lenet5"]
    model = qat.start("lenet5", qat.Setting(2, 4), recipe)
    fit.compile_by(recipe, model, 10)
    rng = np.random.default_rng(0)
    inputs = rng.random((8, 28, 28, 1), np.float32)
    before = model.get_layer("fc1").input_scale.numpy()
    for _ in range(3):
        model.train_on_batch(inputs, np.arange(8))
    assert model.get_layer("fc1").input_scale.numpy() != before
    model.save(tmp_path / "a.keras")
    again = qat.start("lenet5", qat.Setting(2, 4), recipe)
    fit.compile_by(recipe, again, 10)
    again.optimizer.build(again.trainable_variables)
    again.load_weights(tmp_path / "a.keras")
    for saved, kept in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(saved, kept)


def test_scales_are_not_decayed():
    recipe = replace(qat.RECIPES["lenet5"], weight_decay=0.5, warmup_epochs=0)
    model = qat.start("lenet5", qat.Setting(4, 4), recipe)
    fit.compile_by(recipe, model, 10)
    model.optimizer.build(model.trainable_variables)
    before = {v.path: v.numpy() for v in model.trainable_variables}
    model.optimizer.apply([tf.zeros_like(v) for v in model.trainable_variables])
    for variable in model.trainable_variables:
        same = np.array_equal(variable.numpy(), before[variable.path])
        assert same != variable.path.endswith("/kernel"), variable.path


@pytest.mark.parametrize("name", ["W9A4", "W4", "w4a4", "W4A1", ""])
def test_a_setting_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="no setting"):
        qat.Setting.named(name)


def test_a_live_training_reports_and_mends(in_this_process, split):
    seen = []
    untrained = quantized.as_file(
        "mlp", qat.start("mlp", qat.Setting(2, 2), qat.RECIPES["mlp"])
    )[0]
    packed = child.train_quantized("mlp", "W2A2", 60, progress=seen.append)
    assert [row.step for row in seen] == list(range(5, 61, 5))
    trained = accuracy(unpack(packed), split).value
    assert trained > accuracy(untrained, split).value
    assert trained > 0.95


@pytest.mark.long
def test_a_live_training_is_cancelled():
    seen = []
    done = child.train_quantized(
        "mlp", "W2A2", 10**6, progress=seen.append, cancelled=lambda: len(seen) > 1
    )
    assert done is None and 2 <= len(seen) < 10


def test_a_live_training_that_fails_says_why(in_this_process):
    with pytest.raises(
        child.TrainingError, match="training failed.*no setting|invalid"
    ):
        child.train_quantized("mlp", "W1A2", 5)
    with pytest.raises(ValueError, match="give 1 or more"):
        child.train_quantized("mlp", "W2A2", 0)


TRAINED = [tuple(name.rsplit("-", 1)) for name in zoo.quantized_names()]


def test_the_settings_of_the_lesson_are_there():
    settings = ("W8A8", "W4A8", "W4A4", "W2A4")
    wanted = {(name, s) for name in ("lenet5", "resnet8") for s in settings}
    assert set(TRAINED) >= wanted | {("resnet20", "W4A4")}


@pytest.mark.parametrize("images", quick([500, None], 500))
@pytest.mark.parametrize(("name", "setting"), TRAINED)
def test_a_committed_network_reaches_what_its_record_says(name, setting, images):
    record = zoo.quantized_record(name, setting)
    packed = zoo.load_packed(name, setting)
    assert record["size_bytes"] == len(packed)
    assert record["starts_from"] == zoo.load(name).digest
    assert_reaches(record, unpack(packed), images)
