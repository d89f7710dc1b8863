"""Pictures of numbers, curves and networks say in their alt text what they show."""

import numpy as np
import pytest

from labkit.plots.base import figure
from labkit.plots.curves import Curve, Look, draw_bars, draw_curves
from labkit.plots.networks import draw_networks
from labkit.plots.numbers import (
    draw_channel_ranges,
    draw_float32_bits,
    draw_number_lines,
    float32_bits,
)
from labkit.plots.plane import Point, height


def test_bits_of_a_float32():
    assert float32_bits(1.0) == "0" + "01111111" + "0" * 23
    assert float32_bits(-2.5) == "1" + "10000000" + "01" + "0" * 21


def test_float32_boxes_hold_the_bits():
    picture = draw_float32_bits(figure(9, 1.5), [0.15625, -0.75])
    (axes,) = picture.axes
    boxes = [t.get_text() for t in axes.texts if t.get_text() in "01"]
    assert "".join(boxes) == float32_bits(0.15625) + float32_bits(-0.75)
    assert float32_bits(-0.75) in picture.alt


def test_number_lines_lead_to_the_nearest_tick_and_tell_what_is_clipped():
    x = np.array([-0.4, 0.1, 0.9, 3.0])
    grids = {"wide": np.array([-3.0, 0, 3]), "narrow": np.array([-1.0, 0, 1])}
    picture = draw_number_lines(figure(6, 3), x, grids)
    narrow = picture.axes[1]
    ends = [line.get_xdata()[1] for line in narrow.lines if len(line.get_xdata()) == 2]
    assert ends == [0, 0, 1, 1]
    assert "wide: largest error 0.9, 0 clipped" in picture.alt
    assert "narrow: largest error 2, 1 clipped" in picture.alt


@pytest.mark.parametrize("axis", [0, 1])
def test_channel_ranges_are_taken_along_the_axis(axis):
    w = np.array([[0.1, -0.2, 0.3], [4.0, -1.0, 0.0]])
    picture = draw_channel_ranges(figure(6, 3), w if axis == 0 else w.T, axis)
    assert "2 output channels" in picture.alt
    assert "from 0.3 to 4" in picture.alt


def test_a_ring_points_out_a_place_and_the_alt_text_says_it():
    plain = Curve([0, 0.5, 1], [2, 1, 0.5])
    ringed = Curve([0, 0.5, 1], [2, 1, 0.5], ring=(0.5, 1.0))
    look = Look("sparsity", "bytes", xticks=(0, 0.5, 0.9))
    pictures = [
        draw_curves(figure(4, 3), {"": {"csr": c}}, look) for c in (plain, ringed)
    ]
    lines = [picture.axes[0].lines for picture in pictures]
    assert [len(found) for found in lines] == [1, 2]
    assert lines[1][1].get_xydata().tolist() == [[0.5, 1.0]]
    assert pictures[1].alt.endswith("csr from 2 at 0 to 0.5 at 1, ring at 0.5, 1")
    ticks = [text.get_text() for text in pictures[0].axes[0].get_xticklabels()]
    assert ticks == ["0", "0.5", "0.9"]


def test_curves_keep_baselines_and_hide_empty_places():
    curves = {"a": Curve([2, 4], [0.5, 0.9], [0.4, 0.8], [0.6, 1.0])}
    plots = {name: curves for name in ("one", "two", "three")}
    look = Look("bits", "accuracy", percent=True, whole=True)
    picture = draw_curves(figure(6, 4), plots, look, {"one": 0.95})
    assert [axes.get_visible() for axes in picture.axes] == [True] * 3 + [False]
    assert "one a from 0.5 at 2 to 0.9 at 4" in picture.alt
    assert picture.axes[0].get_legend() is not None
    labels = [text.get_text() for text in picture.axes[0].get_legend().get_texts()]
    assert labels == ["a", "float32"]
    picture.png()


def test_a_level_is_in_every_small_plot():
    plots = {name: {"": Curve([1, 4], [2.0, 3.0])} for name in ("one", "two")}
    for level in (None, 0):
        axes = draw_curves(figure(4, 2), plots, Look("T", "saved", level=level)).axes
        lines = [list(line.get_ydata()) for line in axes[1].lines]
        assert lines == [[2.0, 3.0], *([] if level is None else [[0, 0]])]
        assert (axes[1].get_ylim()[0] < 0) == (level == 0)
        assert axes[1].get_legend() is None


def test_bars_carry_their_figures():
    picture = draw_bars(figure(5, 2), {"fc1": 1200, "fc2": 30}, "bytes", " B")
    assert picture.alt == "bytes: fc1 1,200 B, fc2 30 B"
    assert [bar.get_width() for bar in picture.axes[0].patches] == [1200, 30]


def test_every_network_is_named_inside_the_axes():
    points = [
        Point("a", "small", "float", 0.87, 0.86, 0.88, 10_000, 300_000, True),
        Point("b", "large", "float", 0.993, 0.991, 0.995, 10_000, 1_700_000, True),
    ]
    picture = draw_networks(figure(6, 3), points)
    (axes,) = picture.axes
    assert [text.get_text() for text in axes.texts] == ["small", "large"]
    low, high = axes.get_ylim()
    for point in points:
        assert low < height(point.low) and height(point.high) < high
    assert "large, float32 file: 99.30 %" in picture.alt
