"""Where two ways to run one integer network differ, layer by layer.

Draws into a `Picture` that the caller made with `base.figure`, gives it an alt text
with the figures that it shows, and returns it, so that it is a cell's last line.
"""

from collections.abc import Mapping

import numpy as np

from labkit.plots.base import BLUE, TEXT_SIZE, VERMILLION, tidy
from labkit.plots.picture import Picture

LINES = ((VERMILLION, "s-"), (BLUE, "o--"))


def draw_layers(
    figure: Picture, curves: Mapping[str, Mapping[str, float]], ylabel: str
) -> Picture:
    """The share of codes that differ in each layer, in per cent on a log axis.

    curves: label -> layer -> share from 0 to 1, at most two. All have the same layers,
    in the order they run. A share of 0 has no place on the axis and is left out.
    """
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    layers = list(next(iter(curves.values())))
    for (label, shares), (colour, line) in zip(curves.items(), LINES, strict=False):
        y = np.array([shares[layer] for layer in layers]) * 100
        axes.plot(np.where(y > 0, y, np.nan), line, color=colour, ms=5, label=label)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _place: f"{value:g} %")
    axes.set_xticks(
        range(len(layers)), layers, rotation=40, ha="right", rotation_mode="anchor"
    )
    axes.set_ylabel(ylabel, fontsize=TEXT_SIZE)
    axes.legend(frameon=False, fontsize=TEXT_SIZE - 1)
    tidy(axes, grid="y")
    axes.tick_params(axis="x", labelsize=TEXT_SIZE - 2)
    told = "; ".join(
        f"{label}: "
        + ", ".join(f"{layer} {100 * share:.3g} %" for layer, share in shares.items())
        for label, shares in curves.items()
    )
    figure.alt = f"{ylabel}. {told}"
    return figure
