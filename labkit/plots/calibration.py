"""What a layer reads from picture to picture, and the ranges that pictures fix.

Draws into a `Picture` that the caller made with `base.figure`, gives it an alt text
with the figures that it shows, and returns it, so that it is a cell's last line.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from labkit.plots.base import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    TEXT_SIZE,
    VERMILLION,
    tidy,
)
from labkit.plots.picture import Picture

BINS = 40
LINES = ((BLUE, "-"), (VERMILLION, "--"), (GREEN, ":"), (PURPLE, "-."))


def draw_readings(
    figure: Picture,
    images: Sequence[np.ndarray],
    peaks: np.ndarray,
    counts: Sequence[int],
) -> Picture:
    """At the left some images' numbers, at the right the largest number of each image.

    images: all the numbers that a layer reads of one image, for at most four images.
    peaks: the largest number of each image, in the order that they come. counts:
    numbers of images, whose common range is a horizontal line from there on.
    """
    figure.set_layout_engine("constrained")
    left, right = figure.subplots(1, 2)
    edges = np.linspace(0, max(map(np.max, images)), BINS + 1)
    for k, (values, (colour, dash)) in enumerate(zip(images, LINES, strict=False), 1):
        heights, _ = np.histogram(values, edges)
        label = f"picture {k}"
        left.stairs(heights, edges, color=colour, ls=dash, lw=1.6, label=label)
    left.set_yscale("log")
    left.set_xlabel("what the layer reads", fontsize=TEXT_SIZE)
    left.set_ylabel("numbers (log scale)", fontsize=TEXT_SIZE)
    left.legend(frameon=False, fontsize=TEXT_SIZE - 1)
    tops = {n: float(peaks[:n].max()) for n in counts}
    _peaks(right, peaks, tops)
    tidy(left)
    tidy(right)
    ends = ", ".join(
        f"picture {k} up to {np.max(values):.3g}" for k, values in enumerate(images, 1)
    )
    told = ", ".join(f"{top:.3g} after {n}" for n, top in tops.items())
    figure.alt = (
        f"What a layer reads: {ends}. The largest numbers of {len(peaks)} pictures run "
        f"from {peaks.min():.3g} to {peaks.max():.3g}; the range reaches {told} "
        "pictures."
    )
    return figure


def _peaks(axes, peaks: np.ndarray, tops: Mapping[int, float]) -> None:
    places = np.arange(1, len(peaks) + 1)
    axes.plot(places, peaks, "o", color=GREY, ms=2.5)
    for (n, top), (colour, dash) in zip(tops.items(), LINES, strict=False):
        label = f"range of {n} picture{'' if n == 1 else 's'}"
        axes.plot([n, len(peaks)], [top] * 2, dash, color=colour, lw=1.8, label=label)
    axes.set_ylim(0, 1.3 * peaks.max())
    axes.set_xlabel("picture", fontsize=TEXT_SIZE)
    axes.set_ylabel("its largest number", fontsize=TEXT_SIZE)
    axes.legend(frameon=False, fontsize=TEXT_SIZE - 1, ncols=2, loc="upper left")
