"""Pruning over seeds: equal bytes, equal steps, what is removed, resuming."""

import json

import numpy as np
import pytest

from experiments import dense_runs, resumed
from experiments.prune import schedules, smaller
from labkit import zoo
from labkit.compress.pruned import pack_zeros
from labkit.measure.correctness import accuracy
from labkit.packed.compressed import unpack
from labkit.zoo import datasets


def test_the_widest_network_that_fits_in_the_bytes():
    for budget in (240_000, 102_117, 24_379):
        hidden = smaller.widths_within(budget)
        assert len(dense_runs.with_widths(hidden)) <= budget
        first, second = hidden
        wider = first + 1, max(10, round((first + 1) / 3))
        assert len(dense_runs.with_widths(wider)) > budget
        assert second == max(10, round(first / 3))
    assert smaller.widths_within(10**7) == (300, 100)
    assert smaller.widths_within(len(dense_runs.with_widths((1, 10)))) == (1, 10)
    with pytest.raises(ValueError, match="no network of this kind has a file of 100"):
        smaller.widths_within(100)


def test_the_learning_rate_falls_from_its_peak_to_zero():
    found = dense_runs.rates(400)
    peak = dense_runs.SETTINGS["learning_rate"]
    assert found[0] == peak and found[200] == pytest.approx(peak / 2)
    assert 0 < found[-1] < 1e-3 * peak and (np.diff(found) < 0).all()


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The experiments on 400 images, 200 + 400 steps, one seed, one sparsity."""
    pytest.importorskip("keras", reason="the extra `train` is not installed")
    brief = dense_runs.SETTINGS | {"dense_steps": 200}
    monkeypatch.setattr(dense_runs, "SETTINGS", brief)
    monkeypatch.setattr(dense_runs, "SEEDS", 1)
    monkeypatch.setattr(dense_runs, "RUNS", tmp_path / "runs")
    for experiment in (smaller, schedules):
        name = f"{experiment.__name__.rpartition('.')[2]}.json"
        monkeypatch.setattr(experiment, "FILE", tmp_path / name)
        monkeypatch.setattr(experiment, "SPARSITIES", (0.9,))
        monkeypatch.setattr(experiment, "STEPS", 400)
        monkeypatch.setattr(experiment, "PRUNINGS", 2)
    dataset = datasets.Dataset("mnist")
    for name in ("train", "validation", "test"):
        dataset.__dict__[name] = getattr(datasets.load_images("mnist"), name).take(400)
    monkeypatch.setattr(datasets, "load_images", lambda name, full=False: dataset)
    monkeypatch.setattr(resumed, "machine", lambda: "a machine")
    return dataset


@pytest.fixture
def wide():
    """mlp as a network of `labkit.train.fast`."""
    pytest.importorskip("keras", reason="the extra `train` is not installed")
    from labkit.train.fast import Dense

    weights, layers = zoo.load("mlp").weights, dense_runs.LAYERS
    kernels = tuple(weights[f"{layer}/kernel"].T for layer in layers)
    return Dense(kernels, tuple(weights[f"{layer}/bias"] for layer in layers))


def test_a_network_and_its_file_say_the_same(wide):
    images = zoo.dataset("mlp").test.images[:50]
    file = dense_runs.as_file(wide)
    np.testing.assert_allclose(file.predict(images), wide.logits(images), atol=1e-3)
    narrow = smaller.without_neurons(wide, (40, 12))
    file = dense_runs.as_file(narrow)
    assert [len(w) for w in file.kernels.values()] == [40, 12, 10]
    np.testing.assert_allclose(file.predict(images), narrow.logits(images), atol=1e-3)


def test_the_neurons_of_least_norm_go_with_what_reads_them(wide):
    narrow = smaller.without_neurons(wide, (299, 100))
    norms = np.abs(wide.kernels[0]).sum(axis=0)
    gone = norms.argmin()
    for now, before, axis in (
        (narrow.kernels[0], wide.kernels[0], 1),
        (narrow.kernels[1], wide.kernels[1], 0),
        (narrow.biases[0], wide.biases[0], 0),
    ):
        np.testing.assert_array_equal(now, np.delete(before, gone, axis))
    np.testing.assert_array_equal(narrow.kernels[2], wide.kernels[2])


def test_random_masks_remove_as_many_of_each_layer(wide):
    by_size = dense_runs.magnitude_masks(wide, 0.95)
    prune = dense_runs.at_random(0.95, [3, 9])
    found = prune(wide, 0)
    for kept, other in zip(found, by_size, strict=True):
        assert kept.shape == other.shape and kept.sum() == other.sum()
        assert (kept != other).any()
    assert prune(wide, 100) is None
    for kept, same in zip(
        found, dense_runs.at_random(0.95, [3, 9])(wide, 0), strict=True
    ):
        np.testing.assert_array_equal(kept, same)


def test_magnitude_removes_what_the_schedule_says(wide):
    prune = dense_runs.by_magnitude("cubic", 0.9, rising=400, prunings=2)
    for step, sparsity in (
        (0, 0),
        (100, 0),
        (200, 0.9 * 7 / 8),
        (400, 0.9),
        (900, 0.9),
    ):
        kept = sum(int(mask.sum()) for mask in prune(wide, step))
        assert kept == pytest.approx(266_200 * (1 - sparsity), abs=1)


@pytest.mark.long
def test_pruned_or_smaller_from_begin_to_end(small, monkeypatch):
    smaller.main()
    run = json.loads(smaller.FILE.read_text())
    dense, pruned, removed, narrow = run["rows"]
    assert [row["kind"] for row in run["rows"]] == ["dense", *smaller.KINDS]
    assert dense["steps"] == 200 and dense["hidden"] == [300, 100]
    for row in (pruned, removed, narrow):
        assert row["steps"] == 600 and row["accuracy"] > 0.5
    assert pruned["parameters"] == 26_620 + 410
    assert pruned["size_bytes"] < dense["size_bytes"] / 5
    for row in (removed, narrow):
        assert row["hidden"] == list(smaller.widths_within(pruned["size_bytes"]))
        assert row["size_bytes"] <= pruned["size_bytes"]
    assert removed["accuracy"] != narrow["accuracy"]
    run["rows"] = run["rows"][:3]
    smaller.FILE.write_text(json.dumps(run))
    smaller.main()  # goes on with the last row, from the same masks and orders
    again = json.loads(smaller.FILE.read_text())["rows"][-1]
    assert again | {"seconds": 0} == narrow | {"seconds": 0}
    monkeypatch.setattr(smaller, "row", None)
    smaller.main()  # complete: nothing is trained


def test_all_kinds_see_as_many_images_in_the_same_order(small, monkeypatch):
    phases = []

    def spy(start, split, steps, seed, prune=None):
        phases.append((steps, tuple(seed)))
        return start

    monkeypatch.setattr(dense_runs, "phase", spy)
    same, seen = {"sparsity": 0.9, "seed": 0}, {}
    rows = [{"kind": smaller.PRUNED, "size_bytes": 100_000} | same]
    for kind in smaller.KINDS:
        smaller.second_phase(kind, **same, rows=rows, dataset=small)
        seen[kind] = phases.copy()
        phases.clear()
    first, second = seen[smaller.SMALL]
    assert (first[0], second[0]) == (200, 400) and first[1] != second[1]
    assert seen[smaller.PRUNED] == [first, second]
    assert seen[smaller.REMOVED] == [second]  # the first one lies in runs/


@pytest.mark.long
def test_a_pruned_network_is_packed_in_the_bytes_of_its_row(small):
    dataset = small
    network = smaller.second_phase(smaller.PRUNED, 0.9, 0, [], dataset)
    row = smaller.row({"kind": smaller.PRUNED, "sparsity": 0.9, "seed": 0}, [], dataset)
    packed = pack_zeros(dense_runs.as_file(network)).packed
    assert row["size_bytes"] == len(packed)
    assert accuracy(unpack(packed), dataset.test).value == row["accuracy"]
    assert sum((w == 0).sum() for w in network.kernels) == round(0.9 * 266_200)


@pytest.mark.long
def test_schedules_from_begin_to_end(small):
    schedules.main()
    run = json.loads(schedules.FILE.read_text())
    assert [row["kind"] for row in run["rows"]] == list(schedules.KINDS)
    for row in run["rows"]:
        assert sum(row["nonzero"]) == 26_620
        assert ("before" in row) == (row["kind"] in schedules.AT_ONCE)
        assert row["dense_accuracy"] == run["rows"][0]["dense_accuracy"]
    one_shot, iterative, cubic, random = run["rows"]
    assert random["nonzero"] == one_shot["nonzero"]
    assert random["before"] < one_shot["before"]
    assert len({row["accuracy"] for row in (one_shot, iterative, cubic)}) > 1


def test_a_run_with_other_settings_is_not_gone_on_with(tmp_path):
    path = tmp_path / "run.json"
    head = {"command": "python -m it", "settings": {"steps": 1}}
    wanted = [{"seed": 0}, {"seed": 1}]
    made = resumed.complete(path, head, wanted, lambda entry, rows: {"seconds": 1})
    assert json.loads(path.read_text()) == made
    assert [row["seed"] for row in made["rows"]] == [0, 1] and made["seconds"] == 2
    resumed.complete(path, head, wanted, None)
    with pytest.raises(ValueError, match="run.json was made with other settings"):
        resumed.complete(path, head | {"settings": {"steps": 2}}, wanted, None)
