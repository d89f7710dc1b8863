"""What two networks of different shapes can be compared by: input, place, relation.

Their parameters can't: they differ in number, and where they don't, the order of hidden
units is arbitrary. What follows lives on the input's pixels, on the picture, or on
pairs of images, so that any two networks have it. All computing in float64.
"""

from collections.abc import Sequence

import numpy as np

from labkit.common.arguments import finite, shaped


def input_slopes(
    kernels: Sequence[np.ndarray],
    biases: Sequence[np.ndarray],
    x: np.ndarray,
    labels: np.ndarray,
) -> np.ndarray:
    """The gradient of each image's label's logit by its input: (n, inputs).

    That is a row of the Jacobian, which Srinivas and Fleuret 2018, arXiv:1803.00443,
    match. kernels: (out, in) of each dense layer, ReLU between them. biases: (out,)
    each. x: (n, inputs). labels: whole numbers (n,).

    >>> w1, w2 = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[10.0, 100.0]])
    >>> x, labels = np.array([[1.0, 1.0], [1.0, -0.6]]), np.array([0, 0])
    >>> input_slopes([w1, w2], [np.zeros(2), 0], x, labels).tolist()    # -0.2 is off
    [[310.0, 420.0], [300.0, 400.0]]
    """
    labels, h, active = np.asarray(labels), finite("x", x), []
    if labels.shape != h.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels are {labels.dtype} {labels.shape} for x of {h.shape}: give one "
            "whole number an image"
        )
    h = np.asarray(h, np.float64)
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        h = np.maximum(h @ kernel.T + bias, 0)
        active.append(h > 0)
    slopes = np.asarray(kernels[-1], np.float64)[labels]
    for kernel, on in zip(kernels[-2::-1], active[::-1], strict=True):
        slopes = (slopes * on) @ kernel
    return slopes


def attention_maps(features: np.ndarray) -> np.ndarray:
    """Where in the picture a layer is active: (n, height * width), each of length 1.

    The sum of squares over the channels, flat, over its length: Zagoruyko and Komodakis
    2017, arXiv:1612.03928, Sec. 3.1. 0 for an image at which all are 0.

    >>> attention_maps(np.array([[[[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]]]])).tolist()
    [[1.0, 0.0]]
    >>> attention_maps(np.array([[[[3.0 ** 0.5], [2.0]]]])).round(2).tolist()
    [[0.6, 0.8]]

    features: (n, height, width, channels), the channels of two networks may differ.
    Raises ValueError for another shape, and for what is not finite.
    """
    features = shaped("features", features, "(n, height, width, channels)")
    maps = np.square(np.asarray(features, np.float64)).sum(axis=-1)
    return _unit_rows(maps.reshape(len(maps), -1))


def relative_distances(features: np.ndarray) -> np.ndarray:
    """The distances of all pairs of images over their mean: (n, n).

    >>> relative_distances(np.array([[0.0], [1.0], [3.0]]))[0].tolist()    # mean 2
    [0.0, 0.5, 1.5]

    features: (n, …), the widths of two networks may differ. Park et al. 2019, arXiv:
    1904.05068, Sec. 3.2. Raises ValueError where all images are at one place, and for
    what is not finite.
    """
    rows = finite("features", features)
    rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=-1)
    total = distances.sum()
    if not total:
        raise ValueError(
            "the features put all images at one place: their distances have no mean"
        )
    return distances * len(rows) * (len(rows) - 1) / total


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How alike the directions of each pair of rows are, (n,), -1 to 1.

    1 the same, 0 at right angles, -1 opposite; 0 also where a row is 0.

    >>> cosines(np.array([[2.0, 0.0]]), np.array([[3.0, 3.0]])).round(4).tolist()
    [0.7071]

    Raises ValueError for two shapes, and for what is not finite.
    """
    one, other = shaped("one", one, "(n, d)"), shaped("other", other, "(n, d)")
    if one.shape != other.shape:
        raise ValueError(f"one is {one.shape}, other {other.shape}: give equal shapes")
    return np.sum(_unit_rows(one) * _unit_rows(other), axis=1)


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)
