"""The figure that shows itself. Importing this module imports matplotlib.

A `Picture` is a matplotlib `Figure` made without pyplot, so that a panel's thread can
draw while a cell draws too. As the last line of a cell it shows itself as a PNG with
its alt text. `labkit.plots.figure` makes one.
"""

import io
from collections.abc import Callable

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from labkit.plots.showing import DPI, LOCK, bundle


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
