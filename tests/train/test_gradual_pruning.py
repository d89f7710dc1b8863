"""Masked training: a zero stays a zero, counts are exact, an interrupt is harmless."""

import json
from dataclasses import replace

import numpy as np
import pytest
from check_asserts import assert_reaches
from long import quick

from labkit import zoo
from labkit.measure.correctness import accuracy
from labkit.model.graph import NetworkError
from labkit.prune.masking import masks, removed_count
from labkit.zoo import datasets

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
from labkit.train import fit, gradual_pruning, masked  # noqa: E402
from labkit.train.commands import pruning as pruning_command  # noqa: E402


def zeros(model):
    """Layer name -> where its kernel is 0."""
    return {
        name: np.asarray(kernel) == 0 for name, kernel in masked.kernels(model).items()
    }


def half_pruned(name, recipe):
    """The network with half of each kernel removed for good, and its optimizer."""
    model = gradual_pruning.start(name, recipe)
    fit.compile_by(recipe, model, 10)
    masked.keep_zeros(model)
    masked.prune(model, masks(masked.magnitudes(model), 0.5))
    return model


@pytest.mark.parametrize("name", quick(["mlp", "lenet5", "resnet8"], "mlp"))
def test_a_zero_stays_a_zero_through_momentum_and_decay(eager, name):
    recipe = replace(
        gradual_pruning.RECIPES[name].training, weight_decay=0.01, warmup_epochs=0
    )
    rng = np.random.default_rng(0)
    with fit.precision(recipe):
        model = half_pruned(name, recipe)
        before = zeros(model)
        weights = {v.path: v.numpy() for v in model.trainable_variables}
        inputs = rng.random((16, *model.input_shape[1:]), np.float32)
        for _ in range(4):
            model.train_on_batch(inputs, rng.integers(0, 10, 16))
        gradients = [np.zeros(v.shape) for v in model.trainable_variables]
        model.optimizer.apply(gradients)  # momentum and decay alone
    for layer, where in zeros(model).items():
        np.testing.assert_array_equal(where, before[layer])
        assert np.count_nonzero(where) == removed_count(0.5, where.size)
    for variable in model.trainable_variables:  # biases and batch norm among them
        assert (variable.numpy() != weights[variable.path]).any(), variable.path


def test_without_the_constraint_momentum_moves_a_zero(eager):
    """The test above can fail: one step revives zeros."""
    recipe = replace(gradual_pruning.RECIPES["mlp"].training, warmup_epochs=0)
    model = half_pruned("mlp", recipe)
    before = zeros(model)
    for kernel in masked.kernels(model).values():
        kernel.constraint = None
    inputs = np.random.default_rng(0).random((16, 784))
    model.train_on_batch(inputs, np.arange(16) % 10)
    left = {layer: np.count_nonzero(where) for layer, where in zeros(model).items()}
    assert left["fc2"] < 0.9 * np.count_nonzero(before["fc2"])


@pytest.fixture
def small(monkeypatch, eager):
    """The mlp's recipe with 2 epochs on 600 training images, 10 steps in all."""
    recipe = gradual_pruning.RECIPES["mlp"]
    recipe = replace(recipe, training=replace(recipe.training, epochs=2), until=0.9)
    monkeypatch.setitem(gradual_pruning.RECIPES, "mlp", recipe)
    dataset = datasets.Dataset("mnist")
    dataset.__dict__["train"] = datasets.load_images("mnist").train.take(600)
    dataset.__dict__["validation"] = datasets.load_images("mnist").validation.take(200)
    monkeypatch.setattr(datasets, "load_images", lambda name, full=False: dataset)


def kernel_values(model):
    return np.concatenate(
        [np.asarray(k).ravel() for k in masked.kernels(model).values()]
    )


@pytest.mark.long
def test_an_interrupted_pruning_goes_on_to_the_same_end(small, tmp_path, monkeypatch):
    whole, log = gradual_pruning.run("mlp", 0.9, tmp_path / "whole", 1)
    write, calls = fit.write_whole, []

    def interrupt_in_the_second_epoch(path, save):
        if path.name == fit.CHECKPOINT and len(calls) == 1:
            raise KeyboardInterrupt
        calls.extend([path] if path.name == fit.CHECKPOINT else [])
        write(path, save)

    monkeypatch.setattr(fit, "write_whole", interrupt_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        gradual_pruning.run("mlp", 0.9, tmp_path / "parts", 1)
    monkeypatch.setattr(fit, "write_whole", write)
    resumed, resumed_log = gradual_pruning.run("mlp", 0.9, tmp_path / "parts", 1)
    w, again = kernel_values(whole), kernel_values(resumed)
    assert np.count_nonzero(w == 0) == removed_count(0.9, w.size)
    np.testing.assert_allclose(again, w, atol=1e-5)
    np.testing.assert_array_equal(again == 0, w == 0)
    assert len(log["epochs"]) == len(resumed_log["epochs"]) == 2


def test_each_layer_gets_its_own_sparsity(small):
    recipe = replace(
        gradual_pruning.RECIPES["mlp"], schedule="iterative", prunings=3, scope="layer"
    )
    wanted = {"fc1": 0.9, "fc2": 0.5, "fc3": 0.0}
    model = gradual_pruning.start("mlp", recipe.training)
    masked.keep_zeros(model)
    pruner = gradual_pruning.Pruner(recipe, wanted, steps=10)
    pruner.set_model(model)
    for step in range(10):
        pruner.before_step(step)
    network = zoo.load("mlp")
    assert masked.kept(model) == {
        name: kernel.size - removed_count(wanted[name], kernel.size)
        for name, kernel in network.kernels.items()
    }


def test_the_largest_weights_are_kept():
    recipe = replace(gradual_pruning.RECIPES["mlp"], schedule="one-shot")
    model = gradual_pruning.start("mlp", recipe.training)
    before = kernel_values(model)
    masked.keep_zeros(model)
    pruner = gradual_pruning.Pruner(recipe, 0.8, steps=10)
    pruner.set_model(model)
    pruner.before_step(0)
    after = kernel_values(model)
    np.testing.assert_array_equal(after[after != 0], before[after != 0])
    assert np.abs(before[after == 0]).max() <= np.abs(after[after != 0]).min()


def test_the_command_writes_a_file_and_a_record_that_agree(
    small, tmp_path, monkeypatch
):
    monkeypatch.setattr(zoo.PRUNED, "folder", tmp_path / "pruned")
    monkeypatch.setattr(pruning_command, "RUNS", tmp_path / "runs")
    dataset = datasets.load_images("mnist")
    dataset.__dict__["test"] = dataset.validation
    record = pruning_command.prune("mlp", 0.9)
    network = zoo.load_pruned("mlp-0.9")
    assert zoo.pruned_names() == ["mlp-0.9"]
    assert zoo.pruned_record("mlp-0.9") == json.loads(json.dumps(record))
    assert record["command"] == "python -m labkit prune mlp 0.9 --seed 0"
    assert record["test_accuracy"] == accuracy(network, dataset.test).value
    for layer, kernel in network.kernels.items():
        assert np.count_nonzero(kernel) == record["kept"][layer]
    kernels = 266_200
    assert sum(record["kept"].values()) == kernels - removed_count(0.9, kernels)
    assert record["size_bytes"] < 0.18 * len(network)
    (tmp_path / "pruned" / "mlp-0.9.packed").write_bytes(b"x")
    with pytest.raises(NetworkError, match="truncated or changed"):
        zoo.load_pruned("mlp-0.9")
    with pytest.raises(NetworkError, match="no pruned network 'mlp-0.8'.*mlp-0.9"):
        zoo.load_pruned("mlp-0.8")


@pytest.mark.parametrize("images", quick([500, None], 500))
@pytest.mark.parametrize("title", zoo.pruned_names())
def test_a_committed_network_reaches_what_its_record_says(title, images):
    record, network = zoo.pruned_record(title), zoo.load_pruned(title)
    assert record["starts_from"] == zoo.load(record["name"]).digest
    assert_reaches(record, network, images)
    for layer, count in record.get("kept", {}).items():
        assert np.count_nonzero(network.kernels[layer]) == count
    for layer, units in record.get("widths", {}).items():
        assert len(network.kernels[layer]) == units
