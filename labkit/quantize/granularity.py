"""Granularity: which weights share one scale.

A group is the whole tensor, one output channel, or a block: a run of 32 or 64 weights
of one output channel, its other axes flattened in order. The last block of a channel is
shorter where the width is no multiple.

All groups of a size are one array, (rows, blocks, members): a row for each output
channel (one row of all for "tensor"), its blocks (one for "tensor" and "channel"), and
the weights of a block. What is computed along the last axis is one number a group. Two
channels of 64 weights, numbered from 0:

>>> w = np.arange(128).reshape(2, 64)
>>> for granularity in GRANULARITIES:
...     (part,) = Granularity(w.shape, granularity, block=32).parts(w)
...     print(f"{granularity:8}{part.shape}  largest {part.max(axis=2).tolist()}")
tensor  (1, 1, 128)  largest [[127]]
channel (2, 1, 64)  largest [[63], [127]]
block   (2, 2, 32)  largest [[31, 63], [95, 127]]
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.common.arguments import finite
from labkit.common.registries import Row, chosen, registry

# In the order of their numbers in packed files.
GRANULARITIES = registry(
    Row("tensor", "tensor", "One scale for all weights of a layer."),
    Row("channel", "channel", "One scale for each output channel."),
    Row("block", "block", "One scale for each run of 32 or 64 weights of a channel."),
)
BLOCKS = (32, 64)
BLOCK = BLOCKS[0]
LARGEST = 1e38  # a third of what float32 holds: no code times scale overflows


@dataclass(frozen=True)
class Granularity:
    """How a tensor of `shape` is cut into groups.

    axis: the output channel's axis (of depthwise kernels 3, else 0); "tensor" does not
    look at it. block: weights in a block, 32 or 64; only "block" looks at it. Raises
    ValueError outside these.

    Inside, a tensor is a matrix of rows: one row for each output channel, or one row of
    all for "tensor". A scale is (1,), (channels,) or (channels, blocks).
    """

    shape: tuple[int, ...]
    granularity: str
    axis: int = 0
    block: int = BLOCK

    def __post_init__(self):
        chosen("granularity", self.granularity, GRANULARITIES)
        if self.block not in BLOCKS:
            raise ValueError(f"block is {self.block!r}: choose 32 or 64")
        if self.granularity != "tensor" and not 0 <= self.axis < len(self.shape):
            raise ValueError(
                f"axis is {self.axis}: w has axes 0 to {len(self.shape) - 1}"
            )

    @property
    def scale_shape(self) -> tuple[int, ...]:
        """The shape of the scales.

        >>> Granularity((300, 784), "block").scale_shape    # 784 = 24 * 32 + 16
        (300, 25)
        """
        if self.granularity == "tensor":
            return (1,)
        channels = self.shape[self.axis]
        if self.granularity == "channel":
            return (channels,)
        return (channels, -(-(math.prod(self.shape) // channels) // self.block))

    def rows(self, array: np.ndarray) -> np.ndarray:
        """An array of the tensor's shape -> its matrix of rows.

        >>> columns = Granularity((2, 3), "channel", axis=1)
        >>> columns.rows(np.arange(6).reshape(2, 3)).tolist()
        [[0, 3], [1, 4], [2, 5]]
        """
        if self.granularity == "tensor":
            return array.reshape(1, -1)
        return np.moveaxis(array, self.axis, 0).reshape(array.shape[self.axis], -1)

    def tensor(self, rows: np.ndarray) -> np.ndarray:
        """The inverse of `rows`, contiguous."""
        if self.granularity == "tensor":
            return rows.reshape(self.shape)
        others = self.shape[: self.axis] + self.shape[self.axis + 1 :]
        moved = rows.reshape(self.shape[self.axis], *others)
        return np.ascontiguousarray(np.moveaxis(moved, 0, self.axis))

    def parts(self, array: np.ndarray) -> list[np.ndarray]:
        """An array of the tensor's shape -> its groups, (rows, blocks, members).

        Two arrays where the last block of a channel is shorter: the full blocks, then
        the last ones.

        >>> w = np.arange(140).reshape(2, 70)    # 70 = 2 * 32 + 6
        >>> [part.shape for part in Granularity(w.shape, "block").parts(w)]
        [(2, 2, 32), (2, 1, 6)]
        """
        rows = self.rows(array)
        if self.granularity != "block":
            return [rows[:, None, :]]
        full = rows.shape[1] // self.block * self.block
        blocks = rows[:, :full].reshape(len(rows), -1, self.block)
        return [part for part in (blocks, rows[:, None, full:]) if part.size]

    def scales(
        self, w: np.ndarray, rule: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """The scale that `rule` gives each group of `w`, float32, in `scale_shape`.

        rule: groups, (rows, blocks, members) -> a scale each, (rows, blocks).

        >>> w = np.array([[1.0, -3.0], [0.5, 0.25]])
        >>> Granularity((2, 2), "channel").scales(w, lambda g: np.abs(g).max(axis=2))
        array([3. , 0.5], dtype=float32)
        """
        scale = np.concatenate([rule(part) for part in self.parts(w)], axis=1)
        return scale.astype(np.float32, copy=False).reshape(self.scale_shape)

    def spread(self, scale: np.ndarray) -> np.ndarray:
        """The scales in a shape that broadcasts against the rows.

        >>> Granularity((1, 70), "block").spread(np.array([[1.0, 2.0, 3.0]]))[0, 60:66]
        array([2., 2., 2., 2., 3., 3.])
        """
        if self.granularity != "block":
            return scale[:, None]
        width = math.prod(self.shape) // self.shape[self.axis]
        return np.repeat(scale, self.block, axis=1)[:, :width]

    def members(self, array: np.ndarray, group: int) -> np.ndarray:
        """The entries of an array that lie in one group, numbered as scales are, (n,).

        >>> rows = Granularity((2, 2), "channel")
        >>> rows.members(np.array([[1, 2], [3, 4]]), 1).tolist()
        [3, 4]
        """
        rows = self.rows(array)
        row, block = divmod(group, math.prod(self.scale_shape) // len(rows))
        width = self.block if self.granularity == "block" else rows.shape[1]
        return rows[row, block * width : (block + 1) * width]


def checked(w: np.ndarray) -> np.ndarray:
    """w as float32; ValueError where it is empty, not finite or beyond 1e38."""
    w = finite("w", w)
    if np.abs(w).max() > LARGEST:
        raise ValueError("w has magnitudes beyond 1e38: scale it down first")
    return np.asarray(w, np.float32)
