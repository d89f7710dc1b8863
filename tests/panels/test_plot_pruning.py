"""The picture of a mask: every number moves pixels, and what it says is true."""

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
    "change",
    [
        {"points": (FLOAT, replace(PACKED, size_bytes=30_000), ZEROS)},
        {"points": (FLOAT, PACKED, replace(ZEROS, accuracy=0.9))},
        {"points": (FLOAT, replace(PACKED, exact=False), ZEROS)},
        {"cut": replace(CUT, counts=COUNTS[::-1] + 1)},
        {"cut": replace(CUT, removed=COUNTS)},
        {"cut": replace(CUT, threshold=0.3)},
        {"cut": replace(CUT, threshold=None)},
        {"cut": replace(CUT, layer="fc2")},
        {"mask_map": replace(MAP, kept=KEPT[::-1])},
        {"mask_map": replace(MAP, kept=KEPT[:2])},
        {"mask_map": replace(MAP, text="others")},
        {"mask_map": replace(MAP, square="another")},
    ],
)
def test_every_number_moves_pixels(change):
    assert (drawn(result()) != drawn(result(**change))).any()


BEFORE = replace(PACKED, accuracy=0.8)


@pytest.mark.parametrize(
    "marks", [Marks(trail=(BEFORE,)), Marks(pinned=(BEFORE,)), Marks(guess=0.5)]
)
def test_every_mark_is_drawn(marks):
    assert (drawn(result()) != drawn(result(), marks)).any()


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


def test_a_gap_between_kernels_is_white():
    gap = KEPT.copy()
    gap[:, 1] = np.nan
    shown = replace(MAP, kept=gap)
    assert shown.darkest == 0.5 and replace(MAP, kept=0 * KEPT).darkest == 1
    assert (drawn(result(mask_map=shown)) != drawn(result())).any()


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
