"""Pictures of numbers on a grid: the bits of a float, number lines, channel ranges.

Every function draws into a `Picture` that the caller made with `base.figure`, gives it
an alt text with the figures that it shows, and returns it, so that it is a cell's last
line.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.patches import Patch, Rectangle

from labkit.plots.base import (
    BLACK,
    BLUE,
    GREEN,
    PURPLE,
    TEXT_SIZE,
    VERMILLION,
    tidy,
)
from labkit.plots.picture import Picture

FLOAT32_FIELDS = (
    ("sign", 1, PURPLE),
    ("exponent, 8 bits", 8, VERMILLION),
    ("fraction, 23 bits", 23, BLUE),
)


def draw_float32_bits(figure: Picture, values: Sequence[float]) -> Picture:
    """Each value's 32 bits as boxes: sign, exponent, fraction (IEEE 754 binary32)."""
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    colours = [colour for _, width, colour in FLOAT32_FIELDS for _ in range(width)]
    for row, value in enumerate(values):
        for column, bit in enumerate(float32_bits(value)):
            _box(axes, column, -row, bit, colours[column])
        axes.text(
            -0.6, -row + 0.4, f"{value:.9g}", ha="right", va="center", color=BLACK
        )
    axes.set_xlim(-7.5, 32.2)
    axes.set_ylim(-len(values) + 0.7, 1.9)
    axes.axis("off")
    handles = [Patch(color=colour, label=name) for name, _, colour in FLOAT32_FIELDS]
    axes.legend(
        handles=handles, loc="upper right", ncols=3, frameon=False, handlelength=1
    )
    rows = (f"{value:.9g} is {float32_bits(value)}" for value in values)
    figure.alt = f"The 32 bits of {len(values)} numbers: {'; '.join(rows)}"
    return figure


def float32_bits(value: float) -> str:
    """The 32 bits of a float32, highest first.

    >>> float32_bits(-0.75)
    '10111111010000000000000000000000'
    """
    return f"{np.float32(value).view(np.uint32):032b}"


def _box(axes, left: float, bottom: float, bit: str, colour: str) -> None:
    filled = bit == "1"
    face = colour if filled else "white"
    axes.add_patch(
        Rectangle((left, bottom), 0.9, 0.8, facecolor=face, edgecolor=colour, lw=1.2)
    )
    axes.text(
        left + 0.45,
        bottom + 0.38,
        bit,
        ha="center",
        va="center",
        fontsize=8,
        color="white" if filled else BLACK,
    )


def draw_number_lines(
    figure: Picture, x: np.ndarray, grids: Mapping[str, np.ndarray]
) -> Picture:
    """One number line a grid: x above, its ticks below, a line to the nearest tick.

    x: a few numbers. grids: title -> the values that can be stored, in x's unit. A
    number beyond the outermost tick is drawn in orange: it is clipped.
    """
    figure.set_layout_engine("constrained")
    panels = figure.subplots(len(grids), 1, sharex=True, squeeze=False)[:, 0]
    told = []
    for axes, (title, ticks) in zip(panels, grids.items(), strict=True):
        told.append(_number_line(axes, x, np.sort(ticks), title))
    panels[-1].set_xlabel("value")
    figure.alt = f"{len(x)} numbers on {len(grids)} grids: {'; '.join(told)}"
    return figure


def _number_line(axes, x: np.ndarray, ticks: np.ndarray, title: str) -> str:
    nearest = ticks[np.abs(x[:, None] - ticks).argmin(axis=1)]
    half = np.diff(ticks).max() / 2
    clipped = (x < ticks[0] - half) | (x > ticks[-1] + half)
    for value, tick, out in zip(x, nearest, clipped, strict=True):
        colour = VERMILLION if out else BLUE
        axes.plot([value, tick], [1, 0], color=colour, lw=1)
        axes.plot(value, 1, "o" if not out else "D", color=colour, ms=6)
    axes.vlines(ticks, -0.25, 0.1, color=BLACK, lw=1)
    axes.plot(0, -0.25, "^", color=GREEN, ms=7, clip_on=False)
    axes.set_title(title, loc="left", fontsize=TEXT_SIZE)
    axes.set_ylim(-0.45, 1.3)
    axes.set_yticks([0, 1], ["stored", "x"])
    axes.spines[["top", "right", "left"]].set_visible(False)
    worst = np.abs(x - nearest).max()
    return f"{title}: largest error {worst:.3g}, {int(clipped.sum())} clipped"


def draw_channel_ranges(figure: Picture, w: np.ndarray, axis: int = 0) -> Picture:
    """The range of each output channel of a kernel, beside the range of all of it."""
    rows = np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1)
    low, high = rows.min(axis=1), rows.max(axis=1)
    order = np.argsort(high - low)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    positions = np.arange(len(rows))
    axes.vlines(positions, low[order], high[order], color=BLUE, lw=2)
    peak = float(np.abs(w).max())
    for edge in (-peak, peak):
        axes.axhline(edge, color=VERMILLION, lw=1.5, ls="--")
    axes.axhline(0, color=BLACK, lw=0.5)
    axes.text(0, peak, "one range for all channels", color=VERMILLION, va="bottom")
    axes.set_ylim(-1.2 * peak, 1.3 * peak)
    axes.set_xlabel("output channel, narrowest first")
    axes.set_ylabel("smallest to largest weight")
    tidy(axes)
    peaks = np.abs(rows).max(axis=1)
    figure.alt = (
        f"{len(rows)} output channels: the largest weights of the channels run from "
        f"{peaks.min():.3g} to {peaks.max():.3g}"
    )
    return figure
