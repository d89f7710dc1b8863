"""Factorized against small: equal bytes, no ReLU between factors, the same answers."""

import json

import numpy as np
import pytest

from experiments import dense_runs, resumed
from experiments.lowrank import smaller as lowrank_smaller
from experiments.prune import smaller
from labkit import zoo
from labkit.compress import factorized
from labkit.zoo import datasets

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")


def test_no_relu_follows_a_linear_layer():
    from labkit.train.fast import Dense

    network = Dense.untrained((4, 5, 6, 2), 0)
    linear = Dense(network.kernels, network.biases, (0,))
    images = np.random.default_rng(0).integers(0, 256, (20, 2, 2)).astype(np.uint8)
    first, second, third = linear.kernels
    x = images.reshape(20, 4) / 255
    wanted = np.maximum(x @ first @ second, 0) @ third
    np.testing.assert_allclose(linear.logits(images), wanted, atol=1e-5)
    assert np.abs(network.logits(images) - wanted).max() > 0.01
    masked = linear.masked([np.ones(kernel.shape, bool) for kernel in linear.kernels])
    assert masked.linear == (0,)


@pytest.mark.parametrize("budget", [100_464, 24_144])
def test_the_file_fits_in_the_bytes_and_answers_as_the_dense_form(budget):
    file, mnist = zoo.load("mlp"), datasets.load_images("mnist")
    parts = lowrank_smaller.factorized_model(
        file, mnist.calibration.images[:200], budget
    )
    low = factorized.factorize(file, parts)
    assert 0.9 * budget < len(low) <= budget
    network = lowrank_smaller.as_dense(file, parts)
    images = mnist.validation.images[:50]
    answers = low.predict(images)
    atol = 1e-4 * np.abs(answers).max()
    np.testing.assert_allclose(network.logits(images), answers, atol=atol)
    # A bias between two factors goes into the second one's.
    rng = np.random.default_rng(1)
    moved = [bias + rng.normal(size=bias.shape) for bias in network.biases]
    moved = tuple(bias.astype(np.float32) for bias in moved)
    trained = type(network)(network.kernels, moved, network.linear)
    ranks = {
        layer: None if found is None else found[0].outputs
        for layer, found in parts.items()
    }
    again = lowrank_smaller.as_file(file, ranks, trained)
    assert len(again) == len(low)
    np.testing.assert_allclose(
        trained.logits(images), again.predict(images), atol=10 * atol
    )


@pytest.mark.long
def test_a_short_run_pairs_with_the_small_networks(monkeypatch, tmp_path):
    brief = dense_runs.SETTINGS | {"dense_steps": 200}
    monkeypatch.setattr(dense_runs, "SETTINGS", brief)
    monkeypatch.setattr(dense_runs, "SEEDS", 1)
    monkeypatch.setattr(dense_runs, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(smaller, "SPARSITIES", (0.92,))
    monkeypatch.setattr(smaller, "STEPS", 200)
    monkeypatch.setattr(lowrank_smaller, "FILE", tmp_path / "lowrank_smaller.json")
    dataset = datasets.Dataset("mnist")
    for name in ("train", "validation", "test", "calibration"):
        dataset.__dict__[name] = getattr(datasets.load_images("mnist"), name).take(400)
    monkeypatch.setattr(datasets, "load_images", lambda name, full=False: dataset)
    monkeypatch.setattr(resumed, "machine", lambda: "a machine")
    lowrank_smaller.main()
    (row,) = json.loads(lowrank_smaller.FILE.read_text())["rows"]
    same = {"kind": "small", "sparsity": 0.92, "seed": 0}
    rows = json.loads(smaller.FILE.read_text())["rows"]
    small = next(found for found in rows if same.items() <= found.items())
    assert 0.9 * small["size_bytes"] < row["size_bytes"] <= small["size_bytes"]
    assert row["steps"] == 400 and set(row["ranks"]) == {"fc1", "fc2", "fc3"}
    assert row["accuracy"] > 0.5
