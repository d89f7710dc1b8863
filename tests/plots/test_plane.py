"""Pictures: what is drawn follows the numbers, and the alt text says them."""

import base64
import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from artists import levels, lines_at
from matplotlib.collections import LineCollection
from matplotlib.image import imread

from labkit.panels.quantization import plot
from labkit.plots.base import BLACK, GREEN, ORANGE, bytes_text, figure
from labkit.plots.histogram import Grid, Histogram
from labkit.plots.plane import (
    KINDS,
    NO_MARKS,
    Marks,
    Point,
    accuracy_ticks,
    baseline,
    bytes_ticks,
    describe,
    height,
    plane,
    plane_text,
)
from labkit.plots.showing import bundle

FLOAT = Point("float32", "net", "float", 0.98, 0.977, 0.983, 10_000, 1_000_000, True)
PACKED = Point("4 bits", "net", "packed", 0.95, 0.94, 0.96, 10_000, 130_000, True)
GRID = Grid("the values", -0.3, 0.3, 15)
DEPLOYED = replace(PACKED, kind="deployable", accuracy=0.8, low=0.79, high=0.81)


def result(points=(FLOAT, PACKED), grids=(GRID,)):
    counts, edges = np.histogram(np.linspace(-0.3, 0.3, 500), 20)
    shown = Histogram("fc1", edges, counts, grids, 20.0, 3)
    return SimpleNamespace(points=points, best=0.997, histogram=shown)


def pixels(picture):
    return imread(io.BytesIO(picture.png()))


def drawn(shown, marks=None, picture=None):
    picture = picture or figure(8.6, 3.4)
    plot.draw(picture, shown, marks or Marks())
    return pixels(picture)


def test_halving_the_error_is_an_equal_step():
    steps = np.diff([height(1 - 0.4 / 2**k) for k in range(5)])
    np.testing.assert_allclose(steps, np.log10(2))


def test_no_error_at_all_has_a_place():
    assert np.isfinite(height(1.0)) and height(1.0) > height(0.9999)


def axes_of(shown, marks=NO_MARKS):
    """The plane and the histogram of a result."""
    picture = figure(8.6, 3.4)
    plot.draw(picture, shown, marks)
    return picture.axes


@pytest.mark.parametrize(
    "points",
    [
        (FLOAT, PACKED),
        (FLOAT, replace(PACKED, size_bytes=300_000)),
        (FLOAT, replace(PACKED, accuracy=0.9)),
        (FLOAT, replace(PACKED, low=0.8)),
        (FLOAT, replace(PACKED, exact=False)),
        (FLOAT, PACKED, DEPLOYED),
        (replace(FLOAT, size_bytes=2_000_000), PACKED),
    ],
)
def test_points_and_intervals_are_drawn_at_their_figures(points):
    axes, _ = axes_of(result(points))
    for point in points:
        colour, marker, _ = KINDS[point.kind]
        found = lines_at(axes, point.size_bytes, height(point.accuracy))
        assert [(line.get_marker(), line.get_color()) for line in found] == [
            (marker, colour)
        ]
        assert (found[0].get_markerfacecolor() == "white") is not point.exact
        ends = [height(point.low), height(point.high)]
        spans = [line for line in axes.lines if list(line.get_ydata()) == ends]
        assert [(set(s.get_xdata()), s.get_color()) for s in spans] == [
            ({point.size_bytes}, colour)
        ]
    assert sum(line.get_xydata().shape == (1, 2) for line in axes.lines) == len(points)
    assert levels(axes, BLACK) == [height(points[0].accuracy)]


@pytest.mark.parametrize(
    "grid", [GRID, Grid("the values", -0.2, 0.2, 15), Grid("the values", -0.3, 0.3, 7)]
)
def test_a_grid_has_a_tick_for_each_value(grid):
    _, axes = axes_of(result(grids=(grid,)))
    ticks = [c for c in axes.collections if isinstance(c, LineCollection)]
    found = [segment[0][0] for segment in ticks[-1].get_segments()]
    np.testing.assert_allclose(
        found, np.linspace(grid.lowest, grid.highest, grid.levels), rtol=1e-12
    )
    _, bare = axes_of(result(grids=()))
    assert len(bare.collections) == len(axes.collections) - 1


def test_every_mark_is_drawn():
    at = DEPLOYED.size_bytes, height(DEPLOYED.accuracy)
    plain, _ = axes_of(result())
    assert lines_at(plain, *at) == [] and levels(plain, ORANGE) == []
    trail, _ = axes_of(result(), Marks(trail=(DEPLOYED,)))
    assert [line.get_alpha() for line in lines_at(trail, *at)] == [0.35]
    pinned, _ = axes_of(result(), Marks(pinned=(DEPLOYED,)))
    dot, ring = lines_at(pinned, *at)
    assert dot.get_color() == KINDS["deployable"][0]
    assert (ring.get_color(), ring.get_markerfacecolor()) == (GREEN, "none")
    guess, _ = axes_of(result(), Marks(guess=0.5))
    assert levels(guess, ORANGE) == [height(0.5)]


def test_a_reused_frame_gives_the_pixels_of_a_new_figure():
    reused = figure(8.6, 3.4)
    drawn(result((FLOAT, PACKED, DEPLOYED)), Marks(guess=0.4), reused)
    np.testing.assert_array_equal(
        drawn(result(), picture=reused), drawn(result()), strict=True
    )


def test_a_reused_frame_keeps_no_artists():
    reused = figure(8.6, 3.4)
    counts = []
    for _ in range(4):
        drawn(result(), picture=reused)
        counts.append(sum(len(axes.get_children()) for axes in reused.axes))
    assert len(set(counts)) == 1


def test_another_network_gets_another_frame():
    reused = figure(8.6, 3.4)
    drawn(result(), picture=reused)
    larger = result((replace(FLOAT, size_bytes=4_000_000), PACKED))
    np.testing.assert_array_equal(drawn(larger, picture=reused), drawn(larger))


def test_the_alt_text_says_the_figures():
    picture = figure(8.6, 3.4)
    alt = plot.draw(picture, result((FLOAT, PACKED, DEPLOYED)), Marks(guess=0.5))
    said = "98.00 %", "95.00 %", "80.00 %", "130,000 bytes", "20.0 dB", "3 clipped"
    for text in (*said, "Your guess: 50.00 %"):
        assert text in alt
    assert picture.alt == alt


def test_a_layer_left_as_float_says_so():
    assert "left as float32" in plot.draw(figure(8.6, 3.4), result(grids=()))


def test_no_text_is_cut_off():
    wide = (Grid("coarsest channel", -0.3, 0.3, 65_535), Grid("finest", -1, 1, 65_535))
    shown = result(grids=wide)
    shown.histogram = replace(
        shown.histogram,
        layer="stage2_block1_shortcut",
        counts=shown.histogram.counts * 800,
        sqnr_db=100.5,
        clipped=23_456,
    )
    picture = figure(8.6, 3.4)
    plot.draw(picture, shown)
    picture.png()
    texts = [text for axes in picture.axes for text in axes.texts]
    assert [text.get_text() for text in texts if "clipped" in text.get_text()]
    for text in texts:
        place = text.get_window_extent()
        assert place.x0 >= 0 and place.x1 <= 860 and place.y1 <= 340, text.get_text()


def test_many_levels_are_a_band():
    fine = (
        Grid("coarsest channel", -0.3, 0.3, 65_535),
        Grid("finest", -0.1, 0.1, 65535),
    )
    assert (drawn(result(grids=fine)) != drawn(result())).any()


def test_no_point_lies_outside_the_axes():
    axes = figure(5, 3).add_subplot()
    plane(axes, (FLOAT, PACKED, DEPLOYED))
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    for point in (FLOAT, PACKED, DEPLOYED):
        assert left < point.size_bytes < right
        assert bottom < height(point.accuracy) < top


def test_a_plane_without_its_baseline_is_an_error():
    with pytest.raises(StopIteration):
        baseline((PACKED,))


def test_a_picture_shows_itself_as_png_with_its_alt_text():
    picture = figure(3, 2, alt="three words here")
    picture.add_subplot().plot([1, 2])
    data, metadata = picture._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == data["text/plain"] == "three words here"
    assert bundle(picture.png(), picture.alt) == (data, metadata)
    assert pixels(picture).shape[:2] == (200, 300)


def test_sizes_in_words():
    assert [bytes_text(n) for n in (0, 999, 1_000, 999_000)] == [
        "0 B",
        "999 B",
        "1 kB",
        "999 kB",
    ]


def test_ticks_lie_on_the_axis():
    axes = figure(4, 3).add_subplot()
    accuracy_ticks(axes.yaxis, height(0.8), height(0.98))
    assert list(axes.get_yticks()) == [height(a) for a in (0.8, 0.9, 0.95)]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["80 %", "90 %", "95 %"]
    axes.set_xlim(4_000, 120_000)
    bytes_ticks(axes, most=5)
    assert list(axes.get_xticks()) == [5_000, 10_000, 20_000, 50_000, 100_000]
    bytes_ticks(axes, most=4)
    assert list(axes.get_xticks()) == [5_000, 10_000, 50_000, 100_000]


def test_the_alt_text_has_points_the_rest_and_the_guess():
    point = Point("a", "mlp", "float", 0.9, 0.88, 0.92, 100, 1_000, True)
    text = f"Accuracy against bytes. {describe(point)}; {describe(point)}. Two bars."
    assert plane_text([point, point], "Two bars.") == text
    guessed = plane_text([point, point], "Two bars.", Marks(guess=0.5))
    assert guessed == f"{text} Your guess: 50.00 %."
