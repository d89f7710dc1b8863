"""The table of transfers: every kind is trained once, from the same weights."""

import json

import pytest
from few import few_digits

from benchmarks import transfers
from labkit import data

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")


@pytest.fixture
def small(monkeypatch, tmp_path):
    dataset = few_digits(128)
    monkeypatch.setattr(data, "load", lambda name: dataset)
    monkeypatch.setattr(transfers, "FILE", tmp_path / "transfers.json")
    settings = transfers.SETTINGS | {"images": 128, "epochs": 3, "batch_size": 32}
    settings["learning_rate"] = 0.01
    monkeypatch.setattr(transfers, "SETTINGS", settings)
    monkeypatch.setattr(transfers, "SEEDS", 1)


def test_trainings_go_on_where_they_stopped(small, monkeypatch):
    monkeypatch.setattr(transfers, "KINDS", ("alone", "features, projected"))
    transfers.main()
    rows = json.loads(transfers.FILE.read_text())["rows"]
    assert [row["kind"] for row in rows] == ["alone", "features, projected"]
    assert all(0 < row["test_accuracy"] < 1 for row in rows)
    first, second = ((r["validation_accuracy"], r["test_accuracy"]) for r in rows)
    assert first != second
    monkeypatch.setattr(transfers, "one", None)
    transfers.main()  # complete: nothing is trained


@pytest.mark.parametrize("kind", transfers.KINDS)
def test_every_kind_has_its_model(kind):
    from labkit.train import distilling, fit
    from labkit.train import transfers as steps

    student = fit.build("lenet5", widths=transfers.SETTINGS["widths"])
    model = transfers.taught(kind, fit.build("lenet5"), student)
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
