"""The picture of a training with rounding: the plane, and the loss as it falls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labkit.plots.base import BLACK, BLUE, PURPLE, TEXT_SIZE, tidy
from labkit.plots.plane import (
    NO_MARKS,
    Marks,
    baseline,
    draw_frame,
    draw_points,
    plane_text,
)

KINDS = ("float", "packed", "trained")
LEVELS = {"float32": (BLACK, (1, 3)), "rounded": (BLUE, (4, 2))}
BAR = 0.03  # of the axes' height
LOSS_TICKS = (0.001, 0.01, 0.1, 1, 10, 100)


@dataclass(frozen=True)
class Course:
    """A training as far as it is.

    steps: how many there will be, 0 for no training. done: how many are. losses:
    (step, mean loss of the latest ones). levels: "float32" and "rounded" -> the loss
    of that network on some training images, all in nats.
    """

    steps: int
    done: int = 0
    losses: Sequence[tuple[int, float]] = ()
    levels: Mapping[str, float] = field(default_factory=dict)


def draw(figure, result, marks: Marks = NO_MARKS) -> str:
    """Draw a position of the panel and return the alt text.

    figure: a `Picture`, whose frame is kept for the next drawing. result: has `points`
    (for the plane), `best` (the accuracy at the plane's top) and `course`.
    """
    base, course = baseline(result.points), result.course
    limits = _limits(course)
    key = (base.size_bytes, result.best, course.steps, limits, *_levels(course))
    figure.frame(key, lambda: _frame(figure, base, result.best, course, limits))
    left, right = figure.axes
    draw_points(left, result.points, marks)
    draw_course(right, course)
    figure.alt = alt_text(result, marks)
    return figure.alt


def alt_text(result, marks: Marks = NO_MARKS) -> str:
    """What the picture says, for those who do not see it."""
    levels = ", ".join(f"{name} {y:.3g}" for name, y in result.course.levels.items())
    text = f"Loss: {levels}. {title(result.course)}."
    return plane_text(result.points, text, marks)


def title(course: Course) -> str:
    """How far the training is, in a few words.

    >>> title(Course(100, 45, [(45, 0.532)])), title(Course(0))
    ('step 45 of 100, loss 0.532', 'no training, rounded only')
    """
    if not course.steps:
        return "no training, rounded only"
    if not course.losses:
        return f"{course.steps} steps, starting"
    return f"step {course.done} of {course.steps}, loss {course.losses[-1][1]:.3g}"


def _levels(course: Course) -> tuple[float, ...]:
    return tuple(course.levels.values())


def _limits(course: Course) -> tuple[float, float]:
    """Ends of the loss axis; they stay while the losses lie between the levels."""
    seen = [*_levels(course), *(loss for _, loss in course.losses)]
    return min(seen) / 2.5, max(seen) * 1.8


def _frame(figure, base, best: float, course: Course, limits) -> None:
    plane = figure.add_axes((0.095, 0.15, 0.45, 0.68))
    draw_frame(plane, base.size_bytes, best, KINDS)
    _course_frame(figure.add_axes((0.645, 0.15, 0.345, 0.68)), course, limits)


def _course_frame(axes, course: Course, limits: tuple[float, float]) -> None:
    tidy(axes, grid="y")
    axes.set_yscale("log")
    axes.set_ylim(*limits)
    ticks = [tick * m for tick in LOSS_TICKS for m in (1, 2, 5)]
    shown = [tick for tick in ticks if limits[0] <= tick <= limits[1]]
    axes.set_yticks(shown, [f"{tick:g}" for tick in shown])
    axes.set_yticks([], minor=True)
    axes.set_xlim(0, 1.04 * course.steps or 1)
    if not course.steps:
        axes.set_xticks([])
    axes.set_xlabel("step, one batch of 128 training images", fontsize=TEXT_SIZE)
    axes.set_ylabel("loss (log scale)", fontsize=TEXT_SIZE)
    for name, (colour, dashes) in LEVELS.items():
        y = course.levels[name]
        axes.axhline(y, color=colour, linewidth=1.2, dashes=dashes)
        below = name == min(course.levels, key=course.levels.get)
        axes.annotate(
            name,
            (0.99, y),
            (0, -3 if below else 3),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="top" if below else "bottom",
            color=colour,
            fontsize=TEXT_SIZE - 1,
        )


def draw_course(axes, course: Course) -> None:
    """Draw the losses on their frame; the bar at its foot fills as steps are done."""
    axes.axvspan(0, course.done, 0, BAR, color=PURPLE, linewidth=0)
    if course.losses:
        x, y = zip(*course.losses, strict=True)
        axes.plot(x, y, "-", color=PURPLE, marker="^", markersize=4)
    place = {"transform": axes.transAxes, "fontsize": TEXT_SIZE, "va": "bottom"}
    axes.text(0, 1.03, title(course), **place)
