"""Images as what a network reads: one rule for every function that takes images.

uint8 is taken for pixels and divided by 255. Floats are the network's input as they
are, of whatever it was trained on. Of other types nobody can say which of the two they
are, so they are refused: int64 pixels would enter 255 times too large.
"""

from collections.abc import Sequence
from math import prod

import numpy as np


def as_inputs(images: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Images -> what the network reads: float32 (n, *shape).

    images, shape, raises: as for `checked`.

    >>> as_inputs(np.array([[0, 255]], np.uint8), (2, 1)).tolist()
    [[[0.0], [1.0]]]
    >>> as_inputs(np.array([[-3.5, 255.0]]), (2,)).tolist()
    [[-3.5, 255.0]]
    """
    found = checked(images, shape)
    return found / divisor(found)


def checked(images: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The images as uint8 or float32, (n, *shape), not yet divided.

    images: uint8 or floats (n, …) with as many numbers an image as `shape` has, n from
    0 on. shape: of one image. Raises ValueError for another type or shape, and for
    floats that are NaN or infinite or become so in float32.
    """
    found = numbers(images)
    if found.ndim == 0 or prod(found.shape[1:]) != prod(shape):
        wanted = ", ".join(map(str, ("n", *shape)))
        raise ValueError(
            f"images have the shape {found.shape}: give ({wanted}), n images of the "
            "network's input size"
        )
    return found.reshape(len(found), *shape)


def numbers(images: np.ndarray) -> np.ndarray:
    """The images as uint8 or float32, in any shape. Raises ValueError as `checked`."""
    found = np.asarray(images)
    if found.dtype == np.uint8:
        return found
    if not np.issubdtype(found.dtype, np.floating):
        raise ValueError(
            f"images are {found.dtype}: give uint8 pixels, which are divided by 255, "
            "or floats, which the network reads as they are"
        )
    with np.errstate(over="ignore"):
        found = found.astype(np.float32, copy=False)
    if not np.isfinite(found).all():
        raise ValueError("images contain NaN or infinity in float32: remove them first")
    return found


def divisor(images: np.ndarray) -> np.float32:
    """What `checked` images are divided by: 255 for uint8, else 1."""
    return np.float32(255 if images.dtype == np.uint8 else 1)
