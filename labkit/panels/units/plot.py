"""The picture of removed units: the plane, the costs, the network drawn to scale."""

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.plots.base import BLUE, SKY, TEXT_SIZE, tidy
from labkit.plots.costs import COSTS, costs_frame, draw_costs, put_text, share_text
from labkit.plots.plane import (
    NO_MARKS,
    Marks,
    Point,
    baseline,
    draw_frame,
    draw_points,
    plane_text,
)

SMALL = TEXT_SIZE - 2
MOST_LARGE = 12  # layers with names of SMALL; more are written smaller
ROOM = 1.45  # the x axis of the network, in its widest layer
KINDS = ("float", "deployable")
SMALLEST = 250  # times smaller than the float32 file: the left end of the plane


@dataclass(frozen=True)
class Widths:
    """A network's layers: name -> units before, and units left.

    A layer that went with its block has none left.
    """

    before: Mapping[str, int]
    left: Mapping[str, int]


def draw(figure, result, marks: Marks = NO_MARKS) -> str:
    """Draw a result of the panel of removed units and return the alt text.

    figure: a `Picture`, whose frame is kept for the next drawing. result: has `points`
    (for the plane), `best` (the accuracy at the plane's top), `widths` and `costs`.
    """
    base, widths = baseline(result.points), result.widths
    key = (base.size_bytes, result.best, tuple(widths.before.items()))
    figure.frame(key, lambda: _frame(figure, base, result))
    plane, costs, network = figure.axes
    draw_points(plane, result.points, marks)
    draw_costs(costs, result.costs)
    draw_network(network, widths)
    figure.alt = alt_text(result, marks)
    return figure.alt


def alt_text(result, marks: Marks = NO_MARKS) -> str:
    """What the picture says, for those who do not see it."""
    costs = ", ".join(
        f"{name} {share_text(value)}"
        for name, value in zip(COSTS, result.costs.values, strict=True)
    )
    widths = result.widths
    units = ", ".join(
        f"{name} {widths.left[name]} of {before}"
        for name, before in widths.before.items()
    )
    text = f"Of float32: {costs}. Units: {units}."
    return plane_text(result.points, text, marks)


def _frame(figure, base: Point, result) -> None:
    plane = figure.add_axes((0.09, 0.37, 0.43, 0.515))
    draw_frame(plane, base.size_bytes, result.best, KINDS, SMALLEST)
    costs_frame(figure.add_axes((0.09, 0.035, 0.43, 0.185)))
    _network_frame(figure.add_axes((0.70, 0.035, 0.295, 0.895)), result.widths)


def _network_frame(axes, widths: Widths) -> None:
    """Names of the layers, the first on top, and their units before."""
    tidy(axes)
    axes.spines["bottom"].set_visible(False)
    names, most = list(widths.before), max(widths.before.values())
    size = SMALL if len(names) <= MOST_LARGE else SMALL - 1
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, ROOM * most)
    axes.set_xticks([])
    for row, units in enumerate(widths.before.values()):
        axes.barh(row, units, height=0.72, color="#E4D9CF")


def draw_network(axes, widths: Widths) -> None:
    """One bar a layer, as long as it has units; pale: the removed ones."""
    names = list(widths.before)
    size = SMALL if len(names) <= MOST_LARGE else SMALL - 1
    room = ROOM * max(widths.before.values())
    for row, name in enumerate(names):
        before, left = widths.before[name], widths.left[name]
        axes.barh(row, left, height=0.72, color=BLUE if left < before else SKY)
        put_text(axes, before + 0.015 * room, row, f"{left} of {before}", size)
    total, left = sum(widths.before.values()), sum(widths.left.values())
    title = f"{left:,} of {total:,} units left (pale: removed)"
    options = {"transform": axes.transAxes, "ha": "right", "va": "bottom"}
    axes.text(1, 1.01, title, fontsize=TEXT_SIZE - 1, **options)
