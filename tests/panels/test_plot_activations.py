"""Pictures of activations and codes: what is drawn follows the numbers."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.image import imread

from labkit.panels.activations import plot
from labkit.panels.activations.plot import Reading
from labkit.plots.base import VERMILLION, figure
from labkit.plots.calibration import draw_readings
from labkit.plots.codes import draw_layers
from labkit.plots.curves import Curve, Look, draw_curves
from labkit.plots.histogram import Grid
from labkit.plots.plane import Marks, Point

FLOAT = Point("float32", "net", "float", 0.98, 0.977, 0.983, 10_000, 1_000_000, True)
GRAPH = Point("W4A3", "net", "graph", 0.95, 0.94, 0.96, 10_000, 130_000, True)
STATIC = replace(GRAPH, kind="static", accuracy=0.9, low=0.88, high=0.92, n=100)
DYNAMIC = replace(STATIC, kind="dynamic", accuracy=0.92)
COUNTS, EDGES = np.histogram(np.linspace(0, 6, 500), 20)
READING = Reading("fc", 50, EDGES, COUNTS, Grid("", 0.0, 4.0, 8), 0.25, 14.6)


def result(points=(FLOAT, GRAPH), reading=READING):
    return SimpleNamespace(points=points, best=0.997, reading=reading)


def drawn(shown, marks=None, picture=None):
    picture = picture or figure(8.6, 3.4)
    plot.draw(picture, shown, marks or Marks())
    return imread(io.BytesIO(picture.png()))


def test_a_reading_is_drawn_at_its_figures():
    """Bars, ticks of the grid, ends of the range and the title, on a kept frame."""
    picture = figure(8.6, 3.4)
    for reading in (
        READING,
        replace(READING, grid=Grid("", 0.0, 5.0, 16)),
        replace(READING, grid=Grid("", -1.0, 4.0, 8), counts=COUNTS * 2, clipped=0.0),
    ):
        alt = plot.draw(picture, result(reading=reading))
        axes = picture.axes[1]
        (bars,) = axes.patches
        values, edges, _ = bars.get_data()
        np.testing.assert_array_equal(values, np.maximum(reading.counts, plot.FLOOR))
        np.testing.assert_array_equal(edges, EDGES)
        ends = {
            line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2
        }
        assert ends >= {reading.grid.lowest, reading.grid.highest} - {0.0}
        ticks = [
            c.get_segments() for c in axes.collections if hasattr(c, "get_segments")
        ]
        drawn_at = [segment[0][0] for one in ticks for segment in one]
        step = (reading.grid.highest - reading.grid.lowest) / (reading.grid.levels - 1)
        grid = reading.grid.lowest + step * np.arange(reading.grid.levels)
        np.testing.assert_allclose(drawn_at, grid, atol=1e-9)
        title = axes.texts[-1].get_text()
        assert f"{reading.grid.levels} levels" in title
        assert f"{100 * reading.clipped:.2g} % clipped" in title
        assert title.replace("\n", " ") in alt


def test_a_reused_frame_gives_the_pixels_of_a_new_figure():
    reused = figure(8.6, 3.4)
    wider = replace(READING, grid=Grid("", 0.0, 9.0, 4))
    drawn(result((FLOAT, GRAPH, STATIC), wider), Marks(guess=0.4), reused)
    np.testing.assert_array_equal(
        drawn(result(), picture=reused), drawn(result()), strict=True
    )


def test_the_ends_of_the_range_are_marked_and_0_is_not():
    picture = figure(8.6, 3.4)
    plot.draw(picture, result())
    lines = [
        line.get_xdata()[0]
        for line in picture.axes[1].lines
        if to_hex(line.get_color()).upper() == VERMILLION
    ]
    assert lines == [4.0]


def test_the_key_names_what_has_no_kernel():
    picture = figure(8.6, 3.4)
    plot.draw(picture, result())
    key = [text.get_text() for text in picture.axes[0].get_legend().get_texts()]
    assert "in the graph, no kernel" in key and "static file" in key
    assert "packed file (decoded to run)" not in key


def test_the_alt_text_tells_the_figures():
    text = plot.alt_text(result((FLOAT, GRAPH, STATIC)), Marks(guess=0.5))
    assert "in the graph, no kernel: 95.00 %" in text
    assert "static file: 90.00 % (88.00 to 92.00, 100 images), 130,000 bytes" in text
    assert "8 levels, 25 % clipped, SQNR 14.6 dB, from 0 to 4" in text
    assert "Your guess: 50.00 %" in text


def test_ranges_begin_where_their_pictures_end():
    peaks = np.array([3.0, 5.0, 4.0, 9.0])
    images = [np.array([0.0, 1.0, 3.0]), np.array([0.0, 5.0])]
    picture = draw_readings(figure(8, 3), images, peaks, counts=(1, 3))
    left, right = picture.axes
    lines = [line for line in right.lines if len(line.get_xdata()) == 2]
    assert [(list(k.get_xdata()), k.get_ydata()[0]) for k in lines] == [
        ([1, 4], 3.0),
        ([3, 4], 5.0),
    ]
    assert left.get_legend_handles_labels()[1] == ["picture 1", "picture 2"]
    assert "picture 1 up to 3, picture 2 up to 5" in picture.alt
    assert "run from 3 to 9; the range reaches 3 after 1, 5 after 3" in picture.alt


def test_layers_without_a_difference_have_no_point():
    curves = {
        "together": {"conv1": 0.001, "add1": 0.02, "fc": 0.4},
        "alone": {"conv1": 0.001, "add1": 0.0, "fc": 0.002},
    }
    picture = draw_layers(figure(8, 3), curves, "codes that differ")
    (axes,) = picture.axes
    together, alone = (line.get_ydata() for line in axes.lines)
    np.testing.assert_allclose(together, [0.1, 2, 40])
    np.testing.assert_allclose(alone, [0.1, np.nan, 0.2])
    assert [text.get_text() for text in axes.get_xticklabels()] == list(curves["alone"])
    assert "alone: conv1 0.1 %, add1 0 %, fc 0.2 %" in picture.alt


def test_small_plots_in_one_row_on_one_scale():
    plots = {f"{k}": {"line": Curve([1, 2], [k, 2 * k])} for k in (1, 5, 9)}
    look = Look("x", "y", columns=3, one_scale=True)
    axes = draw_curves(figure(8, 3), plots, look).axes
    assert len(axes) == 3 and len({a.get_ylim() for a in axes}) == 1
    assert len({round(a.get_position().y0, 3) for a in axes}) == 1
    loose = draw_curves(figure(8, 3), plots, Look("x", "y", columns=3)).axes
    assert len({a.get_ylim() for a in loose}) == 3
