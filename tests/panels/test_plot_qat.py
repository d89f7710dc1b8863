"""Pictures of notebook 02b: a training's course, slopes, a search, what was gained."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from labkit.panels.qat import plot
from labkit.panels.qat.plot import Course
from labkit.plots.base import figure
from labkit.plots.functions import Search, draw_functions, draw_search
from labkit.plots.gains import Gain, draw_gains
from labkit.plots.plane import Marks, Point

FLOAT = Point("float32", "net", "float", 0.88, 0.87, 0.89, 10_000, 300_000, True)
ROUNDED = Point("W2A4 rounded", "net", "packed", 0.2, 0.19, 0.21, 10_000, 26_000, True)
TRAINED = replace(ROUNDED, name="W2A4, 100 steps", kind="trained", accuracy=0.7)
LEVELS = {"float32": 0.15, "rounded": 3.0}
COURSE = Course(100, 10, ((5, 1.4), (10, 0.9)), LEVELS)


def result(course=COURSE, points=(FLOAT, ROUNDED)):
    return SimpleNamespace(points=points, best=0.965, course=course)


def drawn(shown, marks=None, picture=None):
    picture = picture or figure(8.6, 3.4)
    alt = plot.draw(picture, shown, marks or Marks())
    assert alt == picture.alt
    return imread(io.BytesIO(picture.png()))


@pytest.mark.parametrize(
    "course",
    [
        COURSE,
        replace(COURSE, done=20, losses=((5, 1.4), (10, 0.5))),
        replace(COURSE, steps=50, levels=LEVELS | {"rounded": 2.0}),
        Course(0, levels=LEVELS),
    ],
)
def test_a_course_is_drawn_at_its_figures(course):
    picture = figure(8.6, 3.4)
    plot.draw(picture, result())
    alt = plot.draw(picture, result(course))
    axes = picture.axes[1]
    (bar,) = axes.patches
    assert bar.get_x() + bar.get_width() == course.done
    levels = [line for line in axes.lines if list(line.get_xdata()) == [0, 1]]
    assert [line.get_ydata()[0] for line in levels] == [
        course.levels[name] for name in plot.LEVELS
    ]
    falling = [line for line in axes.lines if line.get_marker() == "^"]
    assert [line.get_xydata().tolist() for line in falling] == (
        [[list(row) for row in course.losses]] if course.losses else []
    )
    assert axes.get_xlim() == (0, 1.04 * course.steps or 1)
    assert axes.texts[-1].get_text() == plot.title(course) in alt


def test_a_reused_frame_gives_the_pixels_of_a_new_figure():
    reused = figure(8.6, 3.4)
    drawn(result(replace(COURSE, done=5)), Marks(guess=0.4), reused)
    drawn(result(Course(0, levels=LEVELS)), picture=reused)
    np.testing.assert_array_equal(drawn(result(), picture=reused), drawn(result()))


@pytest.mark.parametrize("losses", [((5, 40.0),), ((5, 0.001), (10, 0.002))])
def test_losses_beyond_the_levels_are_in_the_picture(losses):
    picture = figure(8.6, 3.4)
    drawn(result(replace(COURSE, losses=losses)), picture=picture)
    low, high = picture.axes[1].get_ylim()
    for value in (*LEVELS.values(), *(loss for _, loss in losses)):
        assert low < value < high


def test_the_alt_text_says_the_figures():
    alt = plot.alt_text(result(points=(FLOAT, ROUNDED, TRAINED)), Marks(guess=0.4))
    for part in (
        "88.00 %", "20.00 %", "70.00 %", "26,000 bytes", "rounded 3",
        "step 10 of 100, loss 0.9", "Your guess: 40.00 %",
    ):  # fmt: skip
        assert part in alt
    assert "100 steps, starting" in plot.alt_text(
        result(replace(COURSE, done=0, losses=()))
    )


def test_functions_side_by_side():
    x = np.linspace(-1, 1, 50)
    picture = draw_functions(
        figure(8, 3), x, {"a": {"f": x, "g": 2 * x}, "b": {"h": x}}
    )
    left, right = picture.axes
    np.testing.assert_array_equal(left.lines[1].get_ydata(), 2 * x)
    assert [line.get_label() for line in right.lines] == ["h"]
    assert "a: g from -2 to 2" in picture.alt and picture.png()


def test_a_search_counts_what_each_weight_sorts():
    z = np.array([[1.0, 0.2], [-0.2, 1.0], [0.9, -0.6]])
    path = np.array([[0.3, 0.2], [0.6, 0.3], [0.8, 0.4]])
    picture = draw_search(figure(8, 3.6), z, Search(path, scale=0.5, top=3))
    assert "float at (0.3, 0.2) sorts 3 of 3" in picture.alt
    assert "nearest at (0.5, 0) sorts 2 of 3" in picture.alt
    assert "trained at (1, 0.5) sorts 3 of 3" in picture.alt
    left = picture.axes[0]
    counts = {text.get_position(): text.get_text() for text in left.texts}
    assert counts[0.5, 0.0] == "2" and counts[1.0, 0.5] == "3"
    assert picture.png()


def test_a_search_ends_at_the_grid_s_end():
    search = Search(np.array([[9.0, -9.0]]), scale=0.5, top=3)
    assert search.rounded(search.path[-1]).tolist() == [1.5, -1.5]


def test_gains_say_all_three_accuracies():
    gains = [Gain("a W8A8", 0.995, 0.995, 0.994), Gain("b W2A4", 0.88, 0.18, 0.8)]
    picture = draw_gains(figure(7, 3), gains)
    assert "b W2A4: float32 88.00 %, rounded 18.00 %, trained 80.00 %" in picture.alt
    axes = picture.axes[0]
    left, right = axes.get_xlim()
    marks = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 1]
    assert len(marks) == 6 and all(left < float(x[0]) < right for x in marks)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a W8A8", "b W2A4"]
