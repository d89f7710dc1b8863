"""The distillation panels: figures, progress, cancel; a teacher's real outputs."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from drive_controls import WAIT, few_images, nothing_kept
from fake_trainings import fake_distillation
from matplotlib.colors import to_hex

from labkit import zoo
from labkit.distill import dark_knowledge
from labkit.panels.distillation import panel, report
from labkit.panels.distillation.panel import distillation_panel
from labkit.panels.distillation.plot import Course, title
from labkit.panels.temperature import panel as temperature
from labkit.panels.temperature.panel import PLACES, answers, ranked
from labkit.plots.base import BLUE, GREY, VERMILLION, figure
from labkit.plots.plane import KINDS, Marks
from labkit.train import child

SMALL = 200


@pytest.fixture(autouse=True)
def small_test_set(monkeypatch):
    few_images(monkeypatch, SMALL, "test")
    with nothing_kept():
        yield


@pytest.fixture
def fake_training(monkeypatch):
    return fake_distillation(monkeypatch)


def shown(result):
    return {p.kind: (p.accuracy, p.size_bytes) for p in result.points}


def test_the_default_trains_nothing(fake_training):
    panel = distillation_panel()
    result = panel.set()
    assert set(shown(result)) == {"float"} and not fake_training
    assert "not trained: choose images" in report.lines(result)[-1]
    assert title(result.course) == "no training"
    panel.pin()  # nothing but the teacher to pin: no error
    (path,) = report.files(result)
    assert path == "lenet5.tflite"


def test_progress_in_states(fake_training):
    positions = panel.SPEC.positions(network="mlp", images=500)
    states = [report.state(p) for p in positions]
    for text in ("starting TensorFlow", "600 of 2 x 500 steps; Cancel", "exact"):
        assert any(text in state for state in states), text


def test_a_position_visited_twice_trains_once(fake_training):
    panel = distillation_panel("mlp", guess=0.9)
    first = panel.set(images=100)
    panel.set(images=0)
    again = panel.set(images=100)
    assert len(fake_training) == 1 and shown(first) == shown(again)
    assert first.course == again.course
    panel.set(temperature=20, seed=3)
    assert fake_training[-1] == ("mlp", 30, 20, 0.9, 100, 500, 3)
    assert "Your guess: 90.00 %" in panel.alt


def slow_training(log):
    def slow(teacher, width, t, alpha, images, steps, seed, cancelled, seconds):
        log.append(f"{width} begins")
        while not cancelled():
            yield child.Progress(100, steps, 0.5, student="alone")
            time.sleep(0.01)
        log.append(f"{width} ends")

    return slow


def wait_for(condition):
    limit = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_cancel_and_the_latest_setting_wins(monkeypatch):
    log = []
    monkeypatch.setattr(child, "distillation", slow_training(log))
    panel = distillation_panel("mlp")
    before = panel.set()
    panel.control("images").value = 500
    wait_for(lambda: panel.result.course.done)
    panel.control("width").value = 100
    wait_for(lambda: log[-1] == "100 begins")
    panel.button("Cancel").click()
    after = panel.wait(WAIT)
    assert log == ["30 begins", "30 ends", "100 begins", "100 ends"]
    assert panel.settings["images"] == panel.control("images").value == 0
    assert shown(after) == shown(before)
    assert "panel distillation" not in [t.name for t in threading.enumerate()]


def test_fewer_steps_than_asked_are_said(monkeypatch, fake_training):
    """A slow machine takes 200 steps: the picture and the readout say so."""
    whole = child.distillation
    monkeypatch.setattr(
        child, "distillation", lambda *how: whole(*how[:5], 200, *how[6:])
    )
    result = distillation_panel("mlp").set(images=500)
    assert result.course.steps == 200 and result.course.done == 400
    said = f"(200 of 500 steps: what this machine takes in {child.SECONDS:g} s)"
    assert said in report.lines(result)[-1]
    assert any("this machine's" in note for note in report.rows(result)[1])


def test_a_training_that_fails_is_in_sight(monkeypatch):
    def failing(*_):
        yield child.Progress(100, 500, 0.5, student="alone")
        raise child.TrainingError("the training failed: no memory")

    monkeypatch.setattr(child, "distillation", failing)
    panel = distillation_panel("mlp")
    panel.control("images").value = 100
    with pytest.raises(child.TrainingError, match="no memory"):
        panel.wait(WAIT)
    assert "TrainingError: the training failed: no memory" in panel.readout


def test_the_code_reproduces_the_figures(capsys, fake_training):
    panel = distillation_panel("mlp", images=100, seed=2)
    result = panel.set()
    capsys.readouterr()
    exec(panel.code, {})
    said = capsys.readouterr().out
    for name, kind in (("teacher", "float"), ("alone",) * 2, ("distilled",) * 2):
        assert f"{name}: {shown(result)[kind][0]:.2%}" in said
    assert fake_training == [("mlp", 30, 4, 0.9, 100, 500, 2)] * 2


@pytest.mark.parametrize("student", ["alone", "distilled"])
def test_a_course_is_drawn_at_its_figures(student, fake_training):
    """Its losses in the student's colour, the bar at the foot, then the title."""
    picture = figure(*panel.SPEC.size)
    base = next(panel.SPEC.positions(network="mlp"))
    for course in (Course(500), Course(400).after(student, 100, 0.5)):
        course = course.after(student, 200, 0.4)
        alt = panel.SPEC.draw(picture, replace(base, course=course), Marks())
        axes = picture.axes[1]
        (line,) = [line for line in axes.lines if len(line.get_xdata())]
        assert [(x, y) for x, y in line.get_xydata()] == list(course.losses[student])
        assert to_hex(line.get_color()).upper() == KINDS[student][0]
        (bar,) = axes.patches
        assert bar.get_x() + bar.get_width() == course.done / 2
        assert axes.get_xlim() == (0, 1.04 * course.steps)
        assert axes.texts[-1].get_text() == title(course) in alt
        assert f"{student}: loss 0.4 at step 200" in alt


# The temperature panel


@pytest.mark.parametrize("place", [0, 10**6])
def test_a_place_without_an_image_is_refused(place):
    with pytest.raises(ValueError, match=f"place is {place}: give 1 to .* 4s at hand"):
        next(temperature.compute({"network": "mlp", "digit": 4, "place": place}))


def test_the_first_image_tells_most_and_is_told_right():
    split, logits = zoo.dataset("lenet5").validation, answers("lenet5")
    for digit in range(10):
        order = ranked(logits, split.labels, digit)
        assert len(order) >= PLACES[-1]
        told = dark_knowledge.information_beyond_label(
            logits[order], split.labels[order], 4.0
        )
        assert (np.diff(told) <= 1e-12).all()
        assert (logits[order].argmax(axis=1) == digit).all()


def test_the_temperature_picture_has_the_teacher_s_probabilities():
    """On a kept frame: one bar a class, and the curves' marks at this temperature."""
    spec = temperature.SPEC
    picture = figure(*spec.size)
    for t in (10, 8):
        result = next(spec.positions(network="mlp", temperature=t, digit=3, place=5))
        alt = spec.draw(picture, result, Marks())
        p = result.soft.probabilities
        assert f"T = {t}: 0: {100 * p[0]:.1f} %" in alt
        (axes,) = [axes for axes in picture.axes if len(axes.patches) == 10]
        bars = [bar.get_height() for bar in axes.patches]
        np.testing.assert_allclose(bars, p, rtol=1e-9)
        colours = [to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
        assert colours[3] == BLUE and colours[result.soft.nearest] == VERMILLION
        assert set(colours) == {BLUE, VERMILLION, GREY}
        assert [text.get_text() for text in axes.texts[-11:-1]] == [
            f"{100 * one:.1f}" for one in p
        ]
