"""The pruning panel's picture: the plane, a layer's weights, what its mask keeps."""

from dataclasses import dataclass

import numpy as np

from labkit.plots.base import BLUE, TEXT_SIZE, VERMILLION, tidy
from labkit.plots.plane import (
    NO_MARKS,
    Marks,
    Point,
    baseline,
    draw_frame,
    draw_points,
    plane_text,
)

FLOOR = 0.7  # where the bars stand: one weight is to be seen
SMALLEST = 250  # times smaller than the float32 file: the left end of the plane
KINDS = ("float", "packed", "zeros")
MAP_BOX = (3.1, 1.92)  # inches that a map may fill
SHADES = "Blues"


@dataclass(frozen=True, eq=False)
class Cut:
    """A layer's weights and those that its mask removes.

    edges: float, (bins + 1,). counts, removed: int, (bins,), of all weights and of the
    removed ones. threshold: every weight of a smaller size is removed and no other;
    None where the mask does not go by size alone, infinite where nothing is kept.
    """

    layer: str
    edges: np.ndarray
    counts: np.ndarray
    removed: np.ndarray
    threshold: float | None


@dataclass(frozen=True, eq=False)
class MaskMap:
    """A layer's mask as a picture.

    kept: float (rows, columns), the fraction that each square keeps, 0 to 1, or NaN for
    a gap between kernels. text: what goes across and down. square: what one square is.
    """

    kept: np.ndarray
    text: str
    square: str

    @property
    def darkest(self) -> float:
        """The fraction that is drawn darkest: the largest one; 1 if none is kept."""
        return float(np.nanmax(self.kept)) or 1.0


def draw(figure, result, marks: Marks = NO_MARKS) -> str:
    """Draw a pruning result and return the alt text.

    figure: a `Picture`, whose frame is kept for the next drawing. result: has `points`
    (for the plane), `best` (the accuracy at the plane's top), `cut` and `mask_map`.
    """
    base, cut = baseline(result.points), result.cut
    weights = (cut.layer, cut.counts.tobytes(), cut.edges.tobytes())
    key = (base.size_bytes, result.best, *weights)
    figure.frame(key, lambda: _frame(figure, base, result.best, cut))
    plane, histogram, mask = figure.axes
    draw_points(plane, result.points, marks)
    draw_cut(histogram, cut)
    draw_map(mask, result.mask_map)
    figure.alt = alt_text(result, marks)
    return figure.alt


def alt_text(result, marks: Marks = NO_MARKS) -> str:
    """What the picture says, for those who do not see it."""
    text = f"{_title(result.cut)}. Its mask: {_map_title(result.mask_map)}."
    return plane_text(result.points, text.replace("\n", " "), marks)


def _frame(figure, base: Point, best: float, cut: Cut) -> None:
    plane = figure.add_axes((0.09, 0.105, 0.46, 0.765))
    draw_frame(plane, base.size_bytes, best, KINDS, SMALLEST)
    histogram_frame(figure.add_axes((0.665, 0.61, 0.325, 0.29)), cut)
    _map_frame(figure.add_axes((0.63, 0.01, 0.36, 0.4)))


def histogram_frame(axes, cut: Cut) -> None:
    """Draw a layer's weights, counts on a log axis."""
    tidy(axes)
    bars = np.maximum(cut.counts, FLOOR)
    axes.stairs(bars, cut.edges, baseline=FLOOR, fill=True, color=BLUE, alpha=0.55)
    axes.set_yscale("log")
    top = max(cut.counts.max(), 10) * 1.6
    axes.set_ylim(FLOOR, top)
    ticks = [10**k for k in range(6) if 10**k < top]
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_yticks([], minor=True)
    reach = 1.04 * np.abs(cut.edges).max()
    axes.set_xlim(-reach, reach)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("weight; light: removed", fontsize=TEXT_SIZE)
    axes.set_ylabel("weights", fontsize=TEXT_SIZE)


def draw_cut(axes, cut: Cut) -> None:
    """Draw the removed weights before the others, and the threshold at both sides."""
    bars = np.maximum(cut.removed, FLOOR)
    axes.stairs(bars, cut.edges, baseline=FLOOR, fill=True, color="#E4D9CF")
    if cut.threshold is not None and np.isfinite(cut.threshold):
        for side in (-1, 1):
            axes.axvline(side * cut.threshold, color=VERMILLION, linewidth=1.4)
    options = {"transform": axes.transAxes, "fontsize": TEXT_SIZE - 1}
    axes.text(-0.14, 1.03, _title(cut), va="bottom", linespacing=1.4, **options)


def _title(cut: Cut) -> str:
    removed, total = int(cut.removed.sum()), int(cut.counts.sum())
    return f"{cut.layer}: {removed:,} of {total:,} removed,\n{_where(cut)}"


def _where(cut: Cut) -> str:
    if cut.threshold is None:
        return "not by size alone"
    if not cut.removed.any():
        return "left whole"
    if np.isinf(cut.threshold):
        return "all of them"
    return f"those with |w| below {cut.threshold:.3g}"


def _map_frame(axes) -> None:
    """An axes in inches, without an edge: any picture fits in."""
    axes.set_axis_off()
    axes.set_xlim(0, MAP_BOX[0])
    axes.set_ylim(0, MAP_BOX[1])


def draw_map(axes, mask_map: MaskMap) -> None:
    """Draw what a mask keeps: the more, the darker; squares are squares."""
    rows, columns = mask_map.kept.shape
    side = min(MAP_BOX[0] / columns, MAP_BOX[1] / rows)
    left, top = (MAP_BOX[0] - side * columns) / 2, MAP_BOX[1]
    axes.imshow(
        np.ma.masked_invalid(mask_map.kept),
        cmap=SHADES,
        vmin=0,
        vmax=mask_map.darkest,
        extent=(left, left + side * columns, top - side * rows, top),
        aspect="auto",
        interpolation="nearest",
    )
    options = {"transform": axes.transAxes, "fontsize": TEXT_SIZE - 1}
    text = _map_title(mask_map)
    axes.text(0.5, 1.03, text, va="bottom", ha="center", **options)


def _map_title(mask_map: MaskMap) -> str:
    darkest = f"{100 * mask_map.darkest:.3g} %"
    return f"{mask_map.text};\n{mask_map.square}, darkest: {darkest} kept"
