"""The picture of removed units: its bars, its labels, and what it says is true."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from labkit.panels.units import plot
from labkit.panels.units.plot import Widths
from labkit.plots.base import BLUE, SKY, figure
from labkit.plots.costs import Costs
from labkit.plots.plane import Marks, Point

FLOAT = Point("a", "net", "float", 0.98, 0.977, 0.983, 10_000, 1_000_000, True)
SMALLER = Point("b", "net", "deployable", 0.95, 0.94, 0.96, 10_000, 500_000, True)
WIDTHS = Widths({"conv1": 20, "fc1": 500, "fc2": 10}, {"conv1": 11, "fc1": 0, "fc2": 9})
COSTS = Costs(0.5, 0.4, 0.7)


def result(points=(FLOAT, SMALLER), widths=WIDTHS, costs=COSTS):
    return SimpleNamespace(points=points, best=0.997, widths=widths, costs=costs)


def drawn(shown, marks=None, picture=None):
    picture = picture or figure(8.6, 4.8)
    plot.draw(picture, shown, marks or Marks())
    return imread(io.BytesIO(picture.png()))


def test_a_frame_that_is_kept_shows_the_same_picture():
    picture = figure(8.6, 4.8)
    drawn(result(costs=Costs(1, 1, 1)), Marks(guess=0.5), picture)
    again = drawn(result(), picture=picture)
    np.testing.assert_array_equal(again, drawn(result()))


def test_the_alt_text_says_the_figures():
    picture = figure(8.6, 4.8)
    text = plot.draw(picture, result(costs=Costs(0.5, 0.4, None)), Marks(guess=0.5))
    assert text == picture.alt
    for part in (
        "deployable file: 95.00 % (94.00 to 96.00, 10,000 images), 500,000 bytes",
        "Of float32: bytes 50 %, MACs 40 %, µs ….",
        "Units: conv1 11 of 20, fc1 0 of 500, fc2 9 of 10.",
        "Your guess: 50.00 %.",
    ):
        assert part in text


@pytest.mark.parametrize("latency", [0.2, 1.0, 1.2])
def test_no_figure_lies_on_its_bar(latency):
    picture = figure(8.6, 4.8)
    plot.draw(picture, result(costs=Costs(0.5, 0.4, latency)))
    axes = picture.axes[1]
    for text in axes.texts:
        start, place = text.get_position()
        ends = [
            bar.get_width()
            for bar in axes.patches
            if bar.get_y() <= place <= bar.get_y() + bar.get_height()
        ]
        assert start > max(ends)


@pytest.mark.parametrize(
    "costs", [COSTS, replace(COSTS, size=0.6, macs=1.0), replace(COSTS, latency=1.2)]
)
def test_costs_are_bars_of_their_length(costs):
    picture = figure(8.6, 4.8)
    plot.draw(picture, result(costs=replace(COSTS, latency=None)))
    assert [bar.get_width() for bar in picture.axes[1].patches[-2:]] == [0.5, 0.4]
    plot.draw(picture, result(costs=costs))
    bars = picture.axes[1].patches[-3:]
    assert [bar.get_width() for bar in bars] == list(costs.values)
    assert [bar.get_y() + bar.get_height() / 2 for bar in bars] == pytest.approx(
        [0, 1, 2]
    )


def test_bars_are_drawn_to_one_scale():
    picture = figure(8.6, 4.8)
    plot.draw(picture, result())
    bars = [bar.get_width() for bar in picture.axes[2].patches]
    assert bars == [20, 500, 10, 11, 0, 9]
    left = {"conv1": 12, "fc1": 499, "fc2": 10}
    plot.draw(picture, result(widths=replace(WIDTHS, left=left)))
    bars = picture.axes[2].patches[-3:]
    assert [bar.get_width() for bar in bars] == [12, 499, 10]
    pale, whole = (to_hex(bar.get_facecolor()).upper() for bar in bars[1:])
    assert (pale, whole) == (BLUE, SKY)
    assert "12 of 20" in [text.get_text() for text in picture.axes[2].texts]
