"""Functions of one variable side by side, and a search among the points of a grid.

Every function draws into a `Picture` that the caller made with `base.figure`, gives it
an alt text with the figures that it shows, and returns it, so that it is a cell's last
line.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labkit.plots.base import (
    BLACK,
    BLUE,
    GREY,
    PURPLE,
    SKY,
    TEXT_SIZE,
    VERMILLION,
    tidy,
)
from labkit.plots.picture import Picture

DASHES = {"float": ":", "nearest": "--", "trained": "-"}
LINES = ((BLUE, "-"), (VERMILLION, "--"), (PURPLE, ":"))


def draw_functions(
    figure: Picture, x: np.ndarray, plots: Mapping[str, Mapping[str, np.ndarray]]
) -> Picture:
    """One small plot a title, one labelled line a function; at most three in each.

    x: increasing. plots: title -> label -> the function's values at x.
    """
    figure.set_layout_engine("constrained")
    panels = figure.subplots(1, len(plots), sharex=True, squeeze=False)[0]
    for axes, (title, functions) in zip(panels, plots.items(), strict=True):
        for (label, y), (colour, dash) in zip(functions.items(), LINES, strict=False):
            axes.plot(x, y, dash, color=colour, label=label, linewidth=1.6)
        axes.set_ylabel(title, fontsize=TEXT_SIZE)
        axes.set_xlabel("x", fontsize=TEXT_SIZE)
        axes.legend(
            frameon=False,
            fontsize=TEXT_SIZE - 1,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=2,
        )
        tidy(axes, grid="both")
    figure.alt = "; ".join(
        f"{title}: {label} from {np.min(y):.3g} to {np.max(y):.3g}"
        for title, functions in plots.items()
        for label, y in functions.items()
    )
    return figure


@dataclass(frozen=True)
class Search:
    """Two weights on their way through a grid.

    path: (n, 2), the weights that are trained, the first where rounding begins. scale:
    the step of the grid for both. top: its largest code.
    """

    path: np.ndarray
    scale: float
    top: int

    def rounded(self, w: np.ndarray) -> np.ndarray:
        """The grid's point nearest to some weights (…, 2)."""
        return self.scale * np.clip(np.rint(w / self.scale), -self.top, self.top)


def draw_search(figure: Picture, z: np.ndarray, search: Search) -> Picture:
    """The plane of two weights at the left, the points that they sort at the right.

    z: (n, 2), points times their labels of 1 or -1: a weight vector w sorts a point
    rightly where z @ w > 0. The darker a grid point, the more of them it gets right.
    """
    figure.set_layout_engine("constrained")
    left, right = figure.subplots(1, 2)
    start, end = search.path[0], search.rounded(search.path[-1])
    nearest = search.rounded(start)
    _grid(left, z, search)
    left.plot(*search.path.T, "-", color=PURPLE, lw=1.2, marker=".", ms=4)
    marked = {
        "float": (start, "s", BLACK),
        "nearest": (nearest, "o", BLUE),
        "trained": (end, "^", PURPLE),
    }
    for name, (w, marker, colour) in marked.items():
        size = 9 if name == "float" else 22
        left.plot(*w, marker, color=colour, ms=size, mfc="none", mew=2)
        left.plot([], [], marker, color=colour, ms=9, mfc="none", mew=2, label=name)
        _sorting_line(right, w, colour, name, DASHES[name])
    _points(right, z)
    for axes in (left, right):
        tidy(axes)
    left.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    right.legend(frameon=False, loc="lower left")
    told = (
        f"{name} at ({w[0]:.3g}, {w[1]:.3g}) sorts {_right(z, w)} of {len(z)} points"
        for name, (w, _, _) in marked.items()
    )
    figure.alt = f"Two weights on a grid: {'; '.join(told)}"
    return figure


def _right(z: np.ndarray, w: np.ndarray) -> int:
    return int((z @ w > 0).sum())


def _grid(axes, z: np.ndarray, search: Search) -> None:
    """The grid's points around the path, and the borders between their cells."""
    cells = np.rint(search.path / search.scale)
    low, high = cells.min(axis=0) - 1, cells.max(axis=0) + 1
    ticks = [search.scale * np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    for x in ticks[0]:
        for y in ticks[1]:
            right = _right(z, np.array([x, y]))
            colour = SKY if right == len(z) else "white"
            axes.plot(x, y, "o", color=colour, mec=GREY, ms=17, zorder=0)
            axes.text(x, y, right, ha="center", va="center", fontsize=TEXT_SIZE - 2)
    borders = [t[:-1] + search.scale / 2 for t in ticks]
    for x in borders[0]:
        axes.axvline(x, color="#DDDDDD", lw=0.8, zorder=-1)
    for y in borders[1]:
        axes.axhline(y, color="#DDDDDD", lw=0.8, zorder=-1)
    for axis, values in zip("xy", ticks, strict=True):
        ends = values[0] - search.scale / 2, values[-1] + search.scale / 2
        axes.set(**{f"{axis}lim": ends, f"{axis}ticks": values})
    axes.set_xlabel("weight 1", fontsize=TEXT_SIZE)
    axes.set_ylabel("weight 2", fontsize=TEXT_SIZE)


def _sorting_line(axes, w: np.ndarray, colour: str, name: str, dash: str) -> None:
    """Where w · x = 0: the line that separates what w sorts to either side."""
    reach = np.array([-1.6, 1.6])
    along = np.array([-w[1], w[0]]) / max(np.hypot(*w), 1e-9)
    axes.plot(*np.outer(along, reach), dash, color=colour, label=name, lw=1.6)


def _points(axes, z: np.ndarray) -> None:
    axes.plot(*z.T, "o", color=VERMILLION, ms=6)
    axes.set_xlim(-1.1, 1.1)
    axes.set_ylim(-1.1, 1.1)
    axes.set_aspect("equal")
    axes.set_xlabel("input 1, times the label", fontsize=TEXT_SIZE)
    axes.set_ylabel("input 2, times the label", fontsize=TEXT_SIZE)
