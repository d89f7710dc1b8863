"""The committed networks: they are what their records say."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from labkit import zoo
from labkit.network import NetworkError
from labkit.train.recipes import RECIPES

# Test error at most, in per cent: the baselines of the papers the lab compares with.
TEST_ERROR_AT_MOST = {"mlp": 1.64, "lenet5": 0.80, "resnet8": 12.8, "resnet20": 8.75}


@pytest.mark.parametrize("name", zoo.NAMES)
def test_accuracy_is_the_recorded_one_and_good_enough(name):
    test, record = zoo.dataset(name).test, zoo.record(name)
    right = zoo.load(name).predict(test.images).argmax(axis=1) == test.labels
    assert right.mean() == pytest.approx(record["test_accuracy"], abs=2e-4)
    assert 100 * (1 - right.mean()) <= TEST_ERROR_AT_MOST[name]


@pytest.mark.parametrize("name", zoo.NAMES)
def test_record(name):
    record, network = zoo.record(name), zoo.load(name)
    assert (
        record["size_bytes"]
        == len(network)
        == (zoo.FOLDER / f"{name}.tflite").stat().st_size
    )
    assert record["parameters"] == network.parameters
    assert record["macs"] == network.macs
    assert record["epochs"] == len(record["history"]) == RECIPES[name].all_epochs
    assert record["recipe"] == asdict(RECIPES[name])
    assert record["seed"] == record["recipe"]["seed"]
    assert record["history"][-1]["val_accuracy"] == pytest.approx(
        record["validation_accuracy"], abs=2e-3
    )


@pytest.mark.parametrize("name", zoo.NAMES)
def test_keras_and_litert_agree(name):
    pytest.importorskip("keras", reason="the extra `train` is not installed")
    model, network = zoo.keras_model(name), zoo.load(name)
    assert all(weight.dtype == "float32" for weight in model.weights)
    pixels = network.as_inputs(zoo.dataset(name).test.images[:1000])
    expected = model.predict(pixels, batch_size=250, verbose=0)
    difference = np.abs(network.predict(pixels) - expected).max()
    assert difference <= 1e-4 * np.abs(expected).max()


@pytest.fixture
def copied_zoo(tmp_path, monkeypatch):
    for suffix in ("tflite", "json"):
        shutil.copy(zoo.FOLDER / f"mlp.{suffix}", tmp_path)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    return tmp_path


def test_a_changed_file_is_refused(copied_zoo):
    path = copied_zoo / "mlp.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=r"mlp\.tflite is truncated or changed"):
        zoo.load("mlp")


def test_a_truncated_file_is_refused(copied_zoo):
    path = copied_zoo / "mlp.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NetworkError, match="truncated or changed"):
        zoo.load("mlp")


def test_a_missing_file_is_named(copied_zoo):
    (copied_zoo / "mlp.tflite").unlink()
    with pytest.raises(NetworkError, match=r"mlp\.tflite is missing: run"):
        zoo.load("mlp")
    (copied_zoo / "mlp.json").unlink()
    with pytest.raises(NetworkError, match=r"mlp\.json is missing"):
        zoo.record("mlp")


def test_an_unknown_network_is_named():
    with pytest.raises(NetworkError, match="no network 'vgg': choose mlp, lenet5"):
        zoo.load("vgg")


@pytest.mark.parametrize("name", ["mlp", "lenet5"])
def test_five_seeds_are_recorded(name):
    files = sorted((zoo.data.FOLDER / "results" / "seeds").glob(f"{name}-seed*.json"))
    records = [json.loads(file.read_text()) for file in files] + [zoo.record(name)]
    assert sorted(record["seed"] for record in records) == [0, 1, 2, 3, 4]
    assert len({record["sha256"] for record in records}) == 5
