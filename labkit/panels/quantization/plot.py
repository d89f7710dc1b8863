"""The quantization panel's picture: the plane, and a layer's weights on their grid."""

from labkit.plots.histogram import (
    Histogram,
    draw_grids,
    histogram_frame,
    histogram_title,
)
from labkit.plots.plane import (
    NO_MARKS,
    Marks,
    Point,
    baseline,
    draw_frame,
    draw_points,
    plane_text,
)


def draw(figure, result, marks: Marks = NO_MARKS) -> str:
    """Draw a quantization result and return the alt text.

    figure: a `Picture`, whose frame is kept for the next drawing. result: has `points`
    (for the plane), `best` (the accuracy at the plane's top) and `histogram`.
    """
    base, shown = baseline(result.points), result.histogram
    weights = (shown.layer, shown.counts.tobytes(), shown.edges.tobytes())
    key = (base.size_bytes, result.best, *weights)
    figure.frame(key, lambda: _frame(figure, base, result.best, shown))
    left, right = figure.axes
    draw_points(left, result.points, marks)
    draw_grids(right, shown)
    figure.alt = alt_text(result, marks)
    return figure.alt


def _frame(figure, base: Point, best: float, shown: Histogram) -> None:
    draw_frame(figure.add_axes((0.095, 0.15, 0.45, 0.68)), base.size_bytes, best)
    histogram_frame(figure.add_axes((0.645, 0.15, 0.345, 0.68)), shown)


def alt_text(result, marks: Marks = NO_MARKS) -> str:
    """What the picture says, for those who do not see it."""
    title = histogram_title(result.histogram).replace("\n", " ")
    return plane_text(result.points, f"{title}.", marks)
