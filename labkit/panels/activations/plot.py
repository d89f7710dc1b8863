"""The activations panel's picture: the plane, and what a layer reads on its grid."""

from dataclasses import dataclass

import numpy as np

from labkit.plots.base import TEXT_SIZE, VERMILLION, tidy
from labkit.plots.histogram import FLOOR, STRIP, Grid, draw_ticks
from labkit.plots.plane import (
    NO_MARKS,
    Marks,
    Point,
    baseline,
    draw_frame,
    draw_points,
    plane_text,
)

KINDS = ("float", "graph", "static", "dynamic")


@dataclass(frozen=True, eq=False)
class Reading:
    """What one layer reads of some images, and the grid that it is rounded to.

    layer: its name. images: how many images it read. edges: float, (bins + 1,).
    counts: int, (bins,), of the numbers. grid: the values they may take. clipped: the
    share of the numbers beyond its ends. sqnr_db: signal to rounding noise, dB.
    """

    layer: str
    images: int
    edges: np.ndarray
    counts: np.ndarray
    grid: Grid
    clipped: float
    sqnr_db: float


def draw(figure, result, marks: Marks = NO_MARKS) -> str:
    """Draw a position of the activations panel and return the alt text.

    figure: a `Picture`, whose frame is kept for the next drawing. result: has `points`
    (for the plane), `best` (the accuracy at the plane's top) and `reading`.
    """
    base, reading = baseline(result.points), result.reading
    ends = _ends(reading)
    bars = (reading.layer, reading.counts.tobytes(), reading.edges.tobytes(), ends)
    key = (base.size_bytes, result.best, *bars)
    figure.frame(key, lambda: _frame(figure, base, result.best, reading, ends))
    left, right = figure.axes
    draw_points(left, result.points, marks)
    draw_grid(right, reading)
    figure.alt = alt_text(result, marks)
    return figure.alt


def alt_text(result, marks: Marks = NO_MARKS) -> str:
    """What the picture says, for those who do not see it."""
    grid = result.reading.grid
    title = _title(result.reading).replace("\n", " ")
    text = f"{title}, from {grid.lowest:.3g} to {grid.highest:.3g}."
    return plane_text(result.points, text, marks)


def _frame(figure, base: Point, best: float, reading: Reading, ends: tuple) -> None:
    plane = figure.add_axes((0.095, 0.15, 0.45, 0.62))  # the key has three rows
    draw_frame(plane, base.size_bytes, best, KINDS)
    reading_frame(figure.add_axes((0.645, 0.15, 0.345, 0.62)), reading, ends)


def _ends(reading: Reading) -> tuple[float, float]:
    """Of the axis: all the numbers and the whole grid are inside."""
    low = min(float(reading.edges[0]), reading.grid.lowest)
    high = max(float(reading.edges[-1]), reading.grid.highest)
    room = 0.04 * (high - low)
    return low - room, high + room


def reading_frame(axes, reading: Reading, ends: tuple[float, float]) -> None:
    """Draw the numbers' histogram, counts on a log axis, above an empty strip."""
    tidy(axes)
    bars = np.maximum(reading.counts, FLOOR)
    axes.stairs(bars, reading.edges, baseline=FLOOR, fill=True, color="#C9CED6")
    axes.set_yscale("log")
    top = max(reading.counts.max(), 10) * 1.6
    axes.set_ylim(FLOOR * (FLOOR / top) ** (STRIP / (1 - STRIP)), top)
    ticks = [10**k for k in range(8) if 10**k < top]
    axes.set_yticks(ticks, [f"$10^{k}$" for k in range(len(ticks))])
    axes.set_yticks([], minor=True)
    axes.set_xlim(*ends)
    axes.locator_params(axis="x", nbins=6)
    axes.set_ylabel("numbers (log scale)", fontsize=TEXT_SIZE)
    axes.set_xlabel("what the layer reads; ticks: its grid", fontsize=TEXT_SIZE)


def draw_grid(axes, reading: Reading) -> None:
    """Draw the range's ends over the bars, the grid in the strip, and the title."""
    draw_ticks(axes, reading.grid, 0, 1)
    for end in {reading.grid.lowest, reading.grid.highest} - {0.0}:
        axes.axvline(end, color=VERMILLION, linewidth=1.2, dashes=(4, 2))
    axes.text(
        0,
        1.03,
        _title(reading),
        va="bottom",
        linespacing=1.6,
        transform=axes.transAxes,
        fontsize=TEXT_SIZE - 1,  # names are long
    )


def _title(reading: Reading) -> str:
    return (
        f"{reading.layer} reads {reading.images} validation images,\n"
        f"{reading.grid.levels:,} levels, {_share(reading.clipped)} clipped, "
        f"SQNR {reading.sqnr_db:.1f} dB"
    )


def _share(clipped: float) -> str:
    """A share as a percentage, two digits.

    >>> _share(0.0), _share(0.00123), _share(0.25)
    ('0 %', '0.12 %', '25 %')
    """
    return f"{100 * clipped:.2g} %"
