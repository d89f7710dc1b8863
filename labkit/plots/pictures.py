"""Rows of grey pictures, such as digits rebuilt at several ranks."""

from collections.abc import Mapping

import numpy as np

from labkit.plots.base import TEXT_SIZE


def draw_rows(figure, rows: Mapping[str, np.ndarray]):
    """Draw pictures, a row for each title, black for 0 and white for the largest.

    figure: a `Picture`; it is returned, to stand as the last line of a cell. rows:
    title -> float (n, height, width), as many in each row. All share one grey scale.
    Raises ValueError for rows of different length, or none.
    """
    arrays = {title: np.asarray(pictures) for title, pictures in rows.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3:
        raise ValueError(
            f"rows of shapes {sorted(shapes)}: give (n, height, width), all alike"
        )
    n, height, width = shapes.pop()
    top = max(float(array.max()) for array in arrays.values())
    axes = figure.add_axes((0.12, 0.01, 0.87, 0.98))
    strips = [array.transpose(1, 0, 2).reshape(height, -1) for array in arrays.values()]
    axes.imshow(np.concatenate(strips), cmap="gray", vmin=0, vmax=top, aspect="equal")
    axes.set_xticks([])
    middles = [(k + 0.5) * height for k in range(len(arrays))]
    axes.set_yticks(middles, list(arrays), fontsize=TEXT_SIZE)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.alt = f"{n} pictures of {height}x{width}, by row: {', '.join(arrays)}"
    return figure
