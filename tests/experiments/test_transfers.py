"""The table of transfers: every kind is trained once, from the same weights."""

import json

import pytest
from small_data import few_digits

from experiments.distill import transfers
from labkit.zoo import datasets

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")


@pytest.fixture
def small(monkeypatch, tmp_path):
    dataset = few_digits(128)
    monkeypatch.setattr(datasets, "load_images", lambda name: dataset)
    monkeypatch.setattr(transfers, "FILE", tmp_path / "transfers.json")
    monkeypatch.setattr(transfers, "WEIGHTS_FILE", tmp_path / "weights.json")
    settings = transfers.SETTINGS | {"images": 128, "epochs": 3, "batch_size": 32}
    settings["learning_rate"] = 0.01
    monkeypatch.setattr(transfers, "SETTINGS", settings)
    monkeypatch.setattr(transfers, "SEEDS", 1)


@pytest.mark.long
def test_trainings_go_on_where_they_stopped(eager, small, monkeypatch):
    monkeypatch.setattr(transfers, "KINDS", ("alone", "features, projected"))
    monkeypatch.setattr(transfers, "WEIGHTS", {"features, projected": (0.01, 1.0)})
    transfers.main()
    tried = json.loads(transfers.WEIGHTS_FILE.read_text())["rows"]
    rows = json.loads(transfers.FILE.read_text())["rows"]
    assert [row["kind"] for row in rows] == ["alone", "features, projected"]
    assert all(0 < row["test_accuracy"] < 1 for row in rows)
    best = transfers.best_weight(tried, "features, projected")
    assert len(tried) == 2 and [row["weight"] for row in rows] == [None, best]
    first, second = ((r["validation_accuracy"], r["test_accuracy"]) for r in rows)
    assert first != second
    monkeypatch.setattr(transfers, "one", None)
    transfers.main()  # complete: nothing is trained


def test_the_weight_is_the_best_on_validation_images():
    rows = [
        {"kind": "jacobian", "weight": weight, "validation_accuracy": accuracy}
        for weight, accuracy in ((10.0, 0.9), (1.0, 0.9), (0.1, 0.8))
    ]
    assert transfers.best_weight(rows, "jacobian") == 1.0
    assert transfers.best_weight(rows, "soft targets") is None


@pytest.mark.parametrize("kind", transfers.KINDS)
def test_every_kind_has_its_model(kind):
    from labkit.train import distilling, fit
    from labkit.train import transfers as steps

    student = fit.build("lenet5", widths=transfers.SETTINGS["widths"])
    model = transfers.taught(kind, 0.5, fit.build("lenet5"), student)
    assert not model.teacher.trainable_variables
    gradients, features = steps.GradientTransfer, steps.FeatureTransfer
    wanted = {
        "jacobian": gradients,
        "loss gradient": gradients,
        "attention": features,
        "relations": features,
    }
    assert type(model) is wanted.get(kind, distilling.Teaching)
    if kind == "alone":
        assert model.student_loss_weight == 1
