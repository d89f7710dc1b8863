"""`python -m labkit distill`: the files it writes, resuming, students that pair."""

import json
from dataclasses import replace

import numpy as np
import pytest
from check_asserts import assert_reaches
from long import quick
from small_data import few_digits

from labkit import zoo
from labkit.__main__ import main
from labkit.common.file_errors import FileError
from labkit.measure.correctness import accuracy
from labkit.zoo import datasets

pytest.importorskip("keras", reason="the extra `train` is not installed")
from labkit.train import distilling  # noqa: E402
from labkit.train.commands import distillation  # noqa: E402


@pytest.fixture
def small(monkeypatch, tmp_path, eager):
    dataset = few_digits(256)
    monkeypatch.setattr(datasets, "load_images", lambda name, full=False: dataset)
    recipe = replace(distilling.STUDENT_RECIPES["mlp"], epochs=2, warmup_epochs=0)
    monkeypatch.setitem(distilling.STUDENT_RECIPES, "mlp", recipe)
    for folder in ("RUNS", "RESULTS"):
        monkeypatch.setattr(distillation, folder, tmp_path / folder)
    monkeypatch.setattr(zoo.DISTILLED, "folder", tmp_path / "models")
    return tmp_path


def record(path):
    return json.loads(path.read_text())


def test_a_student_is_put_in_place(small):
    main(["distill", "mlp", "--teacher", "mlp"])
    found = record(small / "models" / "mlp-from-mlp.json")
    assert found == record(small / "RESULTS" / "mlp-from-mlp-seed0.json")
    network = zoo.DISTILLED.load("mlp-from-mlp")
    assert network.digest == found["sha256"] and zoo.DISTILLED.names() == [
        "mlp-from-mlp"
    ]
    test = accuracy(network, few_digits(256).test)
    assert len(found["wrong"]) == round(256 * (1 - found["test_accuracy"]))
    assert set(test.index[~test.correct]) == set(found["wrong"])
    assert found["command"].endswith("distill mlp --teacher mlp --seed 0")


@pytest.mark.parametrize(
    ("options", "name", "alpha"),
    quick(
        [
            (["--seed", "1"], "mlp-from-mlp-seed1.json", 0.9),
            (["--alone"], "mlp-alone-seed0.json", 0.0),
            (["--seed", "1", "--epochs", "1"], "mlp-from-mlp-1-epochs-seed1.json", 0.9),
        ],
        (["--alone"], "mlp-alone-seed0.json", 0.0),
    ),
)
def test_another_seed_and_a_student_alone_leave_records_only(
    small, options, name, alpha
):
    main(["distill", "mlp", "--teacher", "mlp", *options])
    (path,) = (small / "RESULTS").iterdir()
    found = record(path)
    assert path.name == name and found["alpha"] == alpha
    assert found["epochs"] == len(found["history"]) == (1 if "1-epochs" in name else 2)
    assert found["command"] == f"python -m labkit {' '.join(_command(options))}"
    assert not (small / "models").exists()


def _command(options):
    """How a run's record says it was started: the seed first, then what differs."""
    seed = [] if "--seed" in options else ["--seed", "0"]
    return ["distill", "mlp", "--teacher", "mlp", *seed, *options]


def test_a_student_alone_begins_with_the_same_weights(small, monkeypatch):
    began = []

    def spy(model, log, recipe, dataset, folder):
        began.append((log["alpha"], model.student.get_weights()))
        return log

    monkeypatch.setattr("labkit.train.fit.resume", spy)
    for alpha in (0.0, 0.9):
        distilling.run("mlp", "mlp", alpha, small / "run", 3)
    (alone, first), (taught, second) = began
    assert (alone, taught) == (0.0, 0.9)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_told_otherwise_is_refused(small, monkeypatch):
    distilling.run("mlp", "mlp", 0.9, small / "run", 0)
    with pytest.raises(FileError, match="a run with another alpha: delete"):
        distilling.run("mlp", "mlp", 0.5, small / "run", 0)


@pytest.mark.long
def test_an_interrupted_training_goes_on(small, monkeypatch):
    def trained(folder):
        model, log = distilling.run("mlp", "mlp", 0.9, small / folder, 0)
        return model.get_weights(), log

    whole, log = trained("a")
    full = distilling.STUDENT_RECIPES["mlp"]
    resume = distilling.fit.train

    def interrupted(model, log, recipe, dataset, folder):
        stopped = replace(recipe, epochs=1)
        resume(model, log, stopped, dataset, folder)

    monkeypatch.setattr("labkit.train.fit.train", interrupted)
    half, _ = trained("b")
    monkeypatch.setattr("labkit.train.fit.train", resume)
    rest, log_again = trained("b")
    assert full.epochs == len(log["epochs"]) == len(log_again["epochs"]) == 2
    assert (half[0] != whole[0]).any()
    for one, other in zip(whole, rest, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_teacher_of_other_inputs_is_one_sentence(small):
    sentence = "mlp reads .784,. and lenet5 .28, 28, 1."
    with pytest.raises(ValueError, match=sentence):
        distilling.run("mlp", "lenet5", 0.9, small, 0)


@pytest.mark.parametrize("images", quick([1000, 10_000], 1000))
@pytest.mark.parametrize("title", zoo.DISTILLED.names())
def test_a_committed_student_errs_where_its_record_says(title, images):
    record, network = zoo.DISTILLED.record(title), zoo.DISTILLED.load(title)
    assert record["teacher_sha256"] == zoo.load(record["teacher"]).digest
    test = zoo.dataset(record["name"]).test.take(images)
    right = accuracy(network, test)
    wrong = set(test.index[~right.correct].tolist())
    recorded = set(record["wrong"]) & set(test.index.tolist())
    assert len(wrong ^ recorded) <= 5 * images // 10_000 + 1


@pytest.mark.long
@pytest.mark.parametrize("title", zoo.DISTILLED.names())
def test_a_committed_student_reaches_what_its_record_says(title):
    assert_reaches(zoo.DISTILLED.record(title), zoo.DISTILLED.load(title))
