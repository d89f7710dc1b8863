"""The picture of a mask: drawn at its figures, and what it says is true."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from labkit.panels.pruning import plot
from labkit.panels.pruning.plot import Cut, MaskMap
from labkit.plots.base import figure
from labkit.plots.plane import Marks, Point

FLOAT = Point("a", "net", "float", 0.98, 0.977, 0.983, 10_000, 1_000_000, True)
PACKED = Point("b", "net", "packed", 0.95, 0.94, 0.96, 10_000, 60_000, True)
ZEROS = replace(PACKED, kind="zeros", size_bytes=1_000_000)
EDGES = np.linspace(-0.5, 0.5, 12)
COUNTS = np.array([1, 2, 8, 40, 90, 200, 90, 40, 8, 2, 1])
CUT = Cut("fc1", EDGES, COUNTS, np.where(COUNTS > 30, COUNTS, 0), 0.2273)
KEPT = np.linspace(0, 0.5, 12).reshape(3, 4)
MAP = MaskMap(KEPT, "4 inputs across, 3 units down", "a square a weight")


def result(points=(FLOAT, PACKED, ZEROS), cut=CUT, mask_map=MAP):
    return SimpleNamespace(points=points, best=0.997, cut=cut, mask_map=mask_map)


def drawn(shown, marks=None, picture=None):
    picture = picture or figure(8.6, 4.8)
    plot.draw(picture, shown, marks or Marks())
    return imread(io.BytesIO(picture.png()))


@pytest.mark.parametrize(
    "cut",
    [
        CUT,
        replace(CUT, counts=COUNTS[::-1] + 1, threshold=0.3),
        replace(CUT, removed=COUNTS, threshold=None, layer="fc2"),
    ],
)
def test_a_cut_is_drawn_at_its_figures(cut):
    picture = figure(8.6, 4.8)
    plot.draw(picture, result())
    plot.draw(picture, result(cut=cut))
    axes = picture.axes[1]
    every, removed = (bars.get_data() for bars in axes.patches)
    np.testing.assert_array_equal(every.values, np.maximum(cut.counts, plot.FLOOR))
    np.testing.assert_array_equal(removed.values, np.maximum(cut.removed, plot.FLOOR))
    np.testing.assert_array_equal(every.edges, EDGES)
    at = [line.get_xdata()[0] for line in axes.lines]
    assert at == ([] if cut.threshold is None else [-cut.threshold, cut.threshold])
    assert axes.texts[-1].get_text().startswith(f"{cut.layer}: {cut.removed.sum()} of")


def test_a_mask_is_drawn_darker_where_it_keeps_more():
    gap = KEPT.copy()
    gap[:, 1] = np.nan
    picture = figure(8.6, 4.8)
    for kept, text in ((KEPT, "a"), (KEPT[::-1], "b"), (KEPT[:2], "c"), (gap, "d")):
        shown = replace(MAP, kept=kept, text=text, square=f"square {text}")
        plot.draw(picture, result(mask_map=shown))
        axes = picture.axes[2]
        (image,) = axes.images
        np.testing.assert_array_equal(image.get_array().filled(np.nan), kept)
        shades = image.to_rgba(image.get_array())
        grey = shades[..., :3].mean(axis=-1)
        assert (grey[np.nanargmin(kept) // 4, 0] >= grey).mean() > 0.9 or text == "d"
        assert image.get_clim() == (0, shown.darkest)
        assert axes.texts[-1].get_text().startswith(f"{text};\nsquare {text}, darkest")
    assert (shades[:, 1, 3] == 0).all() or (shades[:, 1, :3] == 1).all()  # the gap
    assert shown.darkest == 0.5 and replace(MAP, kept=0 * KEPT).darkest == 1


def test_a_frame_that_is_kept_shows_the_same_picture():
    picture = figure(8.6, 4.8)
    drawn(result(mask_map=replace(MAP, kept=KEPT[:1])), Marks(guess=0.5), picture)
    again = drawn(result(), picture=picture)
    np.testing.assert_array_equal(again, drawn(result()))


def test_the_alt_text_says_the_figures():
    picture = figure(8.6, 4.8)
    text = plot.draw(picture, result(), Marks(guess=0.5))
    assert text == picture.alt and "\n" not in text
    for part in (
        "packed file (decoded to run): 95.00 % (94.00 to 96.00, 10,000 images), 60,000",
        "file with zeros: 95.00 %",
        "fc1: 460 of 482 removed, those with |w| below 0.227.",
        "4 inputs across, 3 units down; a square a weight, darkest: 50 % kept.",
        "Your guess: 50.00 %.",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("removed", "threshold", "said"),
    [
        (0 * COUNTS, 0.01, "0 of 482 removed, left whole."),
        (COUNTS, np.inf, "482 of 482 removed, all of them."),
        (COUNTS // 2, None, "not by size alone."),
    ],
)
def test_the_ends_are_said_in_words(removed, threshold, said):
    cut = replace(CUT, removed=removed, threshold=threshold)
    assert said in plot.draw(figure(8.6, 4.8), result(cut=cut))


@pytest.mark.parametrize("shape", [(28, 28), (3, 100), (77, 30), (1, 1)])
def test_squares_are_squares_and_stay_in_their_box(shape):
    picture = figure(8.6, 4.8)
    plot.draw(picture, result(mask_map=replace(MAP, kept=np.ones(shape))))
    axes = picture.axes[2]
    (image,) = axes.images
    left, right, bottom, top = image.get_extent()
    assert (right - left) / shape[1] == pytest.approx((top - bottom) / shape[0])
    width, height = plot.MAP_BOX
    assert left >= -1e-9 and right <= width + 1e-9
    assert bottom >= -1e-9 and top <= height + 1e-9
    inches = axes.get_window_extent().size / picture.dpi
    np.testing.assert_allclose(inches, plot.MAP_BOX, atol=0.01)


def test_no_name_of_a_size_touches_another():
    picture = figure(8.6, 4.8)
    plot.draw(picture, result())
    picture.draw_without_rendering()
    boxes = [
        label.get_window_extent()
        for label in picture.axes[0].get_xticklabels()
        if label.get_text()
    ]
    assert len(boxes) > 3
    for left, right in zip(boxes, boxes[1:], strict=False):
        assert left.x1 < right.x0
