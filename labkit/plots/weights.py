"""First-layer weights as pictures: what a unit looks for in an image."""

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import ListedColormap

from labkit.plots.base import GREY, SIGNS, TEXT_SIZE, signed_colours
from labkit.plots.picture import Picture

SHADES = ListedColormap(signed_colours(np.linspace(-1, 1, 511)))  # 0 in the middle
STRONG = 99.5  # of 100 weights that are not 0: this size has the full colour


def draw_weight_pictures(
    figure: Picture, pictures: Mapping[str, np.ndarray]
) -> Picture:
    """A row of pictures a title, each the weights of one unit at their pixels.

    pictures: title -> float (n, height, width), the same n for all. The
    colours are `labkit.plots.base.signed_colours`; one colour is one weight in all of
    them, and the few largest weights share the darkest. Raises ValueError where there
    is no weight but 0.
    """
    weights = np.concatenate([np.ravel(shown) for shown in pictures.values()])
    if not weights.any():
        raise ValueError("all weights are 0: there is nothing to draw")
    full = float(np.percentile(np.abs(weights[weights != 0]), STRONG))
    figure.set_layout_engine("constrained")
    columns = max(len(shown) for shown in pictures.values())
    grid = figure.subplots(len(pictures), columns, squeeze=False)
    for row, (title, shown) in zip(grid, pictures.items(), strict=True):
        row[0].set_title(title, fontsize=TEXT_SIZE, loc="left")
        for axes, picture in zip(row, shown, strict=True):
            axes.imshow(picture, cmap=SHADES, vmin=-full, vmax=full)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color(GREY)
    told = (
        f"{title}, {np.count_nonzero(shown):,} of {np.size(shown):,} weights not 0, "
        f"from {np.min(shown):.3g} to {np.max(shown):.3g}"
        for title, shown in pictures.items()
    )
    figure.alt = f"Weights of {columns} units as pictures, {SIGNS}: {'; '.join(told)}"
    return figure
