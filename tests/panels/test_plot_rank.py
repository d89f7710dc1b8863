"""The pictures of low rank: their marks and their alt texts."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from long import quick

from labkit.panels.rank import plot
from labkit.panels.rank.plot import Filters, Line, Spectrum
from labkit.plots import rank_curves
from labkit.plots.base import figure
from labkit.plots.costs import Costs
from labkit.plots.pictures import draw_rows
from labkit.plots.plane import Marks, Point, height
from labkit.plots.rank_curves import RankCurve


def point(kind, size, accuracy=0.97):
    return Point("", "mlp", kind, accuracy, 0.96, 0.98, 1000, size, True)


def result(rank=40, channels=1, lines=1, size=60_000):
    values = np.geomspace(10, 0.1, 100)
    names = ("",) if lines == 1 else ("outputs", "inputs")
    spectrum = Spectrum(
        "fc1",
        "singular values",
        tuple(Line(name, values, rank, 75.0) for name in names),
    )
    before = np.random.default_rng(0).normal(size=(8, 5, 5, channels))
    filters = Filters("fc1", before, 0.5 * before, rank)
    kind = "larger" if size > 100_000 else "deployable"
    return SimpleNamespace(
        points=(point("float", 100_000), point(kind, size)),
        best=0.996,
        costs=Costs(size / 100_000, 0.6, None if rank is None else 3.0),
        spectrum=spectrum,
        filters=filters,
    )


@pytest.mark.parametrize(
    ("rank", "lines", "channels"),
    quick(
        product([40, 80, None], [1, 2], [1, 3]), (40, 1, 3), (80, 2, 1), (None, 2, 3)
    ),
)
def test_every_kind_of_result_is_drawn(rank, lines, channels):
    picture = figure(*(8.6, 4.8))
    alt = plot.draw(picture, result(rank, channels, lines), Marks(guess=0.5))
    assert picture.png()[1:4] == b"PNG"
    assert "error 25.00 %" in alt and "Your guess: 50.00 %" in alt
    kept = 100 if rank is None else rank
    assert f"{kept} of 100 kept, break-even 75" in alt
    assert ("µs …" in alt) == (rank is None)


def test_above_break_even_is_said():
    picture = figure(8.6, 4.8)
    plot.draw(picture, result(80, size=120_000))
    texts = [text.get_text() for axes in picture.axes for text in axes.texts]
    assert any("above it" in text for text in texts)
    assert "above break-even: larger" in picture.alt
    plot.draw(picture, result(40))
    texts = [text.get_text() for axes in picture.axes for text in axes.texts]
    assert not any("above it" in text for text in texts)


@pytest.mark.parametrize("rank", [40, 60])
def test_the_marks_lie_at_their_numbers(rank):
    picture = figure(8.6, 4.8)
    plot.draw(picture, result(20))
    plot.draw(picture, shown := result(rank))  # on the frame of the first
    plane, costs, spectrum, before, now = picture.axes
    places = [line.get_xydata().tolist() for line in plane.lines]
    for one in shown.points:
        assert [[one.size_bytes, height(one.accuracy)]] in places
    widths = [bar.get_width() for bar in costs.patches[-3:]]
    assert widths == [0.6, 0.6, min(3.0, costs.get_xlim()[1])]
    (kept,) = spectrum.patches
    assert (kept.get_x(), kept.get_x() + kept.get_width()) == (0, rank + 0.5)
    (values,) = [line for line in spectrum.lines if len(line.get_xdata()) > 2]
    np.testing.assert_array_equal(
        values.get_xydata().T, [np.arange(1, 101), np.geomspace(10, 0.1, 100)]
    )
    whole, half = (axes.images[-1].get_array() for axes in (before, now))
    np.testing.assert_allclose(1 - half, (1 - whole) / 2, atol=1e-9)


def test_a_reused_frame_gives_the_pixels_of_a_new_figure():
    picture = figure(8.6, 4.8)
    plot.draw(picture, result(40))
    one = picture.png()
    plot.draw(picture, result(60))
    assert picture.png() != one
    plot.draw(picture, result(40))
    assert picture.png() == one


def test_a_bar_stays_on_its_axes():
    picture = figure(8.6, 4.8)
    plot.draw(picture, result(40))
    costs = picture.axes[1]
    reach = costs.get_xlim()[1]
    assert all(bar.get_width() <= reach for bar in costs.patches)
    assert "300 %" in [text.get_text() for text in costs.texts]


def test_curves_with_intervals_and_marks():
    curve = RankCurve(
        "accuracy", [1, 5, 9], [0.2, 0.8, 0.9], [0.1, 0.7, 0.8], [0.3, 0.9, 1]
    )
    picture = figure(6, 3)
    axes = picture.add_subplot()
    marks = {"break-even": 4.5, "latency": 7.0}
    rank_curves.draw_rank_curves(
        axes, [curve, RankCurve("energy", [1, 9], [0.5, 1])], marks, "share"
    )
    assert [t.get_text().strip() for t in axes.texts] == ["break-even 4.5", "latency 7"]
    upright = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2]
    assert {4.5, 7.0} <= set(upright)
    assert "0.2 at rank 1, 0.9 at rank 9" in rank_curves.curves_text([curve], marks)


def test_rows_of_pictures():
    rows = {"whole": np.ones((3, 4, 5)), "rank 1": np.zeros((3, 4, 5))}
    picture = draw_rows(figure(4, 2), rows)
    image = picture.axes[0].images[0].get_array()
    assert image.shape == (8, 15) and image[:4].min() == 1 and image[4:].max() == 0
    assert picture.alt == "3 pictures of 4x5, by row: whole, rank 1"
    with pytest.raises(ValueError, match="all alike"):
        draw_rows(figure(4, 2), rows | {"other": np.zeros((2, 4, 5))})
