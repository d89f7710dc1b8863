"""The committed networks: they are what their records say."""

import hashlib
import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
from damage import damaged
from long import quick

from labkit.model.graph import NetworkError
from labkit.train.recipes import RECIPES
from labkit.zoo import datasets, networks

# Test error at most, in per cent: the baselines of the papers the lab compares with.
TEST_ERROR_AT_MOST = {"mlp": 1.64, "lenet5": 0.80, "resnet8": 12.8, "resnet20": 8.75}


@pytest.mark.parametrize("name", quick(networks.NAMES, "mlp", "lenet5"))
def test_accuracy_is_the_recorded_one_and_good_enough(name):
    test, record = networks.dataset(name).test, networks.record(name)
    right = networks.load(name).predict(test.images).argmax(axis=1) == test.labels
    assert right.mean() == pytest.approx(record["test_accuracy"], abs=2e-4)
    assert 100 * (1 - right.mean()) <= TEST_ERROR_AT_MOST[name]


@pytest.mark.parametrize("name", networks.NAMES)
def test_record(name):
    record, network = networks.record(name), networks.load(name)
    assert (
        record["size_bytes"]
        == len(network)
        == (networks.FOLDER / f"{name}.tflite").stat().st_size
    )
    assert record["parameters"] == network.parameters
    assert record["macs"] == network.macs
    assert record["epochs"] == len(record["history"]) == RECIPES[name].all_epochs
    assert record["recipe"] == asdict(RECIPES[name])
    assert record["seed"] == record["recipe"]["seed"]
    assert record["history"][-1]["val_accuracy"] == pytest.approx(
        record["validation_accuracy"], abs=2e-3
    )


@pytest.mark.parametrize("name", quick(networks.NAMES, "lenet5", "resnet8"))
def test_keras_and_litert_agree(name):
    pytest.importorskip("keras", reason="the extra `train` is not installed")
    model, network = networks.keras_model(name), networks.load(name)
    assert all(weight.dtype == "float32" for weight in model.weights)
    pixels = network.as_inputs(networks.dataset(name).test.images[:1000])
    expected = model.predict(pixels, batch_size=250, verbose=0)
    difference = np.abs(network.predict(pixels) - expected).max()
    assert difference <= 1e-4 * np.abs(expected).max()


@pytest.fixture
def copied_zoo(tmp_path, monkeypatch):
    for suffix in ("tflite", "json"):
        shutil.copy(networks.FOLDER / f"mlp.{suffix}", tmp_path)
    monkeypatch.setattr("labkit.zoo.networks.FOLDER", tmp_path)
    return tmp_path


def test_a_changed_file_is_refused(copied_zoo):
    path = copied_zoo / "mlp.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=r"mlp\.tflite is truncated or changed"):
        networks.load("mlp")


def test_a_truncated_file_is_refused(copied_zoo):
    path = copied_zoo / "mlp.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NetworkError, match="truncated or changed"):
        networks.load("mlp")


def test_a_missing_file_is_named(copied_zoo):
    (copied_zoo / "mlp.tflite").unlink()
    with pytest.raises(NetworkError, match=r"mlp\.tflite is missing: run"):
        networks.load("mlp")
    (copied_zoo / "mlp.json").unlink()
    with pytest.raises(NetworkError, match=r"mlp\.json is missing"):
        networks.record("mlp")


READERS = {
    "mlp": (
        (networks, "FOLDER"),
        lambda: (networks.record("mlp"), networks.load("mlp")),
    ),
    "lenet5-W4A4": (
        (networks.QAT, "folder"),
        lambda: networks.load_packed("lenet5", "W4A4"),
    ),
    "mlp-0.92": (
        (networks.PRUNED, "folder"),
        lambda: networks.load_pruned("mlp-0.92"),
    ),
    "resnet20-26M": (
        (networks.LOWRANK, "folder"),
        lambda: networks.LOWRANK.load("resnet20-26M"),
    ),
    "resnet8-from-resnet20": (
        (networks.DISTILLED, "folder"),
        lambda: networks.DISTILLED.load("resnet8-from-resnet20"),
    ),
}


@pytest.fixture(params=READERS)
def copied(request, tmp_path, monkeypatch):
    """The record of a network in a copy of its folder, and what reads it."""
    folder, read = READERS[request.param]
    for file in getattr(*folder).glob(f"{request.param}.*"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(*folder, tmp_path)
    return tmp_path / f"{request.param}.json", read


def is_refused_in_one_sentence(path, read) -> bool:
    """Whether it is; any other error goes on."""
    try:
        read()
    except NetworkError as error:
        text = str(error)
        assert str(path.with_suffix(""))[:-1] in text and "\n" not in text
        assert "git checkout -- " in text or "python -m labkit" in text
        return True
    return False


def test_damaged_records_are_read_or_told(copied):
    path, read = copied
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    assert not is_refused_in_one_sentence(path, read)
    refused = 0
    for _ in range(60):
        path.write_bytes(damaged(whole, rng))
        refused += is_refused_in_one_sentence(path, read)
    assert refused > 20


def test_what_a_record_lacks_or_has_of_another_kind_is_told(copied):
    path, read = copied
    whole = json.loads(path.read_text())
    of_some_kinds = {"kept", "sparsity"}  # of pruned networks
    for key in whole.keys() - of_some_kinds:
        for changed in ({key: [None]}, {}):
            record = {k: v for k, v in whole.items() if k != key} | changed
            path.write_text(json.dumps(record))
            assert is_refused_in_one_sentence(path, read), key
    path.write_text("[]")
    assert is_refused_in_one_sentence(path, read)


def test_a_run_whose_files_were_put_in_place_by_half_is_finished(
    copied_zoo, tmp_path, monkeypatch
):
    """The files do not fit each other, and the training is there: it is not lost."""
    monkeypatch.setattr("labkit.zoo.networks.RUNS", tmp_path / "runs")
    (copied_zoo / "mlp.tflite").write_bytes(b"of another training")
    with pytest.raises(NetworkError) as error:
        networks.load("mlp")
    assert "to keep your own training" not in str(error.value)
    (tmp_path / "runs" / "mlp-seed0").mkdir(parents=True)
    with pytest.raises(NetworkError) as error:
        networks.load("mlp")
    own, _, restored = str(error.value).partition("; else ")
    assert "run `python -m labkit train mlp --seed 0` again, which ends it from" in own
    assert restored.startswith("run `git checkout -- ")


@pytest.mark.parametrize("at", [0, 0.3, 0.6, 1])
def test_a_damaged_keras_file_is_refused(copied_zoo, at):
    content = bytearray((datasets.DATA_FOLDER / "models" / "mlp.keras").read_bytes())
    content[int(at * (len(content) - 1))] ^= 1
    (copied_zoo / "mlp.keras").write_bytes(content)
    with pytest.raises(NetworkError, match=r"mlp\.keras is truncated or changed"):
        networks.keras_model("mlp")
    (copied_zoo / "mlp.keras").unlink()
    with pytest.raises(NetworkError, match=r"mlp\.keras is missing"):
        networks.keras_model("mlp")


@pytest.mark.parametrize("name", networks.NAMES)
def test_the_record_has_the_sha256_of_the_keras_file(name):
    content = (networks.FOLDER / f"{name}.keras").read_bytes()
    assert networks.record(name)["keras_sha256"] == hashlib.sha256(content).hexdigest()


def test_damaged_gradients_are_told(tmp_path, monkeypatch):
    whole = (networks.GRADIENTS_FOLDER / "mlp.npz").read_bytes()
    monkeypatch.setattr("labkit.zoo.networks.GRADIENTS_FOLDER", tmp_path)
    for content in (whole[:-100], whole[:5000] + b"????" + whole[5004:], b""):
        (tmp_path / "mlp.npz").write_bytes(content)
        with pytest.raises(NetworkError, match="run `python -m labkit gradients mlp`"):
            networks.gradients("mlp")


def test_an_unknown_network_is_named():
    with pytest.raises(NetworkError, match="no network 'vgg': choose mlp, lenet5"):
        networks.load("vgg")


@pytest.mark.parametrize("name", ["mlp", "lenet5"])
def test_five_seeds_are_recorded(name):
    files = sorted(
        (networks.datasets.DATA_FOLDER / "results" / "seeds").glob(f"{name}-seed*.json")
    )
    records = [json.loads(file.read_text()) for file in files] + [networks.record(name)]
    assert sorted(record["seed"] for record in records) == [0, 1, 2, 3, 4]
    assert len({record["sha256"] for record in records}) == 5
