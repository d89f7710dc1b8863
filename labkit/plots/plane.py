"""The plane on which every method of the lab is compared: accuracy against bytes."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log10

from labkit.plots.base import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    TEXT_SIZE,
    VERMILLION,
    bytes_text,
    percent,
    tidy,
)

# kind -> colour, marker, what the key calls it
KINDS = {
    "float": (BLACK, "s", "float32 file"),
    "packed": (BLUE, "o", "packed file (decoded to run)"),
    "deployable": (VERMILLION, "D", "deployable file"),
    "larger": (PURPLE, "X", "above break-even: larger"),
    "zeros": (VERMILLION, "D", "file with zeros"),
    "trained": (PURPLE, "^", "trained, packed"),
    "uniform": (GREY, "v", "same bits everywhere"),
    "graph": (BLUE, "P", "in the graph, no kernel"),
    "static": (VERMILLION, "D", "static file"),
    "dynamic": (PURPLE, "X", "dynamic file"),
    "alone": (BLUE, "o", "student alone"),
    "distilled": (VERMILLION, "D", "student, distilled"),
}
FILES = ("float", "packed", "deployable")
# Drawn last and smaller: others may lie underneath.
SMALL = {"deployable", "zeros", "static", "dynamic", "distilled"}
ACCURACY_TICKS = (0.1, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
MOST_TICKS = 6  # with names that do not touch
SIZE_LABEL = "size of the file (log scale)"
ACCURACY_LABEL = "accuracy (error on a log scale)"
BYTE_TICKS = tuple(m * 10**e for e in range(3, 9) for m in (1, 2, 5))


@dataclass(frozen=True)
class Point:
    """A model file on the plane.

    name: what the position is, such as "4 bits, channel". group: which points share a
    plane (the network). kind: one of KINDS. accuracy, low, high: 0 to 1, the
    measurement and its interval on `n` images. size_bytes: the file's. exact: whether
    every test image was used.
    """

    name: str
    group: str
    kind: str
    accuracy: float
    low: float
    high: float
    n: int
    size_bytes: int
    exact: bool


@dataclass(frozen=True)
class Marks:
    """What a panel draws beside the present position.

    trail: points visited before. pinned: points to compare with. guess: an accuracy
    from 0 to 1 that the reader predicted.
    """

    trail: tuple[Point, ...] = ()
    pinned: tuple[Point, ...] = ()
    guess: float | None = None


NO_MARKS = Marks()


def height(accuracy: float) -> float:
    """Where an accuracy is drawn: each halving of the error is an equal step up.

    >>> round(height(0.99) - height(0.98), 3), round(height(0.90) - height(0.80), 3)
    (0.301, 0.301)
    """
    return -log10(max(1 - accuracy, 1e-5))


def plane(
    axes, points: Iterable[Point], marks: Marks = NO_MARKS, best: float = 0.996
) -> None:
    """Draw accuracy against bytes: frame, points with intervals, the reader's marks.

    The first point of kind "float" is the baseline. best: the accuracy at the top of
    the axes. Accuracy is drawn by `height`, bytes on a log axis.
    """
    points = tuple(points)
    draw_frame(axes, baseline(points).size_bytes, best)
    draw_points(axes, points, marks)


def baseline(points: Iterable[Point]) -> Point:
    """The float32 point; StopIteration if there is none."""
    return next(point for point in points if point.kind == "float")


def draw_frame(
    axes,
    size_bytes: int,
    best: float,
    kinds: Iterable[str] = FILES,
    smaller: float = 28,
) -> None:
    """Axes for files up to `size_bytes` and accuracies up to `best`, and the key.

    kinds: of the points that will come. smaller: how many times smaller than
    `size_bytes` a file may be.
    """
    tidy(axes, grid="both")
    axes.set_xscale("log")
    axes.set_xlim(size_bytes / smaller, size_bytes * 1.45)
    bytes_ticks(axes)
    axes.set_ylim(height(0.02), height(best))
    accuracy_ticks(axes.yaxis, *axes.get_ylim())
    axes.set_xlabel(SIZE_LABEL, fontsize=TEXT_SIZE)
    axes.set_ylabel(ACCURACY_LABEL, fontsize=TEXT_SIZE)
    _key(axes, kinds)


def accuracy_ticks(axis, low: float, high: float) -> None:
    """Name round accuracies on an axis that shows the heights from low to below high.

    axis: `axes.xaxis` or `axes.yaxis`, on which accuracies stand at their `height`.
    """
    shown = [tick for tick in ACCURACY_TICKS if low <= height(tick) < high]
    axis.set_ticks([height(tick) for tick in shown], [f"{100 * t:g} %" for t in shown])


def bytes_ticks(axes, most: int = MOST_TICKS) -> None:
    """Name round sizes on the x axis; with more than `most`, those of 1 and 5 alone."""
    left, right = axes.get_xlim()
    ticks = [tick for tick in BYTE_TICKS if left <= tick <= right]
    if len(ticks) > most:
        ticks = [tick for tick in ticks if not str(tick).startswith("2")]
    axes.set_xticks(ticks, [bytes_text(tick) for tick in ticks])
    axes.set_xticks([], minor=True)


def _key(axes, kinds: Iterable[str]) -> None:
    """What the marks mean, above the axes, where no point can be."""
    for colour, marker, text in (KINDS[kind] for kind in kinds):
        axes.plot([], [], marker, color=colour, label=text)
    axes.plot([], [], "o", color=BLUE, alpha=0.35, ms=4.5, label="visited before")
    axes.plot([], [], "o", color=GREEN, mfc="none", mew=1.8, label="pinned")
    axes.plot([], [], color=ORANGE, linewidth=2, dashes=(3, 1.5), label="your guess")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.06, 1.0),
        ncols=3,
        frameon=False,
        fontsize=TEXT_SIZE - 1,
        handlelength=1.4,
        columnspacing=1.2,
        borderaxespad=0.2,
    )


def draw_points(axes, points: Iterable[Point], marks: Marks = NO_MARKS) -> None:
    """Draw points, intervals and marks on a frame; hollow: not yet on every image."""
    points = tuple(points)
    for point in marks.trail:
        _dot(axes, point, 4.5, alpha=0.35)
    for point in marks.pinned:
        _dot(axes, point, 6)
        x, y = [point.size_bytes], [height(point.accuracy)]
        axes.plot(x, y, "o", ms=15, color=GREEN, mfc="none", mew=1.8)
    if marks.guess is not None:
        axes.axhline(height(marks.guess), color=ORANGE, linewidth=2, dashes=(3, 1.5))
    level = height(baseline(points).accuracy)
    axes.axhline(level, color=BLACK, linewidth=0.8, dashes=(1, 3))
    for point in points:
        _interval(axes, point)
        _dot(axes, point, 6 if point.kind in SMALL else 9)


def _dot(axes, point: Point, size: float, alpha: float = 1.0) -> None:
    colour, marker, _ = KINDS[point.kind]
    axes.plot(
        [point.size_bytes],
        [height(point.accuracy)],
        marker,
        markersize=size,
        color=colour,
        markerfacecolor=colour if point.exact else "white",
        alpha=alpha,
    )


def _interval(axes, point: Point) -> None:
    x = [point.size_bytes] * 2
    y = [height(point.low), height(point.high)]
    axes.plot(x, y, "_-", color=KINDS[point.kind][0], linewidth=1.2, markersize=7)


def describe(point: Point) -> str:
    """A point as a sentence part.

    >>> describe(Point("4 bits", "mlp", "float", 0.97, 0.96, 0.98, 1000, 140000, False))
    'float32 file: 97.00 % (96.00 to 98.00, 1,000 images), 140,000 bytes'
    """
    return (
        f"{KINDS[point.kind][2]}: {percent(point.accuracy)} ({100 * point.low:.2f} to "
        f"{100 * point.high:.2f}, {point.n:,} images), {point.size_bytes:,} bytes"
    )


def points_text(points: Iterable[Point]) -> str:
    """All points of a plane, for an alt text."""
    return "; ".join(describe(point) for point in points)


def guess_text(marks: Marks) -> str:
    """The reader's guess as a sentence with a space before it; "" where there is none.

    >>> guess_text(Marks(guess=0.9)), guess_text(NO_MARKS)
    (' Your guess: 90.00 %.', '')
    """
    return "" if marks.guess is None else f" Your guess: {percent(marks.guess)}."


def plane_text(points: Iterable[Point], text: str, marks: Marks = NO_MARKS) -> str:
    """The alt text of a picture with a plane: its points, the rest, the guess.

    text: sentences on what else the picture shows.
    """
    return f"Accuracy against bytes. {points_text(points)}. {text}{guess_text(marks)}"
