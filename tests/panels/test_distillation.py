"""The distillation panels: figures, progress, cancel; a teacher's real outputs."""

import io
import threading
import time

import numpy as np
import pytest
from drive_controls import WAIT, few_images, nothing_kept, turns
from matplotlib.image import imread

from labkit import distill, measure, zoo
from labkit.distill import dark_knowledge
from labkit.model.resize import resize_dense
from labkit.panels.distillation import panel, report
from labkit.panels.distillation.panel import compute, distillation_panel
from labkit.panels.distillation.plot import Course, title
from labkit.panels.temperature import panel as temperature
from labkit.panels.temperature.panel import PLACES, answers, ranked, temperature_panel
from labkit.plots.base import figure
from labkit.train import child

SMALL = 200
MLP = zoo.load("mlp")


@pytest.fixture(autouse=True)
def small_test_set(monkeypatch):
    few_images(monkeypatch, SMALL, "test")
    with nothing_kept():
        yield


def student_arrays(width, seed):
    rng, found = np.random.default_rng(seed), {}
    widths = (784, width, width, 10)
    for k in (1, 2, 3):
        found[f"fc{k}/kernel"] = rng.normal(0, 0.2, (widths[k], widths[k - 1]))
        found[f"fc{k}/bias"] = np.zeros(widths[k])
    return found


@pytest.fixture
def fake_training(monkeypatch):
    """Trainings that take no time and give random students; their log."""
    asked = []

    def quick(
        teacher,
        width,
        temperature,
        alpha,
        images,
        steps,
        seed,
        cancelled=None,
        seconds=None,
    ):
        asked.append((teacher, width, temperature, alpha, images, steps, seed))
        content, arrays = io.BytesIO(), {}
        for k, student in enumerate(("alone", "distilled")):
            for step in (100, steps):
                yield child.Progress(step, steps, 1 / step, student=student)
            found = student_arrays(width, [seed, k])
            arrays |= {f"{student}/{name}": a for name, a in found.items()}
        np.savez(content, **arrays)
        yield child.Progress(steps, steps, 0.0, content.getvalue(), "distilled")

    monkeypatch.setattr(child, "distillation", quick)
    return asked


def shown(result):
    return {p.kind: (p.accuracy, p.size_bytes) for p in result.points}


def direct(settings):
    """The figures of a setting without the panel."""
    data = zoo.dataset(settings["network"])
    networks = {"float": zoo.load(settings["network"])}
    if settings["images"]:
        for k, student in enumerate(("alone", "distilled")):
            arrays = student_arrays(settings["width"], [settings["seed"], k])
            networks[student] = resize_dense(MLP, arrays)
    return {
        kind: (measure.accuracy(network, data.test).value, len(network))
        for kind, network in networks.items()
    }


def test_every_control_to_its_ends(fake_training):
    panel = distillation_panel("mlp", images=100)
    panel.set()
    for result in turns(panel):
        assert shown(result) == direct(result.settings)
        said = "".join(report.lines(result))
        for accuracy, _ in shown(result).values():
            assert f"{100 * accuracy:.2f} %" in said
        assert f"exact on all {SMALL}" in panel.readout


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
    states = [report.state(p) for p in compute("mlp", images=500)]
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
    assert (
        "(200 of 500 steps: what this machine takes in 20 s)"
        in report.lines(result)[-1]
    )
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


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"width": 50}, "width is 50: choose one of 10, 30, 100, 300"),
        ({"alpha": 2}, "alpha is 2: choose one of 0.25"),
        ({"network": "resnet8"}, "network is 'resnet8': choose one of 'lenet5', 'mlp'"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_sentence(settings, sentence):
    with pytest.raises(ValueError) as raised:
        distillation_panel(**settings)
    assert str(raised.value).startswith(sentence)


def test_the_code_reproduces_the_figures(capsys, fake_training):
    panel = distillation_panel("mlp", images=100, seed=2)
    result = panel.set()
    capsys.readouterr()
    exec(panel.code, {})
    said = capsys.readouterr().out
    for name, kind in (("teacher", "float"), ("alone",) * 2, ("distilled",) * 2):
        assert f"{name}: {shown(result)[kind][0]:.2%}" in said
    assert fake_training == [("mlp", 30, 4, 0.9, 100, 500, 2)] * 2


def test_saved_files_are_the_measured_ones(tmp_path, fake_training):
    panel = distillation_panel("mlp", images=100)
    result = panel.set()
    paths = panel.save(tmp_path)
    assert [path.name for path in paths] == [
        "student30-100images-seed0-alone.tflite",
        "student30-100images-seed0-T4-alpha0.9-from-mlp.tflite",
    ]
    for path, network in zip(paths, result.students.values(), strict=True):
        assert path.read_bytes() == network.to_bytes()
    rows, _ = report.rows(result)
    stages = [row.stage for row in rows]
    assert stages == ["teacher mlp", "student, alone", "student, distilled"]
    assert all(row.latency and row.deflated_bytes for row in rows)


def test_every_number_of_the_course_moves_pixels(fake_training):
    *_, result = compute("mlp", images=100)

    def drawn(course):
        picture = figure(8.6, 3.4)
        shown = panel.Position(
            result.settings,
            result.network,
            result.total,
            course,
            result.students,
            result.accuracies,
        )
        panel.plot.draw(picture, shown)
        return imread(io.BytesIO(picture.png()))

    course = Course(500).after("alone", 100, 0.5)
    first = drawn(course)
    for other in (
        Course(400, course.losses),
        Course(500).after("alone", 100, 0.7),
        Course(500).after("distilled", 100, 0.5),
        course.after("alone", 200, 0.4),
    ):
        assert (drawn(other) != first).any()


# The temperature panel


@pytest.mark.parametrize("place", [0, 10**6])
def test_a_place_without_an_image_is_refused(place):
    with pytest.raises(ValueError, match=f"place is {place}: give 1 to .* 4s at hand"):
        next(temperature.compute("mlp", place=place))


def test_the_temperature_panel_says_what_numpy_says():
    panel = temperature_panel("mlp", digit=7)
    panel.set()
    split, logits = zoo.dataset("mlp").validation, zoo.load("mlp")
    for result in turns(panel):
        soft, now = result.soft, result.settings
        row = int(np.flatnonzero(split.index == soft.number)[0])
        assert split.labels[row] == soft.label == now["digit"]
        answer = logits.predict(split.images[[row]])
        p = distill.soften(answer[0], now["temperature"])
        np.testing.assert_allclose(soft.probabilities, p, rtol=1e-3, atol=1e-6)
        wrong = dark_knowledge.nearest_wrong(answer, split.labels[[row]])[0]
        said = panel.readout
        assert soft.nearest == wrong and f"the nearest wrong class {wrong} has" in said
        assert f"entropy {soft.entropy():.3f} nats" in said
        assert f"{100 * soft.probabilities[soft.nearest]:.2f} %" in said


def test_the_first_image_tells_most_and_is_told_right():
    split, logits = zoo.dataset("lenet5").validation, answers("lenet5")
    for digit in range(10):
        order = ranked(logits, split.labels, digit)
        assert len(order) >= PLACES[-1]
        told = dark_knowledge.told(logits[order], split.labels[order], 4.0)
        assert (np.diff(told) <= 1e-12).all()
        assert (logits[order].argmax(axis=1) == digit).all()


def test_the_temperature_panel_s_code_and_picture(capsys):
    panel = temperature_panel("mlp", digit=3, place=5, temperature=8)
    soft = panel.set().soft
    capsys.readouterr()
    exec(panel.code, {})
    said = capsys.readouterr().out
    assert f"image {soft.number}: nearest wrong class {soft.nearest}" in said
    assert f"entropy {soft.entropy():.3f} nats" in said
    first = panel.figure.png()
    assert f"T = 8: 0: {100 * soft.probabilities[0]:.1f} %" in panel.alt
    panel.set(temperature=10)
    assert panel.figure.png() != first
    panel.set(temperature=8)
    assert panel.figure.png() == first
    fresh = figure(*temperature.LESSON.size)
    temperature.plot.draw(fresh, panel.result)
    np.testing.assert_array_equal(
        imread(io.BytesIO(fresh.png())), imread(io.BytesIO(first))
    )


def test_a_run_in_a_cell_keeps_its_picture_without_tensorflow():
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(source)
        for source in (
            "from labkit.panels import distillation_panel, temperature_panel",
            "temperature_panel('mlp', temperature=4)",
            "distillation_panel('mlp')",
            "import sys\nprint('keras' in sys.modules)",
        )
    ]
    NotebookClient(notebook, timeout=WAIT, kernel_name="python3").execute()
    for cell, part in zip(notebook.cells[1:3], ("T = 4", "no training"), strict=True):
        (picture,) = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        assert part in picture.metadata["image/png"]["alt"]
    assert notebook.cells[3].outputs[-1].text.strip() == "False"
