"""Layers by bits: what each layer's rounding costs, and whether the costs add up."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import PowerNorm

from labkit.plots.base import BLACK, GREY, TEXT_SIZE, tidy
from labkit.plots.curves import COLOURS, MARKERS
from labkit.plots.picture import Picture

SMALL = TEXT_SIZE - 3
SHADES = "viridis_r"
DARK = 0.45  # of the colours, from here on a figure is written in white
FLOOR = 1e-3  # nats


def draw_maps(figure: Picture, maps: Mapping[str, object]) -> Picture:
    """One map a title: accuracy lost where one layer has few bits, all others float32.

    maps: title -> a `labkit.sensitivity.Sensitivity`. Each cell has its percentage
    points; the colours are the same in all maps. Two columns, the larger maps below.
    """
    figure.set_layout_engine("constrained")
    lost = {title: 100 * points_lost(found) for title, found in maps.items()}
    norm = PowerNorm(0.4, 0, max(table.max() for table in lost.values()))
    rows = -(-len(maps) // 2)
    heights = [
        max(len(table) for table in list(lost.values())[2 * k : 2 * k + 2]) + 2
        for k in range(rows)
    ]
    columns = min(len(maps), 2)
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    for axes in grid.ravel()[len(maps) :]:
        axes.set_visible(False)
    for axes, (title, found) in zip(grid.ravel(), maps.items(), strict=False):
        _map(axes, lost[title], found, norm)
        axes.set_title(title, fontsize=TEXT_SIZE, loc="left")
    figure.alt = "Accuracy lost with one layer rounded, points: " + "; ".join(
        _worst(title, lost[title], found) for title, found in maps.items()
    )
    return figure


def points_lost(found) -> np.ndarray:
    """The accuracy lost in each cell, 0 to 1, (layers, widths); gains count as 0."""
    return np.maximum(found.base.accuracy - found.table("accuracy"), 0.0)


def _map(axes, lost: np.ndarray, found, norm) -> None:
    axes.imshow(lost, cmap=SHADES, norm=norm, aspect="auto")
    for (row, column), points in np.ndenumerate(lost):
        text = f"{points:.1f}" if points < 9.95 else f"{points:.0f}"
        colour = "white" if norm(points) > DARK else BLACK
        place = {"ha": "center", "va": "center", "fontsize": SMALL}
        axes.text(column, row, text, color=colour, **place)
    axes.set_xticks(range(len(found.bits)), found.bits)
    axes.set_yticks(range(len(found.layers)), found.layers, fontsize=SMALL)
    axes.tick_params(length=0)
    axes.set_xlabel("bits", fontsize=TEXT_SIZE - 1)
    axes.spines[:].set_visible(False)


def _worst(title: str, lost: np.ndarray, found) -> str:
    """The layer that loses most at the fewest bits."""
    row = int(lost[:, 0].argmax())
    return (
        f"{title}, most for {found.layers[row]} at {found.bits[0]} bits, "
        f"{lost[row, 0]:.1f}"
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
