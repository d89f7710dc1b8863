"""The budget panel without a browser: every control to its ends, figures recomputed."""

import numpy as np
import pytest
from drive_controls import TURNED, WAIT, few_images, turns

from labkit import compress, measure, zoo
from labkit.compress.budget import bits, sensitivity
from labkit.model.graph import NetworkError
from labkit.packed import compressed
from labkit.panels.budget.panel import LESSON, RULE, START, budget_panel, compute
from labkit.panels.budget.report import lines, nats
from labkit.plots.base import figure

SMALL = 300


@pytest.fixture
def small_sets(monkeypatch):
    """The first images of each set: a large network's 15,000 take seconds."""
    few_images(monkeypatch, SMALL, "test", "validation")


def direct(settings):
    """The figures of a setting without the panel."""
    network = zoo.load(settings["network"])
    data = zoo.dataset(settings["network"])
    found = sensitivity.committed_sensitivity(network, RULE)
    how = {k: settings[k] for k in ("method", "granularity", "free")}
    offered = bits.bit_options(network, found, **how)
    made = bits.mixed_precision(
        network, offered, len(network) * settings["budget"] / 100
    )
    loss = sensitivity.score(made.compressed.network, data.validation).loss
    return {
        "float": (measure.accuracy(network, data.test).value, len(network)),
        "packed": (
            measure.accuracy(made.compressed.network, data.test).value,
            made.compressed.size_bytes,
        ),
        "bits": made.bits,
        "predicted": made.predicted_loss,
        "loss": loss - found.base.loss,
    }


def agrees(result):
    """The panel's figures are those of a direct call, and the readout says them."""
    wanted = direct(result.settings)
    shown = {p.kind: (p.accuracy, p.size_bytes) for p in result.points}
    assert shown == {kind: wanted[kind] for kind in shown}
    assert result.chosen.bits == wanted["bits"]
    assert result.chosen.predicted_loss == wanted["predicted"]
    assert result.loss == pytest.approx(wanted["loss"], abs=1e-6)
    said = "".join(lines(result))
    for accuracy, _ in shown.values():
        assert f"{100 * accuracy:.2f} %" in said
    assert f"{wanted['packed'][1]:,} of {result.budget_bytes:,} bytes" in said
    assert f"{nats(wanted['predicted'])} predicted" in said
    assert f"{nats(result.loss)} measured" in said
    assert wanted["packed"][1] <= result.budget_bytes


@pytest.mark.parametrize("name", TURNED)
def test_every_control_to_its_ends(name, small_sets):
    panel = budget_panel(name)
    agrees(panel.set())
    for result in turns(panel):
        agrees(result)
        assert "exact on all" in panel.readout


def test_from_network_to_network(small_sets):
    panel = budget_panel("resnet8", free=("conv1", "fc"))
    for name in ("mlp", "lenet5", "resnet20", "resnet8"):
        panel.control("network").value = name
        result = panel.wait(WAIT)
        assert result.settings["network"] == name and result.settings["free"] is None
        agrees(result)


@pytest.mark.parametrize("name", zoo.NAMES)
def test_a_first_estimate_comes_before_everything_slow(name):
    first = next(compute(network=name, budget=13))
    assert first.accuracy.n == 250 and first.loss is None and first.latency is None
    assert "… measured" in lines(first)[2]
    test = zoo.dataset(name).test
    again = measure.accuracy(first.chosen.compressed.network, test, 250)
    np.testing.assert_array_equal(first.accuracy.correct, again.correct)


def test_everything_at_the_default():
    result = budget_panel("mlp").set()
    assert {point.n for point in result.points} == {10_000}
    agrees(result)
    assert result.settings["budget"] == START
    assert set(result.latency) == {"float32"}
    assert result.deflated["packed"] < result.chosen.compressed.size_bytes


def test_files_with_the_same_bits_are_the_committed_ones():
    first = next(compute(network="resnet8"))
    runs = bits.committed_runs(zoo.load("resnet8"))
    uniform = [run for run in runs if run.method == "uniform"]
    assert [point.name for point in first.uniform] == [
        f"{bits} bits" for bits in sensitivity.BITS
    ]
    for point, run in zip(first.uniform, uniform, strict=True):
        assert (point.accuracy, point.size_bytes) == (run.test_accuracy, run.size_bytes)


def test_mixed_bits_beat_the_same_bits_at_equal_bytes():
    """The lesson's claim, on resnet8 at the bytes of 3 bits, on test images."""
    network, test = zoo.load("resnet8"), zoo.dataset("resnet8").test.take(1000)
    offered = bits.bit_options(
        network, sensitivity.committed_sensitivity(network, RULE)
    )
    same = compress.quantize_network(network, 3, "channel", RULE)
    made = bits.mixed_precision(network, offered, same.size_bytes).compressed
    before, after = (measure.accuracy(m.network, test) for m in (same, made))
    paired = measure.compare(before, after)
    assert paired.difference > 0.1 and paired.p_value < 1e-6


def test_layers_that_are_not_free_are_drawn_pale():
    first = next(compute(network="mlp", free=("fc1",)))
    assert first.bars.kept == ("fc2", "fc3")
    assert first.chosen.bits["fc2"] == first.chosen.bits["fc3"] == 8


def test_the_picture_says_what_it_shows():
    first = next(compute(network="mlp", budget=9))
    picture = figure(*LESSON.size)
    alt = LESSON.draw(picture, first)
    assert picture.png()[1:4] == b"PNG"
    assert f"{first.chosen.compressed.size_bytes:,} bytes" in alt
    assert "fc1 2" in alt and "predicted" in alt and "measured" not in alt
    frame = picture._frame_pixels
    *_, last = compute(network="mlp", budget=10)
    assert "measured" in LESSON.draw(picture, last)
    assert picture._frame_pixels is frame  # the slow part of a picture is reused


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"budget": 3}, "budget is 3: choose one of"),
        ({"budget": "10"}, "budget is '10': choose one of"),
        ({"method": "best"}, "method is 'best': choose one of 'exact', 'greedy'"),
        ({"free": ("conv9",)}, "free is ('conv9',): give a tuple of 'fc1'"),
        ({"granularity": "row"}, "granularity is 'row': choose one of 'tensor'"),
        ({"bits": 3}, "there is no setting 'bits': network, granularity, free"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_sentence(settings, sentence):
    panel = budget_panel("mlp")
    before = dict(panel.settings)
    with pytest.raises(ValueError) as raised:
        panel.set(**settings)
    assert str(raised.value).startswith(sentence)
    assert panel.settings == before and "ValueError" in panel.readout


def test_the_code_reproduces_the_figures(capsys):
    panel = budget_panel("mlp")
    for settings in ({"budget": 8.0, "method": "greedy"}, {"free": ("fc1",)}):
        result = panel.set(**settings)
        exec(panel.code, scope := {})
        said = capsys.readouterr().out
        accuracy, size = result.accuracy.value, result.chosen.compressed.size_bytes
        assert f"packed: {accuracy:.2%}, {size:,} bytes" in said
        assert f"{result.chosen.predicted_loss:+.4f} predicted" in said
        assert f"{result.loss:+.4f} measured" in said
        assert scope["chosen"].compressed.packed == result.chosen.compressed.packed


def test_the_saved_file_is_the_measured_one(tmp_path, small_sets):
    panel = budget_panel("mlp", budget=10, free=("fc1",))
    result = panel.set()
    (path,) = panel.save(tmp_path)
    assert path.name == "mlp-10percent-exact-channel-1free.packed"
    unpacked = compressed.unpack(path.read_bytes())
    assert unpacked.digest == result.chosen.compressed.network.digest


def test_a_network_without_a_map_is_an_error_in_one_sentence(tmp_path, monkeypatch):
    file = tmp_path / "sensitivity.json"
    file.write_text('{"networks": []}')
    monkeypatch.setattr(sensitivity, "FILE", file)
    with pytest.raises(NetworkError, match="has no map of this network"):
        budget_panel("mlp")
