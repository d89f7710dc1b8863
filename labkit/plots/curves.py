"""Curves over a sweep, a growing sample and bars: small pictures of notebooks.

Every function draws into a `Picture` that the caller made with `base.figure`, gives it
an alt text with the figures that it shows, and returns it, so that it is a cell's last
line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from labkit.plots.base import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    TEXT_SIZE,
    VERMILLION,
    tidy,
)
from labkit.plots.picture import Picture

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE)
MARKERS = "osD^vP"
DASHES = ("-", "--", "-.", ":", "-", "--")


@dataclass(frozen=True)
class Curve:
    """One line of a sweep: x and y of equal length; low and high are its interval.

    ring: a place (x, y) on the line to point out, such as where it begins to pay.
    """

    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    ring: tuple[float, float] | None = None


@dataclass(frozen=True)
class Look:
    """What the axes say.

    xscale, yscale: "linear" or "log". percent: y is a share, shown in per cent.
    whole: x has whole numbers only, such as bits. xticks: the only numbers below the
    axis; () leaves the choice to the scale. columns: of small plots. one_scale: all
    small plots have the same y axis. level: y of a dotted line in all small plots, such
    as 0 where differences are drawn; None for no line.
    """

    xlabel: str
    ylabel: str
    xscale: str = "linear"
    yscale: str = "linear"
    percent: bool = False
    whole: bool = False
    xticks: Sequence[float] = ()
    columns: int = 2
    one_scale: bool = False
    level: float | None = None


def draw_curves(
    figure: Picture,
    plots: Mapping[str, Mapping[str, Curve]],
    look: Look,
    baselines: Mapping[str, float] | None = None,
) -> Picture:
    """One small plot a title, one labelled line a curve, a dotted line a baseline.

    plots: title -> label -> Curve. baselines: title -> y of the dotted line.
    """
    figure.set_layout_engine("constrained")
    columns = min(len(plots), look.columns)
    rows = -(-len(plots) // columns)
    panels = figure.subplots(
        rows, columns, sharex=True, sharey=look.one_scale, squeeze=False
    ).ravel()
    for axes, (title, curves) in zip(panels, plots.items(), strict=False):
        _curves(axes, curves, look)
        if baselines and title in baselines:
            axes.axhline(baselines[title], color=BLACK, lw=1, ls=":", label="float32")
        if look.level is not None:
            axes.axhline(look.level, color=BLACK, lw=1, ls=":")
        if len(plots) > 1:
            axes.set_title(title, fontsize=TEXT_SIZE)
    for axes in panels[len(plots) :]:
        axes.set_visible(False)
    for axes in panels[max(len(plots) - columns, 0) : len(plots)]:
        axes.set_xlabel(look.xlabel)
        axes.tick_params(labelbottom=True)
    for axes in panels[::columns]:
        axes.set_ylabel(look.ylabel)
    if len(next(iter(plots.values()))) > 1 or baselines:
        panels[0].legend(frameon=False, fontsize=TEXT_SIZE - 1)
    figure.alt = _tell(plots, look)
    return figure


def _curves(axes, curves: Mapping[str, Curve], look: Look) -> None:
    for k, (label, curve) in enumerate(curves.items()):
        colour, marker, dash = COLOURS[k % 6], MARKERS[k % 6], DASHES[k % 6]
        axes.plot(
            curve.x, curve.y, dash, color=colour, marker=marker, ms=4, label=label
        )
        if curve.low is not None:
            axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.15)
        if curve.ring is not None:
            axes.plot(*curve.ring, "o", ms=11, mfc="none", mew=1.6, color=colour)
    axes.set_xscale(look.xscale)
    if look.xticks:
        axes.set_xticks(look.xticks, [f"{tick:g}" for tick in look.xticks])
        axes.set_xticks([], minor=True)
    elif look.xscale == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(integer=look.whole))
    axes.set_yscale(look.yscale)
    if look.percent:
        axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    tidy(axes, grid="both")


def _percent(share: float, _place: int) -> str:
    return f"{round(100 * share, 6):g} %"


def _tell(plots: Mapping[str, Mapping[str, Curve]], look: Look) -> str:
    lines = [
        f"{' '.join(filter(None, dict.fromkeys((title, label))))} {_ends(curve)}"
        for title, curves in plots.items()
        for label, curve in curves.items()
    ]
    return f"{look.ylabel} over {look.xlabel}: {'; '.join(lines)}"


def _ends(curve: Curve) -> str:
    ring = "" if curve.ring is None else ", ring at {:.3g}, {:.4g}".format(*curve.ring)
    return (
        f"from {curve.y[0]:.4g} at {curve.x[0]:g} to {curve.y[-1]:.4g} at "
        f"{curve.x[-1]:g}{ring}"
    )


def draw_bars(
    figure: Picture, bars: Mapping[str, float], xlabel: str, unit: str = ""
) -> Picture:
    """Horizontal bars, first on top, each with its figure at its end."""
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    names, lengths = list(bars), np.array(list(bars.values()), dtype=float)
    rows = np.arange(len(names))[::-1]
    axes.barh(rows, lengths, color=COLOURS[0], height=0.7)
    for row, length in zip(rows, lengths, strict=True):
        text = f" {length:,.0f}{unit}"
        axes.text(length, row, text, va="center", fontsize=TEXT_SIZE - 1, color=BLACK)
    axes.set_yticks(rows, names)
    axes.set_xlim(0, lengths.max() * 1.22)
    axes.set_xticks([])
    axes.set_xlabel(xlabel)
    tidy(axes)
    told = ", ".join(f"{name} {n:,.0f}{unit}" for name, n in bars.items())
    figure.alt = f"{xlabel}: {told}"
    return figure
