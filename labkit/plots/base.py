"""What every picture shares: the figure that shows itself, colours, numbers as text.

A `Picture` is a matplotlib `Figure` made without pyplot, so that a panel's thread can
draw while a cell draws too. As the last line of a cell it shows itself as a PNG with
its alt text.
"""

import base64
import io
from collections.abc import Callable
from threading import RLock

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

# Colours of Okabe and Ito (2008), told apart by colour-blind readers as well.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#8A8A8A"

DPI = 100
TEXT_SIZE = 10

# One thread at a time edits models and draws: matplotlib's text caches are shared.
LOCK = RLock()


class Picture(Figure):
    """A Figure that a notebook shows as a PNG, with an alt text.

    alt: what the picture says, figures included, for those who do not see it.
    """

    alt = ""
    _frame_key = None
    _frame_pixels = None
    _frame_artists = frozenset()

    def frame(self, key, build: Callable[[], None]) -> None:
        """Start a new drawing on the frame (axes, ticks, labels) called `key`.

        build: draws the frame on the empty figure. It runs only when `key` is not the
        one of the last drawing; otherwise the pixels are reused, which is most of the
        time that a picture takes. What is added after this call is drawn on top.
        """
        if key != self._frame_key:
            self.clear()
            build()
            FigureCanvasAgg(self).draw()
            self._frame_key = key
            self._frame_pixels = self.canvas.copy_from_bbox(self.bbox)
            self._frame_artists = frozenset(self._artists())
        for artist in self._artists():
            if artist not in self._frame_artists:
                artist.remove()

    def _artists(self) -> list:
        return [artist for axes in self.axes for artist in axes.get_children()]

    def png(self) -> bytes:
        """The picture as a PNG file, written for speed rather than for size."""
        with LOCK:
            return self._framed_png() if self._frame_key else self._whole_png()

    def _whole_png(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", pil_kwargs={"compress_level": 1})
        return buffer.getvalue()

    def _framed_png(self) -> bytes:
        self.canvas.restore_region(self._frame_pixels)
        added = [a for a in self._artists() if a not in self._frame_artists]
        for artist in sorted(added, key=lambda artist: artist.zorder):
            artist.axes.draw_artist(artist)
        buffer = io.BytesIO()
        pixels = np.asarray(self.canvas.buffer_rgba())
        imsave(buffer, pixels, format="png", dpi=DPI, pil_kwargs={"compress_level": 1})
        return buffer.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        return bundle(self.png(), self.alt)


def bundle(png: bytes, alt: str) -> tuple[dict, dict]:
    """Jupyter's data and metadata of a PNG: the alt text is in both."""
    data = {"image/png": base64.b64encode(png).decode(), "text/plain": alt}
    return data, {"image/png": {"alt": alt}}


def figure(width: float = 8.0, height: float = 3.2, alt: str = "") -> Picture:
    """An empty picture. width and height in inches of 100 pixels.

    >>> fig = figure(6, 2, alt="one line")
    >>> lines = fig.add_subplot().plot([0, 1])
    >>> fig.png()[1:4]
    b'PNG'
    """
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
