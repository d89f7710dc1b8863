"""The windows that a convolution or a pooling layer slides over an image."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.lib.stride_tricks import sliding_window_view

from labkit.integer.program import Operation

CHUNK_BYTES = 1 << 24  # of patches at a time: 16 MB


@dataclass(frozen=True)
class Side:
    """One direction, height or width: size, stride, dilation, and "same" or "valid"."""

    size: int
    stride: int
    dilation: int
    same: bool

    @property
    def reach(self) -> int:
        """How many pixels the window spans, its holes counted."""
        return (self.size - 1) * self.dilation + 1

    def output_length(self, length: int) -> int:
        """How many windows there are along `length` pixels.

        >>> [Side(3, 2, 1, same).output_length(8) for same in (True, False)]
        [4, 3]
        """
        covered = length if self.same else length - self.reach + 1
        return -(-covered // self.stride)

    def padding(self, length: int) -> tuple[int, int]:
        """Pixels to add before and after; an odd one goes after.

        >>> Side(3, 2, 1, same=True).padding(8)
        (0, 1)
        """
        missing = (self.output_length(length) - 1) * self.stride + self.reach - length
        missing = max(missing, 0)
        return missing // 2, missing - missing // 2


@dataclass(frozen=True)
class Windows:
    """The windows of one layer."""

    height: Side
    width: Side

    @classmethod
    def of(cls, op: Operation, height: int, width: int) -> "Windows":
        """From an operator's options; `height` x `width` is the size of one window."""
        same = op.option("padding") == schema.Padding.SAME
        dilation = (
            getattr(op.options, "dilationHFactor", 1),
            getattr(op.options, "dilationWFactor", 1),
        )
        return cls(
            Side(height, op.option("strideH"), dilation[0], same),
            Side(width, op.option("strideW"), dilation[1], same),
        )

    def output_lengths(self, images: np.ndarray) -> tuple[int, int]:
        """The output's height and width for (n, height, width, channels) images."""
        _, height, width, *_ = images.shape
        return self.height.output_length(height), self.width.output_length(width)

    def view(self, images: np.ndarray, fill: int = 0) -> np.ndarray:
        """(n, h, w, channels) -> (n, out h, out w, window h, window w, channels).

        A view: no pixel is copied, except to pad with `fill`.
        """
        sides = (self.height, self.width)
        lengths = images.shape[1:3]
        padding = [s.padding(length) for s, length in zip(sides, lengths, strict=True)]
        if any(map(any, padding)):
            pad = ((0, 0), *padding, (0, 0))
            images = np.pad(images, pad, constant_values=fill)
        reach = (self.height.reach, self.width.reach)
        seen = sliding_window_view(images, reach, axis=(1, 2))
        down, across = self.height.stride, self.width.stride
        seen = seen[:, ::down, ::across, :, :: sides[0].dilation, :: sides[1].dilation]
        return seen.transpose(0, 1, 2, 4, 5, 3)

    def taps(self, images: np.ndarray, fill: int = 0) -> Iterator[np.ndarray]:
        """For each pixel of a window, that pixel of them all: (n, h, w, channels)."""
        seen = self.view(images, fill)
        for i in range(self.height.size):
            for j in range(self.width.size):
                yield seen[:, :, :, i, j]


def chunks(count: int, bytes_each: int) -> Iterator[slice]:
    """Slices of `count` images that stay below 16 MB together, one image at least."""
    step = max(1, CHUNK_BYTES // max(bytes_each, 1))
    for k in range(0, count, step):
        yield slice(k, k + step)
