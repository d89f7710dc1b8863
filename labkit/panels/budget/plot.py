"""The budget panel's picture: the plane, the frontier of losses, the bits of layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from labkit.plots.base import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    TEXT_SIZE,
    VERMILLION,
    bytes_text,
    percent,
    tidy,
)
from labkit.plots.plane import (
    NO_MARKS,
    SIZE_LABEL,
    Marks,
    Point,
    baseline,
    draw_frame,
    draw_points,
    height,
    plane_text,
)

FLOOR = 1e-3  # nats: what the log axis begins with, smaller losses stand on it
# Of the methods, in the order of their registry.
STYLES = ((BLUE, "-"), (ORANGE, (0, (4, 2))), (GREEN, ":"), (PURPLE, "-."))
SMALL = TEXT_SIZE - 2


@dataclass(frozen=True, eq=False)
class Frontier:
    """Predicted loss increases over the bytes of files.

    lines: method -> (bytes, loss increase in nats), the bytes ascending. budget_bytes:
    what a file may have. size_bytes, predicted, measured: of the present file; measured
    is None until it is.
    """

    lines: Mapping[str, tuple[np.ndarray, np.ndarray]]
    budget_bytes: float
    size_bytes: int
    predicted: float
    measured: float | None


@dataclass(frozen=True)
class Bars:
    """The bits of each layer.

    bits: layer -> bits, in the order they run. weights: layer -> how many. kept: the
    layers whose bits were not chosen. widest: the most bits that a layer can have.
    """

    bits: Mapping[str, int]
    weights: Mapping[str, int]
    kept: tuple[str, ...]
    widest: int


def draw(figure, result, marks: Marks = NO_MARKS) -> str:
    """Draw a position of the panel and return the alt text.

    figure: a `Picture`, whose frame is kept for the next drawing. result: has `points`
    and `uniform` (points for the plane), `best` (the accuracy at the plane's top),
    `frontier` and `bars`.
    """
    base = baseline(result.points)
    lines = tuple(loss.tobytes() for _, loss in result.frontier.lines.values())
    key = (base.size_bytes, result.best, tuple(result.bars.bits), lines)
    figure.frame(key, lambda: _frame(figure, base, result))
    plane, losses, bars = figure.axes
    plane.axvline(result.frontier.budget_bytes, color=GREY, lw=1, ls=":")
    draw_points(plane, result.points, marks)
    draw_frontier(losses, result.frontier)
    draw_bits(bars, result.bars)
    figure.alt = alt_text(result, marks)
    return figure.alt


def alt_text(result, marks: Marks = NO_MARKS) -> str:
    """What the picture says, for those who do not see it."""
    uniform = ", ".join(
        f"{point.name} {percent(point.accuracy)} in {point.size_bytes:,} bytes"
        for point in result.uniform
    )
    bits = ", ".join(f"{layer} {bits}" for layer, bits in result.bars.bits.items())
    loss = f"{result.frontier.predicted:+.4f} predicted"
    if result.frontier.measured is not None:
        loss += f", {result.frontier.measured:+.4f} measured"
    text = f"The same bits everywhere: {uniform}. Loss increase: {loss}. Bits: {bits}."
    return plane_text(result.points, text, marks)


def _frame(figure, base: Point, result) -> None:
    plane = figure.add_axes((0.085, 0.475, 0.44, 0.405))
    draw_frame(plane, base.size_bytes, result.best, ("float", "packed", "uniform"))
    plane.set_xlabel("")
    plane.set_ylabel("accuracy", fontsize=TEXT_SIZE)
    draw_uniform(plane, result.uniform)
    losses = figure.add_axes((0.085, 0.115, 0.44, 0.28))
    _frontier_frame(losses, plane, result.frontier)
    _bars_frame(figure.add_axes((0.70, 0.115, 0.295, 0.765)), result.bars)


def draw_uniform(axes, points: Sequence[Point]) -> None:
    """The files with the same bits in every layer, each with its bits beside it."""
    x = [point.size_bytes for point in points]
    y = [height(point.accuracy) for point in points]
    axes.plot(x, y, "v-", color=GREY, ms=5, lw=0.8)
    for point in points:
        axes.annotate(
            point.name.split()[0],
            (point.size_bytes, height(point.accuracy)),
            xytext=(4, -9),
            textcoords="offset points",
            fontsize=SMALL,
            color=GREY,
        )


def _frontier_frame(axes, plane, frontier: Frontier) -> None:
    tidy(axes, grid="both")
    axes.set_xscale("log")
    axes.set_xlim(plane.get_xlim())
    ticks = plane.get_xticks()
    axes.set_xticks(ticks, [bytes_text(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yscale("log")
    top = max(loss.max() for _, loss in frontier.lines.values())
    axes.set_ylim(FLOOR * 0.8, max(2 * top, 1))
    tens = [10.0**k for k in range(-3, 3) if 10.0**k <= max(2 * top, 1)]
    axes.set_yticks(tens, [f"{ten:g}" for ten in tens])
    axes.set_yticks([], minor=True)
    axes.set_xlabel(SIZE_LABEL, fontsize=TEXT_SIZE)
    axes.set_ylabel("loss increase", fontsize=TEXT_SIZE)
    styles = cycle(STYLES)
    for (name, (sizes, loss)), (colour, dash) in zip(
        frontier.lines.items(), styles, strict=False
    ):
        y = np.maximum(loss, FLOOR)
        label = f"predicted, {name}"
        style = {"drawstyle": "steps-post", "ls": dash, "color": colour, "lw": 1.4}
        axes.plot(sizes, y, label=label, **style)
    axes.plot([], [], "o", color=BLUE, mfc="white", label="here, predicted")
    axes.plot([], [], "o", color=VERMILLION, label="here, measured")
    axes.legend(frameon=False, fontsize=SMALL, loc="upper right", labelspacing=0.25)


def draw_frontier(axes, frontier: Frontier) -> None:
    """Mark the budget and the present file on the frontier's frame."""
    axes.axvline(frontier.budget_bytes, color=GREY, lw=1, ls=":")
    x = frontier.size_bytes
    axes.plot(x, max(frontier.predicted, FLOOR), "o", color=BLUE, mfc="white", ms=7)
    if frontier.measured is not None:
        axes.plot(x, max(frontier.measured, FLOOR), "o", color=VERMILLION, ms=5)


def _bars_frame(axes, bars: Bars) -> None:
    """Names and weights of the layers, the first on top."""
    tidy(axes, grid="x")
    names = list(bars.bits)
    size = SMALL if len(names) <= 12 else SMALL - 1
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.75 * bars.widest)
    axes.set_xticks(range(0, bars.widest + 1, 2))
    axes.set_xlabel("bits (pale: kept); at the right: weights", fontsize=TEXT_SIZE)
    for row, name in enumerate(names):
        _text(axes, 1.75 * bars.widest, row, f"{bars.weights[name]:,}", size, "right")


def draw_bits(axes, bars: Bars) -> None:
    """One bar a layer, its bits at its end; pale: a layer that keeps its bits."""
    size = SMALL if len(bars.bits) <= 12 else SMALL - 1
    for row, (name, bits) in enumerate(bars.bits.items()):
        colour = SKY if name in bars.kept else BLUE
        axes.barh(row, bits, height=0.7, color=colour)
        _text(axes, bits + 0.15, row, f"{bits}", size, "left")
    total = sum(bars.weights.values())
    mean = sum(bits * bars.weights[name] for name, bits in bars.bits.items()) / total
    title = f"{mean:.2f} bits a weight on average"
    options = {"transform": axes.transAxes, "ha": "right", "va": "bottom"}
    axes.text(1, 1.02, title, fontsize=TEXT_SIZE, **options)


def _text(axes, x: float, y: float, text: str, size: float, side: str) -> None:
    axes.text(x, y, text, va="center", ha=side, fontsize=size, color=BLACK)
