"""Distillation as repair: training mends, and what is damaged stays damaged."""

import json

import numpy as np
import pytest
from small_data import few_digits

from experiments import dense_runs
from experiments.distill import repair
from labkit.zoo import datasets

pytest.importorskip("keras", reason="the extra `train` is not installed")


@pytest.fixture
def brief(monkeypatch, tmp_path):
    """Few digits, short trainings, two seeds' files elsewhere; returns the digits."""
    short = dense_runs.SETTINGS | {"dense_steps": 200}
    monkeypatch.setattr(dense_runs, "SETTINGS", short)
    monkeypatch.setattr(dense_runs, "SEEDS", 1)
    monkeypatch.setattr(dense_runs, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(repair, "FILE", tmp_path / "repair.json")
    monkeypatch.setattr(repair, "STEPS", 100)
    monkeypatch.setattr(repair, "BITS", {"2 bits": 2})
    monkeypatch.setattr(repair, "TEMPERATURES", {"T = 4": 4})
    monkeypatch.setattr(repair, "TOLD", ("nothing", "labels", "T = 4"))
    dataset = few_digits(1000)
    monkeypatch.setattr(datasets, "load_images", lambda name, full=False: dataset)
    return dataset


@pytest.mark.long
def test_training_repairs_every_damage(brief, monkeypatch):
    repair.main()
    run = json.loads(repair.FILE.read_text())
    errors = {(r["damage"], r["told"]): r["test_errors"] for r in run["rows"]}
    assert len(errors) == 4 * 3
    for damage in ("98.4 % zeros", "2 bits", "low rank"):
        assert errors[damage, "nothing"] > errors["none", "nothing"]
        for told in ("labels", "T = 4"):
            assert errors[damage, told] < errors[damage, "nothing"]
        assert errors[damage, "labels"] != errors[damage, "T = 4"]
    monkeypatch.setattr(repair, "row", None)
    repair.main()  # complete: nothing is trained


@pytest.mark.long
def test_zeros_and_levels_stay_as_few(brief):
    dense = dense_runs.trained(0, brief)
    network = repair.damaged(dense, "98.4 % zeros", brief, 0)
    trained = repair.repaired(network, dense, "T = 4", 0, brief)
    for before, after in zip(network.kernels, trained.kernels, strict=True):
        assert not after[before == 0].any() and (after != before).any()
    assert sum(np.count_nonzero(k) for k in trained.kernels) <= 0.0161 * 266_200
    rounded = repair.damaged(dense, "2 bits", brief, 0)
    assert repair.repaired(rounded, dense, "labels", 0, brief).bits == 2
