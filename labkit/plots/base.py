"""What every picture shares: how one is made, colours, numbers as text.

Importing this module does not import matplotlib, which takes longer than all else that
a panel's first picture needs: calling `figure` does.
"""

import numpy as np

from labkit.plots.showing import DPI

# Colours of Okabe and Ito (2008), told apart by colour-blind readers as well.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#8A8A8A"

# The sign of a number that is drawn as a colour: red above 0, blue below, white at 0.
# Ends of ColorBrewer's RdBu, which colour-blind readers tell apart, too.
POSITIVE, NEGATIVE = "#B2182B", "#2166AC"
SIGNS = "red above 0, blue below"

TEXT_SIZE = 10


def figure(width: float = 8.0, height: float = 3.2, alt: str = ""):
    """An empty `Picture`. width and height in inches of 100 pixels.

    >>> fig = figure(6, 2, alt="one line")
    >>> lines = fig.add_subplot().plot([0, 1])
    >>> fig.png()[1:4]
    b'PNG'
    """
    from labkit.plots.picture import Picture

    picture = Picture(figsize=(width, height), dpi=DPI, facecolor="white")
    picture.alt = alt
    return picture


def tidy(axes, grid: str | None = None) -> None:
    """Take away the top and right side; `grid` ("x", "y", "both") adds faint lines."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TEXT_SIZE - 1)
    if grid:
        axes.grid(axis=grid, color="#E6E6E6", linewidth=0.8)
        axes.set_axisbelow(True)


def signed_colours(values: np.ndarray) -> np.ndarray:
    """Colours of signed numbers, the same in every picture: float (…, 3), 0 to 1.

    values: -1 (NEGATIVE) over 0 (white) to 1 (POSITIVE); what is beyond counts as the
    end.

    >>> (255 * signed_colours(np.array([-2.0, 0.0, 1.0]))).round().astype(int).tolist()
    [[33, 102, 172], [255, 255, 255], [178, 24, 43]]
    """
    ends = np.array([list(bytes.fromhex(c[1:])) for c in (NEGATIVE, POSITIVE)]) / 255
    values = np.asarray(values, np.float64)
    strength = np.clip(np.abs(values), 0, 1)[..., None]
    return 1 - strength * (1 - ends[(values > 0).astype(int)])


def bytes_text(size_bytes: float) -> str:
    """A size in bytes, kB or MB (powers of ten), three digits.

    >>> bytes_text(812), bytes_text(74_310), bytes_text(1_068_408)
    ('812 B', '74.3 kB', '1.07 MB')
    """
    for unit, step in (("MB", 1_000_000), ("kB", 1_000)):
        if size_bytes >= step:
            return f"{size_bytes / step:.3g} {unit}"
    return f"{size_bytes:.0f} B"


def percent(fraction: float) -> str:
    """A fraction as a percentage with two decimals.

    >>> percent(0.9786)
    '97.86 %'
    """
    return f"{100 * fraction:.2f} %"
