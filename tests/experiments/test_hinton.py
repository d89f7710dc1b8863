"""The published experiment and the sweep: what is trained, resuming, the gap."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from small_data import few_digits

from experiments.distill import hinton, temperatures
from labkit.common.file_errors import FileError
from labkit.zoo import datasets

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
from labkit.train import dense_students, fit, moves, teacher  # noqa: E402
from labkit.train.fast import Dense, SoftTargets  # noqa: E402


@pytest.fixture
def small(monkeypatch, tmp_path):
    """384 images, small networks, few epochs, results elsewhere."""
    dataset = few_digits(384)
    monkeypatch.setattr(datasets, "load_images", lambda name, full=False: dataset)
    for module in (hinton, temperatures):
        monkeypatch.setattr(module, "FILE", tmp_path / f"{module.__name__}.json")
        settings = module.SETTINGS | {"epochs": 3, "widths": [784, 12, 10]}
        monkeypatch.setattr(module, "SETTINGS", settings)
        monkeypatch.setattr(module, "SEEDS", 1)
    monkeypatch.setattr(hinton, "RUNS", tmp_path)
    monkeypatch.setattr(hinton, "RATES_FILE", tmp_path / "hinton_rates.json")
    monkeypatch.setattr(hinton, "RATES", (1e-3, 1e-2))
    monkeypatch.setattr(hinton, "CHOOSING", {"epochs": 1, "seed": 100})
    path, widths = tmp_path / "teacher.npz", (784, 20, 10)
    easy = {"batch_size": 128, "learning_rate": 3e-3, "dropout": 0.1, "shift": 0}
    first = replace(teacher.FIRST, epochs=2, **easy)
    second = replace(first, mixed_precision=True, first=first)
    short, second_alone = replace(second, first=second), replace(second, first=None)
    run, save, load, build = teacher.run, teacher.save, teacher.load, teacher.build
    monkeypatch.setattr(teacher, "build", lambda recipe: build(widths, recipe))
    monkeypatch.setattr(teacher, "RECIPE", short)
    monkeypatch.setattr(teacher, "ALL_IMAGES", second_alone)
    monkeypatch.setattr(teacher, "run", partial(run, recipe=short))
    monkeypatch.setattr(teacher, "save", lambda model, to=path: save(model, to))
    monkeypatch.setattr(teacher, "load", lambda its=path: load(its))
    digest = teacher.digest
    monkeypatch.setattr(teacher, "digest", lambda its=path: digest(its))
    monkeypatch.setattr(temperatures, "RATES_FILE", tmp_path / "rates.json")
    monkeypatch.setattr(temperatures, "RATES", (1e-3, 1e-2))
    monkeypatch.setattr(temperatures, "CHOOSING_SEEDS", (100, 101))
    monkeypatch.setattr(temperatures, "WIDTHS", (12,))
    monkeypatch.setattr(temperatures, "TEMPERATURES", (1, 20))
    monkeypatch.setattr(temperatures, "ALPHAS", (0,))
    return tmp_path


@pytest.mark.long
def test_everything_is_trained_once(small, monkeypatch):
    hinton.main()
    rows = json.loads(hinton.FILE.read_text())["rows"]
    teachers = ["teacher", "teacher, all images"]
    assert [row["case"] for row in rows] == [*teachers, *hinton.CASES]
    found = {row["case"]: row for row in rows}
    for case in ("teacher", "alone", "distilled"):
        assert len(found[case]["wrong"]) == found[case]["errors"] < 384
    for case in ("no 3s", "only 7s and 8s"):
        assert {"offset", "errors_moved", "errors_on_classes"} <= set(found[case])
    tried = json.loads(hinton.RATES_FILE.read_text())["rows"]
    assert len(tried) == 4 * 2
    for case, row in found.items():
        assert ("all images" in case) == ("validation_errors" not in row)
        if case not in teachers:
            assert row["learning_rate"] == hinton.rate_for(tried, case)
    for case in ("no 3s", "distilled, all images"):
        assert found[case]["learning_rate"] == found["distilled"]["learning_rate"]
    monkeypatch.setattr(hinton, "one", None)
    hinton.main()  # complete: nothing is trained
    temperatures.main()
    sweep = json.loads(temperatures.FILE.read_text())["rows"]
    told = [(row["temperature"], row["alpha"]) for row in sweep]
    assert told == [(1, 0.9), (20, 0.9), (4, 0)]
    assert all(0 < row["test_errors"] < 384 for row in sweep)
    rates = json.loads(temperatures.RATES_FILE.read_text())["rows"]
    assert len(rates) == 3 * 2 * 2
    for row in sweep:
        told = row["width"], row["temperature"], row["alpha"]
        assert row["learning_rate"] == temperatures.rate_for(rates, *told)
    run = json.loads(temperatures.FILE.read_text())
    temperatures.FILE.write_text(json.dumps(run | {"rows": sweep[:1]}))
    temperatures.main()
    again = json.loads(temperatures.FILE.read_text())["rows"]
    for row, other in zip(sweep, again, strict=True):
        assert row | {"seconds": 0} == other | {"seconds": 0}


def test_students_of_another_teacher_or_rate_are_refused(small):
    rates = [
        {"case": "alone", "learning_rate": rate, "validation_errors": errors}
        for rate, errors in ((1e-3, 9), (3e-3, 7))
    ]
    right = {"case": "alone", "learning_rate": 3e-3}
    taught = {"case": "teacher", "sha256": teacher.digest()}
    hinton.check([taught, right], rates)
    for wrong in (taught | {"sha256": "other"}, right | {"learning_rate": 1e-3}):
        with pytest.raises(ValueError, match=f"{wrong['case']}: made with another"):
            hinton.check([wrong], rates)


def test_the_sweep_is_the_issue_s():
    assert len(temperatures.TEMPERATURES) == 7 and temperatures.WIDTHS == (30, 100, 300)
    told = {tuple(entry.values()) for entry in temperatures.wanted()}
    assert len(told) == 5 * 3 * (7 + 5)


def test_each_width_and_temperature_has_the_rate_of_fewest_validation_errors():
    rows = [
        {"width": 30, "temperature": 4, "alpha": alpha, "learning_rate": rate}
        | {"validation_errors": errors}
        for alpha, rate, errors in (
            (0.9, 1e-2, 200), (0.9, 3e-3, 180), (0.9, 1e-3, 180), (0, 1e-2, 170)
        )
    ]  # fmt: skip
    assert temperatures.rate_for(rows, 30, 4, 0.9) == 1e-3
    assert temperatures.rate_for(rows, 30, 4, 0.25) == 1e-3
    assert temperatures.rate_for(rows, 30, 4, 0) == 1e-2
    told = {"width": 30, "temperature": 4, "alpha": 0.25}
    temperatures.check([told | {"learning_rate": 1e-3}], rows)
    with pytest.raises(ValueError, match="30 units, T = 4: made with another"):
        temperatures.check([told | {"learning_rate": 1e-2}], rows)
    seeds = {entry["seed"] for entry in temperatures.wanted()}
    assert not seeds & set(temperatures.CHOOSING_SEEDS)


def test_a_teacher_is_kept_to_float16(tmp_path):
    model = teacher.build((784, 6, 5, 10))
    path = teacher.save(model, tmp_path / "t.npz")
    network = teacher.load(path)
    images = datasets.load_images("mnist").test.images[:20]
    pixels = images.reshape(20, -1).astype(np.float32) / 255
    np.testing.assert_allclose(
        network.logits(images), model(pixels).numpy(), atol=5e-3, rtol=5e-3
    )
    with pytest.raises(FileError, match=r"experiments\.distill\.hinton"):
        teacher.load(tmp_path / "none.npz")


@pytest.mark.long
def test_the_teacher_s_units_have_short_weights(eager, small):
    model, log = teacher.run(few_digits(384), small / "run")
    norms = np.linalg.norm(model.get_layer("fc1").get_weights()[0], axis=0)
    assert len(log["epochs"]) == 6 and norms.max() <= teacher.LARGEST_NORM + 1e-5
    rates = [layer.rate for layer in model.layers if "dropout" in layer.name]
    np.testing.assert_allclose(rates, [0.04, 0.1])
    assert teacher.FIRST.dropout == 0.5 and teacher.FIRST.shift == 2
    _, again = teacher.run(few_digits(384), small / "run")  # from all checkpoints
    assert again == log
    longer = replace(teacher.RECIPE, epochs=3)
    with pytest.raises(FileError, match="holds a run with another recipe"):
        teacher.run(few_digits(384), small / "run", recipe=longer)


def test_all_images_are_those_of_training_and_validation():
    dataset = few_digits(50)
    both = hinton.with_validation(dataset)
    assert len(both.train) == 100 and both.test is dataset.test
    np.testing.assert_array_equal(both.train.index[50:], dataset.validation.index)
    split, soft = hinton.targets_of("alone, all images", dataset)
    assert len(split) == 100 and soft is None


@pytest.mark.long
@pytest.mark.parametrize("anew", [True, False])
def test_the_teacher_is_the_mean_of_its_ends(eager, small, anew):
    """But for the first end of one that is begun anew."""
    start = None if anew else Dense.untrained((784, 20, 10), 5)
    model, _ = teacher.run(few_digits(384), small / "run", start=start)
    folders = [small / "run", small / "run/first", small / "run/first/first"]
    ends = [
        keras.models.load_model(folder / fit.CHECKPOINT).get_weights()
        for folder in folders[: 2 if anew else 3]
    ]
    for mean, *weights in zip(model.get_weights(), *ends, strict=True):
        assert (weights[0] != weights[1]).any()
        np.testing.assert_allclose(mean, np.mean(weights, axis=0), atol=1e-6)


def test_a_teacher_that_goes_on_begins_there(eager, small):
    start = Dense.untrained((784, 20, 10), 5)
    recipe = replace(teacher.ALL_IMAGES, learning_rate=0.0)
    on, folder = few_digits(384), small / "on"
    model, log = teacher.run(on, folder, recipe=recipe, start=start)
    assert len(log["epochs"]) == 2
    for got, given in zip(model.get_weights()[::2], start.kernels, strict=True):
        np.testing.assert_allclose(got, given, atol=1e-4)  # norms are kept each step


@pytest.mark.long
def test_students_of_one_seed_differ_in_what_they_are_told():
    """With alpha 0 a teacher changes nothing: same start, same order, same moves."""
    split = datasets.load_images("mnist").train.take(200)
    widths, seen = (784, 10, 10), []
    wise = Dense.untrained(widths, 9)
    table = moves.logits_everywhere(wise.logits, split, 1)

    def student(seed, soft=None, **more):
        return dense_students.train(widths, split, 100, seed, soft, 1, **more).kernels[
            0
        ]

    alone = student(3, report=lambda *now: seen.append(now))
    assert [step for step, _ in seen] == [100] and isinstance(seen[0][1], Dense)
    deaf = student(3, SoftTargets(table, 4.0, 0.0))
    np.testing.assert_allclose(alone, deaf, atol=1e-4)
    assert np.abs(alone - student(3, SoftTargets(table, 4.0, 0.9))).max() > 1e-2
    assert (alone != student(4)).any()


def test_a_student_without_steps_or_images_is_one_sentence():
    split = datasets.load_images("mnist").train
    for steps, images in ((0, 5), (3, 0)):
        with pytest.raises(ValueError, match="give 1 or more of each"):
            dense_students.train((784, 10), split.take(images), steps, 0)


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
    split = hinton.with_digits(datasets.load_images("mnist").train.take(500), (7, 8))
    assert set(split.labels) == {7, 8}
    np.testing.assert_array_equal(
        split.images, datasets.load_images("mnist").train.images[split.index]
    )
