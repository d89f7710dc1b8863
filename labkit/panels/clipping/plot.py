"""The picture of a clip: two errors, where rules put it, the weights, the accuracy."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from labkit.plots.base import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    TEXT_SIZE,
    VERMILLION,
    tidy,
)
from labkit.plots.histogram import draw_grids, histogram_frame
from labkit.plots.plane import (
    NO_MARKS,
    Marks,
    Point,
    accuracy_ticks,
    baseline,
    guess_text,
    height,
    points_text,
)

REACH = 1.05  # of the clip's axis, in shares of the largest weight
LOSSES = tuple(10.0**-k for k in range(10))
OPTIMUM = "best of all"
CURVES = {
    "round-off": (BLUE, "--"),
    "clipping": (VERMILLION, ":"),
    "sum": (BLACK, "-"),
}
LABEL_X = "clip, per cent of the largest weight"


@dataclass(frozen=True)
class Choice:
    """Where a rule ends the grid: a share of the largest weight, and its SQNR in dB."""

    name: str
    share: float
    sqnr_db: float


@dataclass(frozen=True)
class Errors:
    """The squared error of a grid's two parts, as shares of the weights' energy.

    A share of 0.1 is an SQNR of 10 dB, 0.01 of 20 dB.
    """

    roundoff: float
    clipping: float

    @property
    def total(self) -> float:
        """Their sum."""
        return self.roundoff + self.clipping

    @property
    def parts(self) -> dict[str, float]:
        """The value of each of CURVES."""
        values = self.roundoff, self.clipping, self.total
        return dict(zip(CURVES, values, strict=True))


@dataclass(frozen=True, eq=False)
class Curves:
    """A layer's errors over the clip, at one width.

    clips: shares of the largest weight, ascending. errors: at each of them. choices:
    the best clip, then those of the rules.
    """

    layer: str
    bits: int
    clips: tuple[float, ...]
    errors: tuple[Errors, ...]
    choices: tuple[Choice, ...]

    @property
    def key(self) -> tuple:
        """Equal where the drawn curves are."""
        return (self.layer, self.bits, self.errors, self.choices)


@dataclass(frozen=True)
class ClipPoint(Point):
    """A model file at a clip.

    share: of each layer's largest weight. series: what else was set, such as "4 bits".
    """

    share: float = 1.0
    series: str = ""


def draw(figure, result, marks: Marks = NO_MARKS) -> str:
    """Draw a position of the clip panel and return the alt text.

    figure: a `Picture`, whose frame is kept for the next drawing. result: has `points`
    (one of kind "float", one `ClipPoint`), `best` (the accuracy at the plane's top),
    `histogram`, `curves`, and `errors`, those at the present clip.
    """
    base, now = baseline(result.points), _present(result.points)
    curves, shown = result.curves, result.histogram
    weights = (shown.layer, shown.counts.tobytes(), shown.edges.tobytes())
    key = (result.best, *weights, curves.key)
    figure.frame(key, lambda: _frame(figure, result))
    errors, rules, histogram, accuracy = figure.axes
    for axes in (errors, rules, accuracy):
        axes.axvline(now.share, color=GREY, linewidth=1.2, zorder=1)
    _draw_errors(errors, now.share, result.errors)
    draw_grids(histogram, shown)
    _draw_accuracy(accuracy, base, now, marks)
    figure.alt = alt_text(result, marks)
    return figure.alt


def alt_text(result, marks: Marks = NO_MARKS) -> str:
    """What the picture says, for those who do not see it."""
    curves, errors = result.curves, result.errors
    now = _present(result.points)
    choices = "; ".join(
        f"{c.name} at {100 * c.share:.1f} %, {c.sqnr_db:.1f} dB" for c in curves.choices
    )
    text = (
        f"{curves.layer} at {curves.bits} bits, clip at {100 * now.share:.0f} % of the "
        f"largest weight: round-off {loss(errors.roundoff)}, clipping "
        f"{loss(errors.clipping)} of the weights' energy; {result.histogram.clipped:,} "
        f"weights clipped. {choices}. {points_text(result.points)}."
    )
    return text + guess_text(marks)


def loss(share: float) -> str:
    """A share of the weights' energy as a percentage, two digits.

    >>> loss(0.0257), loss(0.13), loss(0.000057), loss(0.0)
    ('2.6 %', '13 %', '0.0057 %', '0 %')
    """
    if share == 0:
        return "0 %"
    places = max(0, 1 - int(np.floor(np.log10(100 * share))))
    return f"{100 * share:.{places}f} %"


def _present(points: Iterable[Point]) -> ClipPoint:
    return next(point for point in points if point.kind != "float")


def _frame(figure, result) -> None:
    """Four axes; the three over the clip have the same x axis."""
    _errors_frame(figure.add_axes((0.125, 0.405, 0.37, 0.52)), result.curves)
    _rules_frame(figure.add_axes((0.125, 0.1, 0.37, 0.285)), result.curves.choices)
    histogram_frame(figure.add_axes((0.66, 0.6, 0.33, 0.3)), result.histogram)
    _accuracy_frame(figure.add_axes((0.66, 0.1, 0.33, 0.3)), result.best)


def _clip_axis(axes) -> None:
    axes.set_xlim(0, REACH)
    axes.set_xticks(np.linspace(0, 1, 6), [f"{20 * k}" for k in range(6)])


def _errors_frame(axes, curves: Curves) -> None:
    tidy(axes, grid="y")
    _clip_axis(axes)
    axes.tick_params(labelbottom=False)
    axes.set_yscale("log")
    total = [errors.total for errors in curves.errors]
    floor = min(total) / 12
    for name, (colour, dash) in CURVES.items():
        y = np.array([errors.parts[name] for errors in curves.errors])
        x = np.array(curves.clips)
        axes.plot(x[y > 0], y[y > 0], dash, color=colour, lw=1.6, label=name)
    axes.set_ylim(floor, 1.6)
    ticks = [tick for tick in LOSSES if tick > floor]
    axes.set_yticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylabel("error, of the weights' energy", fontsize=TEXT_SIZE)
    _legend(axes)


def _draw_errors(axes, share: float, errors: Errors) -> None:
    for name, (colour, _) in CURVES.items():
        axes.plot([share], [errors.parts[name]], "o", color=colour, markersize=7)


def _rules_frame(axes, choices: tuple[Choice, ...]) -> None:
    """A row a rule: its name at the left, its clip, its SQNR at the right."""
    tidy(axes)
    axes.spines["left"].set_visible(False)
    _clip_axis(axes)
    axes.set_xlabel(LABEL_X, fontsize=TEXT_SIZE)
    rows = range(len(choices))[::-1]
    axes.set_ylim(-0.6, len(choices) - 0.4)
    axes.set_yticks(list(rows), [choice.name for choice in choices])
    axes.tick_params(axis="y", length=0)
    for row, choice in zip(rows, choices, strict=True):
        best = choice.name == OPTIMUM
        axes.axhline(row, color="#E6E6E6", linewidth=0.8, zorder=0)
        axes.plot(
            [choice.share],
            [row],
            "*" if best else "D",
            color=GREEN if best else BLACK,
            markersize=10 if best else 5.5,
            clip_on=False,
        )
        where = {"transform": axes.get_yaxis_transform(), "fontsize": TEXT_SIZE - 1}
        axes.text(1.02, row, f"{choice.sqnr_db:.1f} dB", va="center", **where)


def _accuracy_frame(axes, best: float) -> None:
    tidy(axes, grid="y")
    _clip_axis(axes)
    axes.set_ylim(height(0.02), height(best))
    accuracy_ticks(axes.yaxis, *axes.get_ylim())
    axes.set_xlabel(LABEL_X, fontsize=TEXT_SIZE)
    axes.set_ylabel("accuracy", fontsize=TEXT_SIZE)
    axes.plot([], [], "o", color=BLUE, label="now")
    axes.plot([], [], "o", color=BLUE, alpha=0.35, ms=4.5, label="before")
    axes.plot([], [], "o", color=GREY, alpha=0.35, ms=4.5, label="other setting")
    axes.plot([], [], color=BLACK, linewidth=0.8, dashes=(1, 3), label="float32")
    axes.plot([], [], "o", color=GREEN, mfc="none", mew=1.8, label="pinned")
    axes.plot([], [], color=ORANGE, linewidth=2, dashes=(3, 1.5), label="your guess")
    _legend(axes)


def _legend(axes) -> None:
    """What the marks mean, above the axes, where no mark can be."""
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.02, 1.0),
        ncols=3,
        frameon=False,
        fontsize=TEXT_SIZE - 1,
        handlelength=1.6,
        columnspacing=1.2,
        borderaxespad=0.2,
    )


def _draw_accuracy(axes, base: Point, now: ClipPoint, marks: Marks) -> None:
    axes.axhline(height(base.accuracy), color=BLACK, linewidth=0.8, dashes=(1, 3))
    for point in marks.trail:
        _dot(axes, point, 4.5, BLUE if point.series == now.series else GREY, alpha=0.35)
    for point in marks.pinned:
        _dot(axes, point, 6, BLUE if point.series == now.series else GREY)
        where = [point.share], [height(point.accuracy)]
        axes.plot(*where, "o", ms=14, color=GREEN, mfc="none", mew=1.8)
    if marks.guess is not None:
        axes.axhline(height(marks.guess), color=ORANGE, linewidth=2, dashes=(3, 1.5))
    ends = [height(now.low), height(now.high)]
    axes.plot([now.share] * 2, ends, "_-", color=BLUE, linewidth=1.2, markersize=7)
    _dot(axes, now, 8, BLUE)


def _dot(axes, point: ClipPoint, size: float, colour: str, alpha: float = 1) -> None:
    """Hollow where not every test image was used."""
    axes.plot(
        [point.share],
        [height(point.accuracy)],
        "o",
        color=colour,
        markersize=size,
        markerfacecolor=colour if point.exact else "white",
        alpha=alpha,
    )
