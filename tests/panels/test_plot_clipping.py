"""The picture of a clip: drawn at its figures, no label lies on another."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from labkit.panels.clipping import plot
from labkit.panels.clipping.plot import OPTIMUM, Choice, ClipPoint, Curves, Errors, loss
from labkit.plots.base import BLUE, GREY, figure
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


BEFORE = replace(PACKED, share=0.8, accuracy=0.8)


def test_a_position_of_another_series_has_another_colour():
    picture = figure(8.6, 5)
    marks = Marks(trail=(BEFORE, replace(BEFORE, share=0.7, series="3 bits")))
    plot.draw(picture, result(), marks)
    pale = [line for line in picture.axes[3].lines if line.get_alpha() == 0.35]
    colours = {
        line.get_xdata()[0]: line.get_color() for line in pale if len(line.get_xdata())
    }
    assert colours == {0.8: BLUE, 0.7: GREY}


@pytest.mark.parametrize("errors", [HERE, Errors(0.05, 0.06)])
def test_the_errors_are_drawn_at_the_clip(errors):
    picture = figure(8.6, 5)
    here = replace(PACKED, share=0.5)
    plot.draw(picture, result((FLOAT, here), errors=errors))
    axes = picture.axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
    dots = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [line.get_label() for line in curves] == list(errors.parts)
    for k, (name, value) in enumerate(errors.parts.items()):
        x, y = (np.array([e.parts[name] for e in ERRORS]), np.array(CLIPS))
        np.testing.assert_allclose(curves[k].get_ydata(), x[x > 0])
        np.testing.assert_allclose(curves[k].get_xdata(), y[x > 0])
        assert dots[k].get_xydata().tolist() == [[0.5, value]]
        assert dots[k].get_color() == curves[k].get_color()
    for axes in (picture.axes[0], picture.axes[1], picture.axes[3]):
        assert any(
            line.get_color() == GREY and list(line.get_xdata()) == [0.5, 0.5]
            for line in axes.lines
        )


def test_every_rule_is_drawn_at_its_clip():
    picture = figure(8.6, 5)
    for choices in (CHOICES, (*CHOICES[:-1], Choice("x", 0.8, 9.4))):
        plot.draw(picture, result(curves=replace(CURVES, choices=choices)))
        axes = picture.axes[1]
        dots = [line for line in axes.lines if line.get_marker() in "*D"]
        rows = range(len(choices))[::-1]
        assert [line.get_xydata().tolist() for line in dots] == [
            [[choice.share, row]] for choice, row in zip(choices, rows, strict=True)
        ]
        assert [text.get_text() for text in axes.texts] == [
            f"{choice.sqnr_db:.1f} dB" for choice in choices
        ]
        assert [text.get_text() for text in axes.get_yticklabels()] == [
            choice.name for choice in choices
        ]


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
