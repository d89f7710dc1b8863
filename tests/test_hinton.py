"""The published experiment and the sweep: what is trained, resuming, the gap."""

import json
from dataclasses import replace

import numpy as np
import pytest
from few import few_digits

from benchmarks import distillation, hinton
from labkit import data

pytest.importorskip("keras", reason="the extra `train` is not installed")
from labkit.train import students, teacher  # noqa: E402
from labkit.train.fast import Dense  # noqa: E402


@pytest.fixture
def small(monkeypatch, tmp_path):
    """384 images, small networks, few epochs, results elsewhere."""
    dataset = few_digits(384)
    monkeypatch.setattr(data, "load", lambda name, full=False: dataset)
    for module in (hinton, distillation):
        monkeypatch.setattr(module, "FILE", tmp_path / f"{module.__name__}.json")
        settings = module.SETTINGS | {"epochs": 3, "widths": [784, 12, 10]}
        monkeypatch.setattr(module, "SETTINGS", settings)
        monkeypatch.setattr(module, "SEEDS", 1)
    monkeypatch.setattr(hinton, "RUNS", tmp_path)
    path, recipe = tmp_path / "teacher.npz", teacher.RECIPE
    easy = {"batch_size": 16, "learning_rate": 3e-3, "dropout": 0.1, "shift": 0}
    first = replace(recipe.first, epochs=3, **easy)
    short = replace(recipe, epochs=2, first=first, **easy)
    widths = (784, 20, 10)
    run, save, load, build = teacher.run, teacher.save, teacher.load, teacher.build
    monkeypatch.setattr(teacher, "build", lambda recipe: build(widths, recipe))
    monkeypatch.setattr(teacher, "run", lambda d, f: run(d, f, recipe=short))
    monkeypatch.setattr(teacher, "save", lambda model: save(model, path))
    monkeypatch.setattr(teacher, "load", lambda: load(path))
    monkeypatch.setattr(distillation, "RATES_FILE", tmp_path / "rates.json")
    monkeypatch.setattr(distillation, "RATES", (1e-3, 1e-2))
    monkeypatch.setattr(distillation, "WIDTHS", (12,))
    monkeypatch.setattr(distillation, "TEMPERATURES", (1, 20))
    monkeypatch.setattr(distillation, "ALPHAS", (0,))
    return tmp_path


def test_everything_is_trained_once(small, monkeypatch):
    hinton.main()
    rows = json.loads(hinton.FILE.read_text())["rows"]
    assert [row["case"] for row in rows] == ["teacher", *hinton.CASES]
    found = {row["case"]: row for row in rows}
    for case in ("teacher", "alone", "distilled"):
        assert len(found[case]["wrong"]) == found[case]["errors"] < 384
    for case in ("no 3s", "only 7s and 8s"):
        assert {"offset", "errors_moved", "errors_on_classes"} <= set(found[case])
    monkeypatch.setattr(hinton, "one", None)
    hinton.main()  # complete: nothing is trained
    distillation.main()
    sweep = json.loads(distillation.FILE.read_text())["rows"]
    told = [(row["temperature"], row["alpha"]) for row in sweep]
    assert told == [(1, 0.9), (20, 0.9), (4, 0)]
    assert all(0 < row["test_errors"] < 384 for row in sweep)
    rates = json.loads(distillation.RATES_FILE.read_text())["rows"]
    assert len(rates) == 3 * 2
    for row in sweep:
        told = row["width"], row["temperature"], row["alpha"]
        assert row["learning_rate"] == distillation.best_rate(rates, *told)
    run = {"rows": sweep[:1], "settings": distillation.SETTINGS}
    distillation.FILE.write_text(json.dumps(run))
    distillation.main()
    again = json.loads(distillation.FILE.read_text())["rows"]
    for row, other in zip(sweep, again, strict=True):
        assert row | {"seconds": 0} == other | {"seconds": 0}


def test_the_sweep_is_the_issue_s():
    assert len(distillation.TEMPERATURES) == 7 and distillation.WIDTHS == (30, 100, 300)
    told = {tuple(entry.values()) for entry in distillation.wanted()}
    assert len(told) == 5 * 3 * (7 + 5)


def test_each_width_and_temperature_has_the_rate_of_fewest_validation_errors():
    rows = [
        {"width": 30, "temperature": 4, "alpha": alpha, "learning_rate": rate}
        | {"validation_errors": errors}
        for alpha, rate, errors in (
            (0.9, 1e-2, 200), (0.9, 3e-3, 180), (0.9, 1e-3, 180), (0, 1e-2, 170)
        )
    ]  # fmt: skip
    assert distillation.best_rate(rows, 30, 4, 0.9) == 1e-3
    assert distillation.best_rate(rows, 30, 4, 0.25) == 1e-3
    assert distillation.best_rate(rows, 30, 4, 0) == 1e-2
    seeds = {entry["seed"] for entry in distillation.wanted()}
    assert distillation.CHOOSING_SEED not in seeds


def test_a_teacher_is_kept_to_float16(tmp_path):
    model = teacher.build((784, 6, 5, 10))
    path = teacher.save(model, tmp_path / "t.npz")
    network = teacher.load(path)
    images = data.load("mnist").test.images[:20]
    pixels = images.reshape(20, -1).astype(np.float32) / 255
    np.testing.assert_allclose(
        network.logits(images), model(pixels).numpy(), atol=5e-3, rtol=5e-3
    )
    with pytest.raises(FileNotFoundError, match=r"benchmarks\.hinton"):
        teacher.load(tmp_path / "none.npz")


def test_the_teacher_s_units_have_short_weights(small):
    model, log = teacher.run(few_digits(384), small / "run")
    norms = np.linalg.norm(model.get_layer("fc1").get_weights()[0], axis=0)
    assert len(log["epochs"]) == 5 and norms.max() <= teacher.LARGEST_NORM + 1e-5
    rates = [layer.rate for layer in model.layers if "dropout" in layer.name]
    np.testing.assert_allclose(rates, [0.04, 0.1])
    assert teacher.FIRST.dropout == 0.5 and teacher.FIRST.shift == 2
    _, again = teacher.run(few_digits(384), small / "run")  # from both checkpoints
    assert again == log


def test_students_of_one_seed_differ_in_what_they_are_told():
    split = data.load("mnist").train.take(200)
    widths, seen = (784, 10, 10), []
    a = students.train(widths, split, 100, 3, report=lambda *now: seen.append(now))
    b = students.train(widths, split, 100, 3)
    c = students.train(widths, split, 100, 4)
    np.testing.assert_array_equal(a.kernels[0], b.kernels[0])
    assert (a.kernels[0] != c.kernels[0]).any()
    assert [step for step, _ in seen] == [100] and isinstance(seen[0][1], Dense)


def test_moved_biases_are_chosen_on_validation_images():
    """A network that takes each 3 for a 5, by 0.45, while all else is sure by 1."""
    dataset = few_digits(300)

    class Never3:
        def logits(self, images):
            for split in (dataset.validation, dataset.test):
                if split.images is images:
                    found = np.eye(10)[split.labels]
                    found[split.labels == 3, 5] = 1.45
                    return found

    row = hinton.judged(Never3(), dataset, (3,))
    threes = int((dataset.test.labels == 3).sum())
    assert (row["errors"], row["errors_on_classes"]) == (threes, threes)
    assert row["validation_errors"] == (dataset.validation.labels == 3).sum()
    assert (row["offset"], row["errors_moved"]) == (0.5, 0)
    assert row["errors_moved_on_classes"] == 0 and "wrong" not in row


def test_only_some_digits():
    split = hinton.with_digits(data.load("mnist").train.take(500), (7, 8))
    assert set(split.labels) == {7, 8}
    np.testing.assert_array_equal(
        split.images, data.load("mnist").train.images[split.index]
    )
