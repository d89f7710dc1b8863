"""The panel of training with rounding: figures, progress, cancel, no training lost."""

import threading
import time
from dataclasses import replace

import psutil
import pytest
from drive_controls import WAIT, few_images, nothing_kept
from fake_trainings import fake_quantized_training
from recomputed.qat import CALIBRATION

from labkit import measure, zoo
from labkit.packed import compressed
from labkit.panels.base import Panel
from labkit.panels.qat import panel as training
from labkit.panels.qat import report
from labkit.panels.qat.panel import qat_panel
from labkit.train import child

NETWORKS = zoo.NAMES
SMALL = 200


@pytest.fixture
def small_test_set(monkeypatch):
    """The first images of each set: a large network's 10,000 take seconds."""
    few_images(monkeypatch, SMALL, "test")
    for module in (training, report):
        monkeypatch.setattr(module, "CALIBRATION_IMAGES", CALIBRATION)


@pytest.fixture(autouse=True)
def own_trainings():
    """No training of one test is another's."""
    with nothing_kept():
        yield


@pytest.fixture
def fake_training(monkeypatch):
    return fake_quantized_training(monkeypatch)


def shown(result):
    return {p.kind: (p.accuracy, p.size_bytes) for p in result.points}


def test_the_default_trains_nothing(small_test_set, fake_training):
    *_, result = training.SPEC.positions()
    assert set(shown(result)) == {"float", "packed"} and not fake_training
    assert result.settings["network"] == "resnet8"
    assert "not trained: choose steps" in report.lines(result)[-1]
    assert "no training" in training.plot.title(result.course)


@pytest.mark.long
def test_a_live_training_end_to_end(small_test_set, monkeypatch):
    """One tiny step moves next to nothing: it starts where rounding ended."""
    monkeypatch.setitem(training.STEPS, "mlp", (0, 1))
    seen = []
    state = report.state
    spied = replace(training.SPEC, state=lambda p: seen.append(state(p)) or seen[-1])
    panel = Panel(spied, network="mlp", weights=3, activations=8)
    panel.control("steps").value = 1
    result = panel.wait(WAIT)
    assert [step for step, _ in result.course.losses] == [1]
    assert set(shown(result)) == {"float", "packed", "trained"}
    bits = {k: q.bits for k, q in result.trained.quantized.items()}
    assert bits == {"fc1": 8, "fc2": 3, "fc3": 8}
    network = compressed.unpack(result.trained.packed)
    assert network.digest == result.trained.network.digest
    found = measure.accuracy(network, zoo.dataset("mlp").test).value
    assert shown(result)["trained"] == (found, len(result.trained.packed))
    assert any("starting Keras" in state for state in seen)
    assert seen[-1] == f"exact on all {SMALL} test images"
    rows, notes = report.rows(result)
    assert [row.stage for row in rows] == ["float32", "W3A8, rounded", "W3A8, trained"]
    assert len({row.parameters for row in rows}) == 1 and notes
    assert all(row.latency and row.deflated_bytes for row in rows)
    before, after = result.rounded.quantized["fc2"], result.trained.quantized["fc2"]
    assert (after.q == before.q).mean() > 0.97
    assert after.scale == pytest.approx(before.scale, rel=0.05)


def test_progress_in_states(small_test_set, fake_training):
    positions = training.SPEC.positions(network="mlp", steps=50)
    states = [report.state(p) for p in positions]
    for text in ("starting Keras", "step 5 of 50; Cancel", "writing the file", "exact"):
        assert any(text in state for state in states), text
    order = [i for i, state in enumerate(states) if "exact" in state]
    assert order == list(range(order[0], len(states)))


def slow_training(log):
    """A training that goes on until it is cancelled."""

    def slow(name, setting, steps, seed, cancelled, seconds):
        log.append(f"{setting} begins")
        while not cancelled():
            yield child.Progress(5, steps, 0.5)
            time.sleep(0.01)
        log.append(f"{setting} ends")

    return slow


def wait_for(condition):
    limit = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_cancel_ends_the_training_and_leaves_the_rounded_network(
    small_test_set, monkeypatch
):
    log = []
    monkeypatch.setattr(child, "training", slow_training(log))
    panel = qat_panel("mlp")
    before = panel.set()
    panel.control("steps").value = 200
    wait_for(lambda: panel.result.course.done)
    panel.button("Cancel").click()
    after = panel.wait(WAIT)
    assert log == ["W4A4 begins", "W4A4 ends"]
    assert panel.settings["steps"] == panel.control("steps").value == 0
    assert shown(after) == shown(before) and after.course.steps == 0


def test_cancel_ends_the_process(small_test_set):
    panel = qat_panel("mlp")
    panel.set()
    mine = psutil.Process()
    before = set(mine.children(recursive=True))
    panel.control("steps").value = 200
    wait_for(lambda: set(mine.children(recursive=True)) - before)
    panel.button("Cancel").click()
    assert panel.wait(WAIT).course.steps == 0
    assert set(mine.children(recursive=True)) <= before


def test_the_latest_setting_wins(small_test_set, monkeypatch):
    log = []
    monkeypatch.setattr(child, "training", slow_training(log))
    panel = qat_panel("mlp", steps=0)
    panel.set()
    panel.control("steps").value = 50
    wait_for(lambda: panel.result.course.done)
    panel.control("weights").value = 2
    wait_for(lambda: log[-1] == "W2A4 begins")
    panel.control("steps").value = 0
    assert panel.wait(WAIT).settings["weights"] == 2
    assert log == ["W4A4 begins", "W4A4 ends", "W2A4 begins", "W2A4 ends"]


def test_a_position_visited_twice_trains_once(small_test_set, fake_training):
    panel = qat_panel("lenet5")
    first = panel.set(steps=50)
    panel.set(steps=0)
    again = panel.set(steps=50)
    assert fake_training == [("lenet5", "W4A4", 50, 0)]
    assert shown(first) == shown(again)
    assert first.course.losses == again.course.losses
    assert again.course.done == 50
    panel.set(seed=1)
    assert fake_training[1:] == [("lenet5", "W4A4", 50, 1)]


def test_fewer_steps_than_asked_are_said(small_test_set, monkeypatch, fake_training):
    """A slow machine takes 20 of 50 steps: name, file, readout and code say so."""
    whole = child.training
    monkeypatch.setattr(child, "training", lambda *how: whole(*how[:2], 20, *how[3:]))
    panel = qat_panel("mlp")
    for result in (panel.set(steps=50), panel.set(steps=50)):
        assert result.course.steps == result.course.done == 20
        assert result.points[-1].name == "W4A4, 20 steps"
        assert "mlp-W4A4-20steps-seed0.packed" in report.files(result)
        said = report.lines(result)[-1]
        assert said.startswith("W4A4, 20 steps (20 of 50 steps: what this machine")
        assert any("this machine's" in note for note in report.rows(result)[1])
    assert "steps=50" in (code := report.code(result.settings))
    assert f"seconds={child.SECONDS:g}" in code


def test_a_training_that_fails_is_in_sight(small_test_set, monkeypatch):
    def failing(*_):
        yield child.Progress(5, 50, 0.5)
        raise child.TrainingError("the training failed: no memory")

    monkeypatch.setattr(child, "training", failing)
    panel = qat_panel("mlp")
    panel.control("steps").value = 50
    with pytest.raises(child.TrainingError, match="no memory"):
        panel.wait(WAIT)
    assert "TrainingError: the training failed: no memory" in panel.readout
    panel.control("steps").value = 0
    assert "exact" in report.state(panel.wait(WAIT))


def test_a_training_in_a_cell_shows_how_far_it_is(small_test_set, fake_training):
    """`set` waits for the end; on the page the picture moves on the way."""
    drawn = []

    def draw(_figure, result, _marks):
        drawn.append(result.course.done)
        return ""

    panel = Panel(replace(training.SPEC, draw=draw), network="mlp")
    panel.set(steps=50)
    assert drawn == [50]
    panel.show()
    drawn.clear()
    panel.set(steps=100)
    assert len(drawn) > 1 and drawn[0] == 0 and drawn[-1] == 100


def test_no_thread_is_left(small_test_set, fake_training):
    panel = qat_panel("mlp")
    panel.control("steps").value = 50
    panel.wait(WAIT)
    panel.set(steps=0)
    assert "panel training" not in [thread.name for thread in threading.enumerate()]
