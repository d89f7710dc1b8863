"""Many files on the plane of accuracy against bytes, each with its name beside it.

Points whose bytes are alike share a column of names to their right, pushed apart until
no name covers another one, and a thin line leads from each point to its name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labkit.plots.base import BLACK, BLUE, GREY, TEXT_SIZE, bytes_text, percent, tidy
from labkit.plots.picture import Picture
from labkit.plots.plane import accuracy_ticks, height

LINE = 11.0  # points from one name to the next
TOGETHER = 0.04  # of the axis: points no further apart share a column
AWAY = 0.018  # of the axis, from a point to its name


@dataclass(frozen=True)
class File:
    """A file and its name. accuracy: 0 to 1."""

    name: str
    size_bytes: int
    accuracy: float


def draw_files(
    figure: Picture,
    plots: Mapping[str, Sequence[File]],
    baselines: Mapping[str, float],
) -> Picture:
    """One row a title; bytes on a linear axis, accuracy by `plane.height`.

    baselines: title -> the float32 network's accuracy, a dotted line.
    """
    figure.set_layout_engine("constrained")
    rows = figure.subplots(len(plots), 1, squeeze=False)[:, 0]
    for axes, (title, files) in zip(rows, plots.items(), strict=True):
        _frame(axes, title, files, baselines[title])
    rows[-1].set_xlabel("size of the packed file", fontsize=TEXT_SIZE)
    figure.draw_without_rendering()  # names need the layout
    for axes, files in zip(rows, plots.values(), strict=True):
        _names(axes, files)
    figure.alt = "; ".join(
        f"{title}, {file.name}: {percent(file.accuracy)}, {file.size_bytes:,} bytes"
        for title, files in plots.items()
        for file in files
    )
    return figure


def _frame(axes, title: str, files: Sequence[File], baseline: float) -> None:
    tidy(axes, grid="both")
    x = [file.size_bytes for file in files]
    y = [height(file.accuracy) for file in files]
    axes.plot(x, y, "o", color=BLUE, ms=5)
    axes.axhline(height(baseline), color=BLACK, lw=1, ls=":")
    axes.set_title(title, loc="left", fontsize=TEXT_SIZE)
    reach = max(x) - min(x)
    axes.set_xlim(min(x) - 0.05 * reach, max(x) + 0.14 * reach)
    top = max(*y, height(baseline))
    axes.set_ylim(min(y) - 0.1 * (top - min(y)), top + 0.1 * (top - min(y)))
    accuracy_ticks(axes.yaxis, min(y), top + 0.1)
    axes.xaxis.set_major_formatter(lambda size, _place: bytes_text(size))
    axes.set_ylabel("accuracy", fontsize=TEXT_SIZE)


def _names(axes, files: Sequence[File]) -> None:
    """A name for each point, where there is room."""
    to_axes = axes.transData + axes.transAxes.inverted()
    points = to_axes.transform([(f.size_bytes, height(f.accuracy)) for f in files])
    line = LINE / 72 / (axes.bbox.height / axes.figure.dpi)
    for group in columns(points[:, 0]):
        group = sorted(group, key=lambda k: points[k, 1])
        x = points[group, 0].max() + AWAY
        for k, y in zip(group, apart(points[group, 1], line), strict=True):
            axes.annotate(
                files[k].name,
                points[k],
                xytext=(x, y),
                xycoords="axes fraction",
                textcoords="axes fraction",
                va="center",
                fontsize=TEXT_SIZE - 2,
                bbox={"fc": "white", "ec": "none", "pad": 0.6},
                zorder=4 - abs(y - points[k, 1]),  # long lines pass under names
                arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.6, "shrinkA": 1},
            )


def columns(x: np.ndarray, together: float = TOGETHER) -> list[list[int]]:
    """The places of numbers in groups: from one to the next it is no further than this.

    >>> columns(np.array([0.1, 0.5, 0.11]), together=0.05)
    [[0, 2], [1]]
    """
    groups: list[list[int]] = []
    for k in np.argsort(x, kind="stable").tolist():
        if groups and x[k] - x[groups[-1][-1]] <= together:
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def apart(y: np.ndarray, least: float) -> np.ndarray:
    """Ascending numbers moved as little as need be, so that `least` lies between two.

    They stay from 0 to 1 where there is room.

    >>> apart(np.array([0.5, 0.5, 0.9]), 0.2).round(2).tolist()
    [0.4, 0.6, 0.9]
    """
    steps = least * np.arange(len(y))
    wanted = np.asarray(y, float) - steps  # to be ascending: pool those that are not
    pools: list[list[float]] = []
    for value in wanted:
        pools.append([value])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    found = np.concatenate([[np.mean(pool)] * len(pool) for pool in pools]) + steps
    found -= max(found[-1] - 1, 0)
    return found + max(-found[0], 0)
