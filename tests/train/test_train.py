"""Training: the same for the same seed, and the same after an interrupt."""

from dataclasses import replace

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.common.file_errors import FileError
from labkit.zoo import datasets

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
from labkit.train import architectures, batches, convert, fit  # noqa: E402
from labkit.train.commands import training  # noqa: E402
from labkit.train.recipes import RECIPES  # noqa: E402


@pytest.fixture
def small(monkeypatch, eager):
    """The mlp's recipe with 2 epochs on 256 training images."""
    monkeypatch.setitem(RECIPES, "mlp", replace(RECIPES["mlp"], epochs=2))
    dataset = datasets.Dataset("mnist")
    dataset.__dict__["train"] = datasets.load_images("mnist").train.take(256)
    dataset.__dict__["validation"] = datasets.load_images("mnist").validation.take(200)
    monkeypatch.setattr(datasets, "load_images", lambda name, full=False: dataset)


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def test_an_interrupted_run_goes_on_to_the_same_end(small, tmp_path, monkeypatch):
    whole, log = fit.run("mlp", 1, tmp_path / "whole")
    write, calls = fit.write_whole, []

    def interrupt_in_the_second_epoch(path, save):
        if path.name == fit.CHECKPOINT and len(calls) == 1:
            raise KeyboardInterrupt
        calls.extend([path] if path.name == fit.CHECKPOINT else [])
        write(path, save)

    monkeypatch.setattr(fit, "write_whole", interrupt_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        fit.run("mlp", 1, tmp_path / "parts")
    monkeypatch.setattr(fit, "write_whole", write)
    resumed, resumed_log = fit.run("mlp", 1, tmp_path / "parts")
    np.testing.assert_allclose(weights(resumed), weights(whole), atol=1e-5)
    assert len(log["epochs"]) == len(resumed_log["epochs"]) == 2
    other_seed, _ = fit.run("mlp", 2, tmp_path / "other")
    assert np.abs(weights(other_seed) - weights(whole)).max() > 0.01


def test_damaged_files_of_a_run_are_told(small, tmp_path):
    fit.run("mlp", 1, tmp_path)
    checkpoint, log = tmp_path / fit.CHECKPOINT, tmp_path / fit.LOG
    whole, written = checkpoint.read_bytes(), log.read_text()
    for content in (whole[:-1000], whole[:3000] + bytes(500) + whole[3500:], b""):
        checkpoint.write_bytes(content)
        with pytest.raises(FileError, match=f"{checkpoint} cannot be read .*: delete"):
            fit.run("mlp", 1, tmp_path)
    checkpoint.write_bytes(whole)
    for content in ("", "[]", written[:-20], written.replace("epochs", "epoch")):
        log.write_text(content)
        with pytest.raises(FileError, match=f"{log} is damaged .*: delete {tmp_path}"):
            fit.run("mlp", 1, tmp_path)


def test_a_folder_that_cannot_be_written_is_told_before_an_epoch(
    small, tmp_path, monkeypatch
):
    monkeypatch.setattr(keras.Model, "fit", lambda *given, **named: 1 / 0)
    (tmp_path / "runs").write_text("no folder")
    with pytest.raises(FileError, match="a file stands where a folder must be"):
        fit.run("mlp", 1, tmp_path / "runs" / "mlp-seed1")


def test_a_network_s_three_files_are_put_in_place_together(
    small, tmp_path, monkeypatch
):
    model, log = fit.run("mlp", 1, tmp_path / "run")
    record = zoo.record("mlp")
    monkeypatch.setattr("labkit.zoo.networks.FOLDER", tmp_path)
    record = record | {"recipe": {}, "history": log["epochs"]}
    made = training.publish(tmp_path, "mlp", model, b"content", record)
    assert zoo.record("mlp") == made and made["size_bytes"] == 7
    np.testing.assert_array_equal(weights(zoo.keras_model("mlp")), weights(model))
    before = {path.name: path.read_bytes() for path in tmp_path.glob("mlp.*")}
    (tmp_path / "mlp.json").unlink()
    (tmp_path / "mlp.json").mkdir()
    with pytest.raises(FileError, match=r"mlp\.json cannot be written: a folder"):
        training.publish(tmp_path, "mlp", model, b"another", record)
    for name in ("mlp.keras", "mlp.tflite"):
        assert (tmp_path / name).read_bytes() == before[name]


def test_a_finished_run_is_not_trained_further(small, tmp_path):
    first, log = fit.run("mlp", 1, tmp_path)
    again, again_log = fit.run("mlp", 1, tmp_path)
    np.testing.assert_array_equal(weights(again), weights(first))
    assert again_log == log


@pytest.mark.long
def test_a_recipe_starts_from_the_weights_of_the_one_before(
    small, tmp_path, monkeypatch
):
    first, log = fit.run("mlp", 1, tmp_path / "first alone")
    still = replace(RECIPES["mlp"], epochs=1, warmup_epochs=0, learning_rate=0.0)
    still = replace(still, first=RECIPES["mlp"])
    monkeypatch.setitem(RECIPES, "mlp", still)
    second, both = fit.run("mlp", 1, tmp_path / "both")
    np.testing.assert_allclose(weights(second), weights(first), atol=1e-6)
    assert len(both["epochs"]) == still.all_epochs == len(log["epochs"]) + 1
    again, again_log = fit.run("mlp", 1, tmp_path / "both")
    np.testing.assert_array_equal(weights(again), weights(second))
    assert again_log == both


def test_the_decay_of_sgd_is_the_usual_l2_term():
    """One step on a loss without gradient, then the decay of many: (1 - lr * l2)."""
    recipe = replace(RECIPES["resnet8"], warmup_epochs=0, epochs=1)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    fit.compile_by(recipe, model, steps_per_epoch=10**9)
    model.optimizer.build(model.trainable_variables)
    kernel, bias = model.trainable_variables
    kernel.assign([[1.0]])
    bias.assign([1.0])
    steps = 20
    for _ in range(steps):
        model.optimizer.apply([keras.ops.zeros((1, 1)), keras.ops.zeros((1,))])
    # With the term in the gradient, momentum m makes each step 1 / (1 - m) as long.
    step = recipe.learning_rate * recipe.weight_decay / (1 - fit.MOMENTUM)
    assert float(kernel.numpy()[0, 0]) == pytest.approx((1 - step) ** steps, rel=1e-4)
    assert float(bias.numpy()[0]) == 1.0


def test_shift_moves_each_image_and_fills_with_black():
    images = np.full((50, 6, 6, 1), 9, np.uint8)
    moved = batches.shift(images, 2, np.random.default_rng(0))
    assert moved.shape == images.shape and moved.dtype == np.uint8
    assert set(np.unique(moved)) == {0, 9}
    rows = (moved[..., 0] > 0).any(axis=2).sum(axis=1)
    assert rows.min() == 4 and rows.max() == 6


def test_shift_by_one_pixel_is_one_of_nine_pictures():
    image = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
    padded = np.pad(image[0, ..., 0], 1)
    possible = {
        padded[r : r + 3, c : c + 3].tobytes() for r in range(3) for c in range(3)
    }
    rng = np.random.default_rng(0)
    seen = {batches.shift(image, 1, rng).tobytes() for _ in range(200)}
    assert seen == possible


def test_mirror_turns_about_half_of_the_images():
    images = np.arange(4, dtype=np.uint8).reshape(1, 1, 4, 1).repeat(400, axis=0)
    turned = batches.mirror(images, np.random.default_rng(0))[:, 0, 0, 0] == 3
    assert 150 < turned.sum() < 250


def test_batches_cover_the_split_once_and_depend_on_seed_and_epoch_alone():
    split = datasets.load_images("mnist").validation.take(300)
    recipe = RECIPES["mlp"]
    first, again = (batches.Batches(split, recipe, (784,), 5, 2) for _ in range(2))
    assert len(first) == 3
    for k in range(3):
        np.testing.assert_array_equal(first[k][0], again[k][0])
    labels = np.concatenate([first[k][1] for k in range(3)])
    np.testing.assert_array_equal(np.sort(labels), np.sort(split.labels))
    other = batches.Batches(split, recipe, (784,), 5, 3)
    assert (other[0][0] != first[0][0]).any()


def test_the_fused_batch_normalization_is_keras_own():
    from labkit.train.batch_norm import FusedBatchNormalization

    n = 32 * 16 * 16  # values a channel
    x = np.random.default_rng(0).normal(2, 3, (32, 16, 16, 5)).astype(np.float32)
    ours, theirs = FusedBatchNormalization(), keras.layers.BatchNormalization()
    for _ in range(2):
        np.testing.assert_allclose(
            ours(x, training=True), theirs(x, training=True), atol=2e-5
        )
    # The fused kernel keeps the unbiased variance, n / (n - 1) of Keras' one.
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1 / (n - 1) + 1e-5)
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-3)


def test_batch_norm_anew_has_the_plain_averages_of_the_batches():
    from labkit.train.batch_norm import FusedBatchNormalization, reestimate

    rng = np.random.default_rng(0)
    x = [rng.normal(k, k + 1, (8, 4, 4, 3)).astype(np.float32) for k in range(3)]
    inputs = keras.Input((4, 4, 3))
    first, second = FusedBatchNormalization(), FusedBatchNormalization(momentum=0.9)
    model = keras.Model(inputs, second(first(inputs)))
    model(x[2], training=True)
    reestimate(model, x)
    means = [batch.mean((0, 1, 2)) for batch in x]
    variances = [batch.var((0, 1, 2), ddof=1) for batch in x]
    np.testing.assert_allclose(first.moving_mean, np.mean(means, 0), rtol=1e-4)
    np.testing.assert_allclose(first.moving_variance, np.mean(variances, 0), rtol=1e-4)
    np.testing.assert_allclose(second.moving_mean, 0, atol=1e-5)  # of batch statistics
    assert (first.momentum, second.momentum) == (0.99, 0.9)


ARCHITECTURES = [
    ("mlp", 266_610),
    ("lenet5", 431_080),
    ("resnet8", 77_706),
    ("resnet20", 269_034),
]


@pytest.mark.parametrize(
    ("name", "parameters"),
    quick(ARCHITECTURES, *ARCHITECTURES[:3]),
)
def test_architectures(name, parameters):
    """Kernels and biases: what is left when batch normalization is folded away."""
    from labkit.model.network import Network

    model = getattr(architectures, name)()
    for layer in model.layers:  # as after training: no two biases alike
        if isinstance(layer, keras.layers.BatchNormalization | keras.layers.Dense):
            rng = np.random.default_rng(len(layer.name))
            layer.set_weights(
                [rng.uniform(0.5, 1, w.shape) for w in layer.get_weights()]
            )
    network = Network.from_bytes(convert.to_tflite(model))
    assert network.parameters == parameters
    pixels = np.random.default_rng(0).random((20, *model.input_shape[1:]), np.float32)
    expected = model.predict(pixels, verbose=0)
    difference = np.abs(network.predict(pixels) - expected).max()
    assert difference <= 1e-4 * np.abs(expected).max()
    kernels = {
        layer.name
        for layer in model.layers
        if len(layer.weights) and "norm" not in layer.name
    }
    assert set(network.kernels) == kernels
