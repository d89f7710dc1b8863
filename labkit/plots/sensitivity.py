"""Layers by levels: what compressing each layer costs, and whether the costs add up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import PowerNorm

from labkit.plots.base import BLACK, GREY, TEXT_SIZE, tidy
from labkit.plots.curves import COLOURS, MARKERS
from labkit.plots.picture import Picture

SMALL = TEXT_SIZE - 3
SHADES = "viridis_r"
DARK = 0.45  # of the colours, from here on a figure is written in white
FLOOR = 1e-3  # nats


@dataclass(frozen=True, eq=False)
class LossMap:
    """What it costs to compress one layer at a time, all others left as they are.

    layers: names, from the top. levels: how far, such as bits or per cent removed.
    points: accuracy lost in percentage points, float (layers, levels), 0 or more.
    """

    layers: Sequence[str]
    levels: Sequence[float]
    points: np.ndarray


def draw_maps(figure: Picture, maps: Mapping[str, object]) -> Picture:
    """One map a title: accuracy lost where one layer has few bits, all others float32.

    maps: title -> a `labkit.compress.Sensitivity`. As `draw_loss_maps`.
    """
    lost = {
        title: LossMap(found.layers, found.bits, 100 * points_lost(found))
        for title, found in maps.items()
    }
    return draw_loss_maps(figure, lost, "bits")


def points_lost(found) -> np.ndarray:
    """The accuracy lost in each cell, 0 to 1, (layers, widths); gains count as 0."""
    return np.maximum(found.base.accuracy - found.table("accuracy"), 0.0)


def draw_loss_maps(figure: Picture, maps: Mapping[str, LossMap], unit: str) -> Picture:
    """One map a title; each cell has its percentage points.

    unit: of the levels, below the axis. The colours are the same in all maps. Two
    columns, the larger maps below.
    """
    figure.set_layout_engine("constrained")
    norm = PowerNorm(0.4, 0, max(lost.points.max() for lost in maps.values()))
    rows = -(-len(maps) // 2)
    heights = [
        max(len(lost.layers) for lost in list(maps.values())[2 * k : 2 * k + 2]) + 2
        for k in range(rows)
    ]
    columns = min(len(maps), 2)
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    for axes in grid.ravel()[len(maps) :]:
        axes.set_visible(False)
    for axes, (title, lost) in zip(grid.ravel(), maps.items(), strict=False):
        _map(axes, lost, unit, norm)
        axes.set_title(title, fontsize=TEXT_SIZE, loc="left")
    figure.alt = "Accuracy lost with one layer compressed, points: " + "; ".join(
        _worst(title, lost, unit) for title, lost in maps.items()
    )
    return figure


def _map(axes, lost: LossMap, unit: str, norm) -> None:
    axes.imshow(lost.points, cmap=SHADES, norm=norm, aspect="auto")
    for (row, column), points in np.ndenumerate(lost.points):
        text = f"{points:.1f}" if points < 9.95 else f"{points:.0f}"
        colour = "white" if norm(points) > DARK else BLACK
        options = {"ha": "center", "va": "center", "fontsize": SMALL}
        axes.text(column, row, text, color=colour, **options)
    axes.set_xticks(range(len(lost.levels)), lost.levels)
    axes.set_yticks(range(len(lost.layers)), lost.layers, fontsize=SMALL)
    axes.tick_params(length=0)
    axes.set_xlabel(unit, fontsize=TEXT_SIZE - 1)
    axes.spines[:].set_visible(False)


def _worst(title: str, lost: LossMap, unit: str) -> str:
    """The cell that loses most."""
    row, column = np.unravel_index(lost.points.argmax(), lost.points.shape)
    return (
        f"{title}, most for {lost.layers[row]} at {lost.levels[column]} {unit}, "
        f"{lost.points[row, column]:.1f}"
    )


def draw_additivity(
    figure: Picture, losses: Mapping[str, Sequence[tuple[float, float]]]
) -> Picture:
    """Measured over predicted loss increases of mixed files, both on log axes.

    losses: label -> (predicted, measured) in nats. Those below 0.001 are drawn on the
    edge. On the dotted line the layers' losses add up.
    """
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    tidy(axes, grid="both")
    top = 2 * max(max(pair) for pairs in losses.values() for pair in pairs)
    axes.plot(
        [FLOOR, top], [FLOOR, top], color=BLACK, lw=1, ls=":", label="they add up"
    )
    told = []
    for k, (label, pairs) in enumerate(losses.items()):
        x, y = np.maximum(np.array(pairs), FLOOR).T
        look = {"color": COLOURS[k % 6], "ms": 5, "mfc": "none"}
        axes.plot(x, y, MARKERS[k % 6], label=label, **look)
        told.append(f"{label}: {int((y > x).sum())} of {len(x)} above the line")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(FLOOR * 0.8, top)
    axes.set_ylim(FLOOR * 0.8, top)
    axes.set_xlabel("predicted: the sum of the layers' loss increases, nats")
    axes.set_ylabel("measured loss increase, nats")
    axes.legend(frameon=False, fontsize=TEXT_SIZE - 1)
    axes.spines[["left", "bottom"]].set_color(GREY)
    figure.alt = "Measured over predicted loss increases. " + "; ".join(told)
    return figure
