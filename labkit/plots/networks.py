"""Accuracy against bytes of several networks, each with its name."""

from collections.abc import Sequence

from labkit.plots.base import BLACK, BLUE, TEXT_SIZE, tidy
from labkit.plots.picture import Picture
from labkit.plots.plane import (
    ACCURACY_LABEL,
    BYTE_TICKS,
    SIZE_LABEL,
    Point,
    accuracy_ticks,
    bytes_ticks,
    describe,
    height,
)


def draw_networks(figure: Picture, points: Sequence[Point]) -> Picture:
    """Draw points on the plane of accuracy against bytes, named by their group.

    The axes are those of `plane`: bytes on a log axis, accuracy by `height`. Returns
    the figure, with its alt text.
    """
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    tidy(axes, grid="both")
    _limits(axes, points)
    for point in points:
        x, y = [point.size_bytes] * 2, [height(point.low), height(point.high)]
        axes.plot(x, y, "_-", color=BLUE, linewidth=1.2, markersize=8)
        axes.plot(x[0], height(point.accuracy), "s", color=BLUE, markersize=6)
        axes.annotate(
            point.group,
            (point.size_bytes, height(point.accuracy)),
            xytext=(-9, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=TEXT_SIZE,
            color=BLACK,
        )
    told = (f"{point.group}, {describe(point)}" for point in points)
    figure.alt = f"Accuracy against bytes of {len(points)} networks. {'; '.join(told)}"
    return figure


def _limits(axes, points: Sequence[Point]) -> None:
    sizes = [point.size_bytes for point in points]
    bottom = height(1 - 1.6 * (1 - min(point.low for point in points)))
    top = height(1 - (1 - max(point.high for point in points)) / 1.6)
    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 2, max(sizes) * 1.4)
    axes.set_ylim(bottom, top)
    bytes_ticks(axes, most=len(BYTE_TICKS))
    accuracy_ticks(axes.yaxis, bottom, top)
    axes.set_xlabel(SIZE_LABEL, fontsize=TEXT_SIZE)
    axes.set_ylabel(ACCURACY_LABEL, fontsize=TEXT_SIZE)
