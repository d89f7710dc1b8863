"""The picture of a distillation: the plane, and two students' losses as they fall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labkit.plots.base import BLUE, PURPLE, TEXT_SIZE, VERMILLION, tidy
from labkit.plots.plane import (
    NO_MARKS,
    Marks,
    baseline,
    draw_frame,
    draw_points,
    plane_text,
)

STUDENTS = {"alone": (BLUE, "o"), "distilled": (VERMILLION, "D")}
SMALLEST = 80  # times smaller than the teacher's file
BAR = 0.03  # of the axes' height
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


@dataclass(frozen=True)
class Course:
    """Two trainings as far as they are, one after the other.

    steps: of each, 0 for no training. losses: student -> (step, loss) of some steps,
    the cross-entropy on validation images.
    """

    steps: int
    losses: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """The steps of both that are done."""
        return sum(rows[-1][0] for rows in self.losses.values() if rows)

    def after(self, student: str, step: int, loss: float) -> "Course":
        """The course with one more row."""
        rows = (*self.losses.get(student, ()), (step, loss))
        return Course(self.steps, {**self.losses, student: rows})


def draw(figure, result, marks: Marks = NO_MARKS) -> str:
    """Draw a position of the distillation panel and return the alt text.

    figure: a `Picture`, whose frame is kept for the next drawing. result: has `points`
    (for the plane), `best` (the accuracy at the plane's top) and `course`.
    """
    base, course = baseline(result.points), result.course
    key = (base.size_bytes, result.best, course.steps)
    figure.frame(key, lambda: _frame(figure, base, result.best, course))
    left, right = figure.axes
    draw_points(left, result.points, marks)
    draw_course(right, course)
    figure.alt = alt_text(result, marks)
    return figure.alt


def alt_text(result, marks: Marks = NO_MARKS) -> str:
    """What the picture says, for those who do not see it."""
    text = f"{title(result.course)}."
    for student, rows in result.course.losses.items():
        text += f" {student}: loss {rows[-1][1]:.3g} at step {rows[-1][0]}."
    return plane_text(result.points, text, marks)


def title(course: Course) -> str:
    """How far the trainings are, in a few words.

    >>> title(Course(500, {"alone": [(500, 0.5)], "distilled": [(100, 0.7)]}))
    '600 of 2 x 500 steps'
    """
    if not course.steps:
        return "no training"
    return f"{course.done} of 2 x {course.steps} steps"


def _frame(figure, base, best: float, course: Course) -> None:
    plane = figure.add_axes((0.095, 0.15, 0.45, 0.68))
    draw_frame(plane, base.size_bytes, best, ("float", *STUDENTS), SMALLEST)
    axes = figure.add_axes((0.645, 0.15, 0.345, 0.68))
    tidy(axes, grid="y")
    axes.set_yscale("log")
    axes.set_ylim(TICKS[0], 3)
    axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.set_yticks([], minor=True)
    axes.set_xlim(0, 1.04 * course.steps or 1)
    axes.set_xlabel("step, one batch of training images", fontsize=TEXT_SIZE)
    axes.set_ylabel("cross-entropy, validation", fontsize=TEXT_SIZE)
    if not course.steps:
        axes.set_xticks([])


def draw_course(axes, course: Course) -> None:
    """Draw the losses on their frame; the bar at its foot fills as steps are done."""
    axes.axvspan(0, course.done / 2, 0, BAR, color=PURPLE, linewidth=0)
    for student, rows in course.losses.items():
        colour, marker = STUDENTS[student]
        x, y = zip(*rows, strict=True)
        axes.plot(x, y, "-", color=colour, marker=marker, markersize=5)
    options = {"transform": axes.transAxes, "fontsize": TEXT_SIZE, "va": "bottom"}
    axes.text(0, 1.03, title(course), **options)
