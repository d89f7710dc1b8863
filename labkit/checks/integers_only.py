"""Integers that a learner's function may not turn into floats."""

import numpy as np

from labkit.checks.base import Wrong

FLOATS = (
    "There is a float in your integer path: a chip without floats cannot run it. Use "
    "astype only to integer types, and >> in place of / and np.rint."
)


class IntegersOnly(np.ndarray):
    """An array of integers: what computes floats from it raises `Wrong`.

    np.array(x, dtype=float) alone goes unnoticed, until another such array meets it.
    """

    def __array_finalize__(self, source) -> None:
        if self.dtype.kind in "fc":
            raise Wrong(FLOATS)

    def __float__(self) -> float:
        raise Wrong(FLOATS)


def integers_only(number: int | np.ndarray) -> IntegersOnly:
    """An array, or an array of no axes, that may not become a float.

    >>> integers_only(3) + 4
    IntegersOnly(7)
    """
    return np.asarray(number).view(IntegersOnly)
