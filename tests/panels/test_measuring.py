"""Accuracies that panels keep: every click order, whatever is known before."""

import io
import threading
import time

import numpy as np
import pytest
from drive_controls import WAIT, few_images, nothing_kept
from long import quick

from labkit import compress, measure, zoo
from labkit.measure.timing import Latency
from labkit.panels import measuring, one_by_one
from labkit.panels.activations.panel import activations_panel
from labkit.panels.distillation.panel import distillation_panel
from labkit.panels.pruning.panel import pruning_panel
from labkit.panels.qat import panel
from labkit.panels.qat.panel import qat_panel
from labkit.panels.quantization.panel import quantization_panel
from labkit.panels.worker import never
from labkit.train import child

IMAGES = 2600  # more than 2,500, the last but two of the stages
KNOWN = (0, 250, 2500, IMAGES)


@pytest.fixture(autouse=True)
def few_and_nothing_kept(monkeypatch):
    few_images(monkeypatch, IMAGES, "test")
    monkeypatch.setattr(panel, "CALIBRATION_IMAGES", 20)
    with nothing_kept():
        yield


@pytest.fixture(autouse=True)
def fake_trainings(monkeypatch):
    """Trainings that take no time: of QAT, and of two students."""

    def quantized(name, setting, steps, seed, cancelled, seconds):
        yield child.Progress(steps, steps, 1.0)
        eight = compress.quantize_network(zoo.load(name), 8, "channel").packed
        yield child.Progress(steps, steps, 1.0, eight)

    def distilled(teacher, width, t, alpha, images, steps, *_):
        yield child.Progress(steps, steps, 1.0, student="alone")
        rng, content, arrays = np.random.default_rng(width), io.BytesIO(), {}
        shapes = {"fc1": (width, 784), "fc2": (width, width), "fc3": (10, width)}
        for student in ("alone", "distilled"):
            for layer, shape in shapes.items():
                arrays[f"{student}/{layer}/kernel"] = rng.normal(0, 0.2, shape)
                arrays[f"{student}/{layer}/bias"] = np.zeros(shape[0])
        np.savez(content, **arrays)
        yield child.Progress(steps, steps, 1.0, content.getvalue(), "distilled")

    monkeypatch.setattr(child, "training", quantized)
    monkeypatch.setattr(child, "distillation", distilled)


@pytest.fixture
def no_latency(monkeypatch):
    """The clock alone takes longer than all else here."""
    monkeypatch.setattr(measuring, "latencies", lambda models: {})


@pytest.fixture
def held(monkeypatch):
    """Measuring stops after the first stage until `set` or cancelled."""
    resume, real = threading.Event(), measure.refine

    def refine(runnable, split, stages, cancelled=never):
        for accuracy in real(runnable, split, stages, cancelled):
            yield accuracy
            while not (resume.is_set() or cancelled()):
                time.sleep(0.002)

    monkeypatch.setattr("labkit.measure.correctness.refine", refine)
    return resume


def click(panel, name, value):
    panel.control(name).value = value


def until(condition):
    limit = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.002)


def know(name, n):
    """Have the float32 network measured on the first n test images, as a panel does."""
    if n:
        list(measuring.growing(zoo.load(name), zoo.dataset(name).test, (n,), never))


def assert_exact(result):
    """Each point is what a measurement of its own gives, on all images."""
    points = {point.kind: point for point in result.points}
    assert {point.n for point in points.values()} == {IMAGES}
    test = zoo.dataset(result.settings["network"]).test
    expected = measure.accuracy(result.network, test).value
    assert points["float"].accuracy == expected
    return points


def test_another_network_then_steps_before_its_measuring_ends(held, no_latency):
    panel = qat_panel("mlp")
    click(panel, "network", "lenet5")
    until(lambda: panel.result and panel.result.settings["network"] == "lenet5")
    assert panel.result.base_accuracy.n == 250
    click(panel, "steps", 50)
    held.set()
    assert set(assert_exact(panel.wait(WAIT))) == {"float", "packed", "trained"}


def test_another_teacher_then_images_at_once(held, no_latency):
    panel = distillation_panel("lenet5")
    click(panel, "network", "mlp")
    until(lambda: panel.result and panel.result.settings["network"] == "mlp")
    assert panel.result.accuracies["teacher"].n == 250
    click(panel, "images", 500)
    held.set()
    assert set(assert_exact(panel.wait(WAIT))) == {"float", "alone", "distilled"}


def test_another_teacher_in_a_training_then_any_slider(held, no_latency):
    panel = distillation_panel("lenet5", images=500)
    click(panel, "network", "mlp")
    until(lambda: panel.result and panel.result.settings["network"] == "mlp")
    click(panel, "temperature", 8)
    until(lambda: panel.result.settings["temperature"] == 8)
    click(panel, "alpha", 0.5)
    held.set()
    result = panel.wait(WAIT)
    assert (result.settings["temperature"], result.settings["alpha"]) == (8, 0.5)
    assert set(assert_exact(result)) == {"float", "alone", "distilled"}


@pytest.mark.parametrize("known", quick(KNOWN, 250))
@pytest.mark.parametrize("first", ["network", "amount"])
@pytest.mark.parametrize(
    ("panel_of", "name", "amount"),
    [(qat_panel, "steps", 50), (distillation_panel, "images", 500)],
)
def test_both_orders_of_clicks_whatever_is_known(
    panel_of, name, amount, first, known, no_latency
):
    know("mlp", known)
    panel = panel_of("lenet5")
    clicks = {"network": ("network", "mlp"), "amount": (name, amount)}
    click(panel, *clicks.pop(first))
    ((control, value),) = clicks.values()
    click(panel, control, value)
    if panel.settings[name] != amount:  # another network begins without steps
        click(panel, name, amount)
    points = assert_exact(panel.wait(WAIT))
    assert len(points) == 3 and panel.settings["network"] == "mlp"
    click(panel, name, 0)
    assert len(assert_exact(panel.wait(WAIT))) == 3 - len(
        set(points) - {"float", "packed"}
    )


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize(
    "stages", [(), (250,), (250, None), (250, 1000, 2500, 5000, None), (None,), (2500,)]
)
def test_all_files_stand_at_each_stage(stages, known):
    know("mlp", known)
    one, split = zoo.load("mlp"), zoo.dataset("mlp").test
    other = compress.quantize_network(one, 3).network
    ends = [*dict.fromkeys(IMAGES if n is None else min(n, IMAGES) for n in stages)]
    found = list(measuring.together({"one": one, "other": other}, split, stages, never))
    assert [now["other"].n for now in found] == ends
    if known < IMAGES:
        assert [now["one"].n for now in found] == ends
    else:
        assert {now["one"].n for now in found} <= {IMAGES}
    for now in found:
        for name, file in (("one", one), ("other", other)):
            alone = measure.accuracy(file, split, now[name].n)
            np.testing.assert_array_equal(now[name].correct, alone.correct)
            np.testing.assert_array_equal(now[name].index, alone.index)


def test_a_cancelled_stage_is_in_no_file_and_the_rest_is_measured_later():
    files = {
        "one": zoo.load("mlp"),
        "other": compress.quantize_network(zoo.load("mlp"), 3).network,
    }
    split, asked = zoo.dataset("mlp").test, []

    def cancelled():  # `one` runs 2 batches, then `other` is cancelled in its second
        asked.append(1)
        return len(asked) > 3

    assert list(measuring.together(files, split, (250, None), cancelled)) == []
    found = measuring.together(files, split, (250, None), never)
    assert [[a.n for a in now.values()] for now in found] == [[250] * 2, [IMAGES] * 2]


def test_a_smaller_measurement_never_replaces_a_larger_one(monkeypatch):
    network, split = zoo.load("mlp"), zoo.dataset("mlp").test
    slow = measuring.growing(network, split, (250, 500), never)
    assert next(slow).n == 250  # begun, when nothing was known
    know("mlp", IMAGES)
    assert next(slow).n == 500
    monkeypatch.setattr(
        "labkit.measure.correctness.refine", lambda *_: pytest.fail("it runs again")
    )
    for stages in ((250,), (250, None), (None,)):
        found = measuring.growing(network, split, stages, never)
        assert {accuracy.n for accuracy in found} == {IMAGES}


def test_threads_that_measure_one_file_leave_the_largest():
    network, split = zoo.load("mlp"), zoo.dataset("mlp").test
    stages = [(250,), (500, 1000), (1000,), (125, 250), (2000,), (750,)]
    threads = [
        threading.Thread(
            target=lambda s=s: list(measuring.growing(network, split, s, never))
        )
        for s in stages
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    (again,) = measuring.growing(network, split, (2000,), never)
    assert again.n == 2000
    known = measuring.CACHE.peek((measuring._stages, network.digest, split.digest))
    assert len(known) == 2000


@pytest.fixture
def counted_latencies(monkeypatch):
    """Latencies that count how often they were measured."""
    rounds = []

    def latency(models):
        rounds.append(tuple(models))
        time_us = float(len(rounds))
        return {name: Latency(time_us, 1, 1, 30, 1, "cpu") for name in models}

    monkeypatch.setattr("labkit.measure.timing.latency", latency)
    return rounds


def test_a_latency_is_measured_once_and_again_when_asked(counted_latencies):
    panel = pruning_panel("mlp")
    assert panel.set().latency["zeros"].median_us == 1
    panel.set(sparsity=0.9)
    assert panel.set(sparsity=0.8).latency["zeros"].median_us == 1
    panel.button("Measure again").click()
    assert panel.wait(WAIT).latency["zeros"].median_us == 3
    assert panel.measure_again().latency["zeros"].median_us == 4
    assert panel.set().latency["zeros"].median_us == 4
    assert panel.set(sparsity=0.9).latency["zeros"].median_us == 5


def test_a_slow_file_is_timed_again(monkeypatch, counted_latencies):
    monkeypatch.setattr(one_by_one, "MACS", 0)
    monkeypatch.setattr("labkit.panels.activations.panel.SLOW_MACS", 0)
    panel = activations_panel("mlp", activation_bits=16)
    before = panel.set().latency["static"]
    assert panel.set().latency["static"] is before
    assert panel.measure_again().latency["static"] is not before


def test_a_deployable_file_that_failed_is_tried_again(monkeypatch, counted_latencies):
    from labkit.compress import deploy

    def short(*_):
        raise RuntimeError("Failed to allocate memory for the graph.")

    panel = quantization_panel("mlp", bits=8)
    with monkeypatch.context() as patched:
        patched.setattr(deploy, "_quantized", short)
        result = panel.set()
        assert result.unavailable == "Failed to allocate memory for the graph."
    result = panel.measure_again()
    assert result.unavailable is None and result.deployed_accuracy.n == IMAGES
