"""Images moved by whole pixels, from a list of all places: for compiled trainings.

A teacher's answers to every training image at every place fit into a table, so that a
student's training looks them up instead of running the teacher. What moves in is black,
as in `labkit.train.batches.shift`.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import tensorflow as tf

from labkit.common.split import Split

SIDE = 28
AT_ONCE = 5000


def places(shift: int) -> int:
    """How many places there are: (2 shift + 1)^2."""
    return (2 * shift + 1) ** 2


@lru_cache(maxsize=4)
def sources(shift: int) -> np.ndarray:
    """Which pixel each pixel of a moved image is: int32 (places, 784).

    Row by row, places from up and left to down and right. 784 stands for black.
    """
    numbers = np.pad(
        np.arange(SIDE**2).reshape(SIDE, SIDE), shift, constant_values=SIDE**2
    )
    starts = range(2 * shift, -1, -1)
    windows = [
        numbers[top : top + SIDE, left : left + SIDE]
        for top in starts
        for left in starts
    ]
    return np.stack(windows).reshape(-1, SIDE**2).astype(np.int32)


def moved(pixels, where):
    """Each row of uint8 pixels (n, 784) read at its row of `where`, (n, 784)."""
    return tf.gather(tf.pad(pixels, [[0, 0], [0, 1]]), where, batch_dims=1)


def logits_everywhere(
    answer: Callable[[np.ndarray], np.ndarray], split: Split, shift: int = 0
) -> np.ndarray:
    """A teacher's logits of every image at every place, float32 (places, n, classes).

    answer: uint8 images (n, 28, 28) -> logits, such as a Network's `predict`.
    """
    black = np.pad(split.images.reshape(len(split), -1), ((0, 0), (0, 1)))
    return np.stack([_answers(answer, black, where) for where in sources(shift)])


def _answers(answer, black: np.ndarray, where: np.ndarray) -> np.ndarray:
    parts = (black[k : k + AT_ONCE, where] for k in range(0, len(black), AT_ONCE))
    return np.concatenate(
        [np.asarray(answer(x.reshape(-1, SIDE, SIDE)), np.float32) for x in parts]
    )
