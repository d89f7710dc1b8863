"""A layer's weights as a histogram, and the grids that they are rounded to."""

from dataclasses import dataclass

import numpy as np

from labkit.plots.base import BLUE, TEXT_SIZE, VERMILLION, tidy

LINES = 128  # more levels than this are drawn as a band

STRIP = 0.13  # of the axes' height, under the bars

FLOOR = 0.7  # where the bars stand: one weight is to be seen


@dataclass(frozen=True)
class Grid:
    """The values that one group of weights may take.

    name: whose grid. lowest, highest: its ends, in weights' units. levels: how many
    values from end to end. values: all of them where they are not evenly spaced.
    """

    name: str
    lowest: float
    highest: float
    levels: int
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Histogram:
    """A layer's weights before and after quantization.

    edges: float, (bins + 1,). counts: int, (bins,), of the float32 weights. grids: one
    for the tensor, or the coarsest and the finest of its groups; none where the layer
    stays float32. sqnr_db: signal to quantization noise, dB. clipped: how many weights
    lie beyond their grid's ends by more than half a step.
    """

    layer: str
    edges: np.ndarray
    counts: np.ndarray
    grids: tuple[Grid, ...]
    sqnr_db: float
    clipped: int


def histogram_frame(axes, shown: Histogram) -> None:
    """Draw a layer's weights, counts on a log axis, above an empty strip."""
    tidy(axes)
    bars = np.maximum(shown.counts, FLOOR)
    axes.stairs(bars, shown.edges, baseline=FLOOR, fill=True, color="#C9CED6")
    axes.set_yscale("log")
    top = max(shown.counts.max(), 10) * 1.6
    axes.set_ylim(FLOOR * (FLOOR / top) ** (STRIP / (1 - STRIP)), top)
    ticks = [10**k for k in range(6) if 10**k < top]
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_yticks([], minor=True)
    reach = 1.04 * np.abs(shown.edges).max()
    axes.set_xlim(-reach, reach)
    axes.locator_params(axis="x", nbins=6)
    axes.set_ylabel("weights (log scale)", fontsize=TEXT_SIZE)


def draw_grids(axes, shown: Histogram) -> None:
    """Draw the values that weights may take in the strip, and what there is to say."""
    for row, grid in enumerate(shown.grids):
        draw_ticks(axes, grid, row, len(shown.grids))
    title = {"transform": axes.transAxes, "fontsize": TEXT_SIZE - 1}  # names are long
    axes.text(0, 1.03, histogram_title(shown), va="bottom", linespacing=1.6, **title)
    axes.annotate(
        _caption(shown),
        (0.5, 0),
        (0, -19),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        ha="center",
        fontsize=TEXT_SIZE,
    )


def draw_ticks(axes, grid: Grid, row: int, rows: int) -> None:
    """One row of the strip: a tick for each value that a weight may take."""
    low = STRIP * (1 - (row + 0.85) / rows)
    high = STRIP * (1 - (row + 0.15) / rows)
    where = axes.get_xaxis_transform()
    colour = (BLUE, VERMILLION)[row]
    if grid.levels <= LINES:
        x = grid.values or np.linspace(grid.lowest, grid.highest, grid.levels)
        axes.vlines(x, low, high, transform=where, color=colour, linewidth=1.1)
    else:
        axes.fill_between(
            [grid.lowest, grid.highest],
            low,
            high,
            transform=where,
            color=colour,
            alpha=0.6,
            linewidth=0,
        )


def histogram_title(shown: Histogram) -> str:
    total = int(shown.counts.sum())
    if not shown.grids:
        return f"{shown.layer}: {total:,} weights,\nleft as float32"
    return (
        f"{shown.layer}: {total:,} weights,\n{shown.grids[0].levels:,} levels, "
        f"SQNR {shown.sqnr_db:.1f} dB, {shown.clipped:,} clipped"
    )


def _caption(shown: Histogram) -> str:
    """The x label: which row of ticks belongs to which group."""
    if not shown.grids:
        return "weight"
    if len(shown.grids) == 1:
        return f"weight; ticks: {shown.grids[0].name}"
    upper, lower = (grid.name for grid in shown.grids)
    return f"upper ticks: {upper}; lower: {lower}"
