"""What every picture shares: how one is made, colours, numbers as text.

Importing this module does not import matplotlib, which takes longer than all else that
a panel's first picture needs: calling `figure` does.
"""

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
