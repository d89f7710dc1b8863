"""The picture of a clip: every number moves pixels, no label lies on another."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from labkit.panels.clipping import plot
from labkit.panels.clipping.plot import OPTIMUM, Choice, ClipPoint, Curves, Errors, loss
from labkit.plots.base import figure
from labkit.plots.histogram import Grid, Histogram
from labkit.plots.plane import Marks

FLOAT = ClipPoint("a", "net", "float", 0.98, 0.977, 0.983, 10_000, 1_000_000, True)
PACKED = ClipPoint(
    "b", "net", "packed", 0.95, 0.94, 0.96, 10_000, 130_000, True, 0.4, "4 bits"
)
CLIPS = tuple(k / 100 for k in range(1, 101))
ERRORS = tuple(Errors(0.1 * c**2, np.exp(-9 * c)) for c in CLIPS[:-1]) + (
    Errors(0.1, 0.0),
)
RULES = ("least squares", "ACIQ, Laplace", "ACIQ, Gauss", "KL divergence", "min–max")
CHOICES = (
    Choice(OPTIMUM, 0.4, 15.9),
    *(Choice(name, 0.41, 15.8) for name in RULES),
    Choice("percentile", 1.02, 9.5),
)
HERE = Errors(0.02, 0.03)
CURVES = Curves("fc1", 4, CLIPS, ERRORS, CHOICES)


def result(points=(FLOAT, PACKED), curves=CURVES, errors=HERE):
    counts, edges = np.histogram(np.linspace(-0.3, 0.3, 500), 20)
    grids = (Grid("the values it can take", -0.1, 0.1, 15),)
    shown = Histogram("fc1", edges, counts, grids, 15.7, 12)
    return SimpleNamespace(
        points=points, best=0.997, histogram=shown, curves=curves, errors=errors
    )


def drawn(shown, marks=None, picture=None):
    picture = picture or figure(8.6, 5)
    plot.draw(picture, shown, marks or Marks())
    return imread(io.BytesIO(picture.png()))


@pytest.mark.parametrize(
    "change",
    [
        {"points": (FLOAT, replace(PACKED, share=0.5))},
        {"points": (FLOAT, replace(PACKED, accuracy=0.9))},
        {"points": (FLOAT, replace(PACKED, low=0.8))},
        {"points": (FLOAT, replace(PACKED, exact=False))},
        {"points": (replace(FLOAT, accuracy=0.99), PACKED)},
        {"errors": Errors(0.05, 0.03)},
        {"errors": Errors(0.02, 0.06)},
        {"curves": replace(CURVES, errors=ERRORS[::-1])},
        {"curves": replace(CURVES, choices=CHOICES[:-1])},
        {"curves": replace(CURVES, choices=(*CHOICES[:-1], Choice("x", 0.8, 9.5)))},
        {"curves": replace(CURVES, choices=(*CHOICES[:-1], Choice("x", 1.02, 9.4)))},
    ],
)
def test_every_number_moves_pixels(change):
    assert (drawn(result()) != drawn(result(**change))).any()


BEFORE = replace(PACKED, share=0.8, accuracy=0.8)


@pytest.mark.parametrize(
    "marks", [Marks(trail=(BEFORE,)), Marks(pinned=(BEFORE,)), Marks(guess=0.5)]
)
def test_every_mark_is_drawn(marks):
    assert (drawn(result()) != drawn(result(), marks)).any()


def test_a_position_of_another_series_has_another_colour():
    other = replace(BEFORE, series="3 bits")
    one, two = (drawn(result(), Marks(trail=(point,))) for point in (BEFORE, other))
    assert (one != two).any()


def test_a_reused_frame_gives_the_pixels_of_a_new_figure():
    reused = figure(8.6, 5)
    drawn(result((FLOAT, BEFORE)), Marks(guess=0.4), reused)
    np.testing.assert_array_equal(drawn(result(), picture=reused), drawn(result()))


def in_view(axis):
    """The labels of an axis' ticks that are drawn."""
    low, high = sorted(axis.get_view_interval())
    ticks = axis.get_major_ticks()
    return [
        tick.label1
        for tick in ticks
        if low <= tick.get_loc() <= high and tick.label1.get_visible()
    ]


def test_no_text_lies_on_another_and_none_is_cut_off():
    picture = figure(8.6, 5)
    drawn(result(), Marks(guess=0.4), picture)
    renderer = picture.canvas.get_renderer()
    texts = []
    for axes in picture.axes:
        legend = axes.get_legend()
        texts += [*axes.texts, *(legend.get_texts() if legend else ())]
        texts += [axes.xaxis.label, axes.yaxis.label]
        texts += [label for axis in (axes.xaxis, axes.yaxis) for label in in_view(axis)]
    boxes = [t.get_window_extent(renderer) for t in texts if t.get_text()]
    assert len(boxes) > 40
    for k, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= picture.bbox.x1 and box.y1 <= picture.bbox.y1
        for other in boxes[:k]:
            assert not box.shrunk(0.9, 0.8).overlaps(other.shrunk(0.9, 0.8))


def test_the_rows_of_the_rules_stand_apart_from_the_data():
    """A rule's mark has a row, so that it can lie on no curve and no other mark."""
    picture = figure(8.6, 5)
    drawn(result(), picture=picture)
    errors, rules, _, _ = picture.axes
    assert rules.get_position().y1 < errors.get_position().y0
    labels = [label.get_text() for label in rules.get_yticklabels()]
    assert labels == [choice.name for choice in CHOICES]
    assert rules.get_xlim() == errors.get_xlim() == picture.axes[3].get_xlim()


def test_the_alt_text_says_the_figures():
    alt = plot.draw(figure(8.6, 5), result(), Marks(guess=0.5))
    for text in (
        "fc1 at 4 bits, clip at 40 %",
        "round-off 2.0 %, clipping 3.0 %",
        "12 weights clipped",
        "best of all at 40.0 %, 15.9 dB",
        "percentile at 102.0 %, 9.5 dB",
        "95.00 %",
        "130,000 bytes",
        "Your guess: 50.00 %",
    ):
        assert text in alt


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.0456, "4.6 %"), (0.00102, "0.10 %"), (3e-6, "0.00030 %")],
)
def test_a_loss_has_two_digits(share, text):
    assert loss(share) == text
