"""A weight tensor as codes with one scale a group: what all grids have in common."""

from abc import ABC, abstractmethod

import numpy as np

from labkit.quantize.granularity import Granularity


class GroupedCodes(ABC):
    """Codes and scales, of which a class says what the codes stand for.

    q: the codes, whole numbers in the shape of the weights. scale: float32, one a group
    in `Granularity.scale_shape`. bits: of one code.
    """

    q: np.ndarray
    scale: np.ndarray
    bits: int
    granularity: str
    axis: int
    block: int

    @property
    @abstractmethod
    def unscaled(self) -> np.ndarray:
        """What each code stands for in units of its scale, in the weights' shape."""

    @property
    @abstractmethod
    def levels_of_grid(self) -> np.ndarray:
        """All values in units of a scale, ascending float32: the same in each group."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weights."""
        return self.q.shape

    @property
    def groups(self) -> Granularity:
        """Which weights share a scale."""
        return Granularity(self.shape, self.granularity, self.axis, self.block)

    def decode(self) -> np.ndarray:
        """w_hat, the weights that the codes stand for, float32, in their shape."""
        groups = self.groups
        return groups.tensor(groups.rows(self.unscaled) * groups.spread(self.scale))

    def grid(self, group: int = 0) -> np.ndarray:
        """The values that group number `group` can take, ascending float32.

        Groups are numbered as `scale.ravel()` lists them.
        """
        return self.levels_of_grid * self.scale.ravel()[group]

    def members(self, w: np.ndarray, group: int = 0) -> np.ndarray:
        """The entries of `w` (an array of this shape) that lie in one group, (n,)."""
        return self.groups.members(np.asarray(w), group)
