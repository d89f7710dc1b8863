"""The budget panel: its committed files, its bars and its picture."""

import pytest

from labkit import compress, measure, zoo
from labkit.compress.budget import bits, sensitivity
from labkit.model.graph import NetworkError
from labkit.panels.budget.panel import RULE, SPEC, START, budget_panel
from labkit.panels.budget.report import lines
from labkit.plots.base import figure

SMALL = 300


def test_files_with_the_same_bits_are_the_committed_ones():
    first = next(SPEC.positions(network="resnet8"))
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


def test_a_loss_comes_after_the_first_estimate():
    first = next(SPEC.positions(network="mlp"))
    assert first.settings["budget"] == START and first.loss is None
    assert "… measured" in lines(first)[2]


def test_layers_that_are_not_free_are_drawn_pale():
    first = next(SPEC.positions(network="mlp", free=("fc1",)))
    assert first.bars.kept == ("fc2", "fc3")
    assert first.chosen.bits["fc2"] == first.chosen.bits["fc3"] == 8


def test_the_picture_says_what_it_shows():
    first = next(SPEC.positions(network="mlp", budget=9))
    picture = figure(*SPEC.size)
    alt = SPEC.draw(picture, first)
    assert picture.png()[1:4] == b"PNG"
    assert f"{first.chosen.compressed.size_bytes:,} bytes" in alt
    assert "fc1 2" in alt and "predicted" in alt and "measured" not in alt
    frame = picture._frame_pixels
    *_, last = SPEC.positions(network="mlp", budget=10)
    assert "measured" in SPEC.draw(picture, last)
    assert picture._frame_pixels is frame  # the slow part of a picture is reused


def test_a_network_without_a_map_is_an_error_in_one_sentence(tmp_path, monkeypatch):
    file = tmp_path / "sensitivity.json"
    file.write_text('{"networks": []}')
    monkeypatch.setattr(sensitivity, "FILE", file)
    with pytest.raises(NetworkError, match="has no map of this network"):
        budget_panel("mlp")
