"""Masks of a fixed pattern: n of every m neighbouring weights stay.

Hardware that knows the pattern skips the others: with 2 of 4, half the multiplications,
and 2 bits say where a kept weight stood. Source: Mishra et al. 2021, arXiv:2104.08378.
"""

import numpy as np

from labkit.common.arguments import whole
from labkit.prune.masking import finite


def n_of_m(scores: np.ndarray, n: int = 2, m: int = 4) -> np.ndarray:
    """The mask that keeps the n largest scores of every m along the last axis.

    Of equal scores those that come first are removed first.

    >>> n_of_m(np.array([0.1, 0.4, 0.3, 0.2, 5.0, 6.0, 8.0, 7.0])).astype(int).tolist()
    [0, 1, 1, 0, 0, 0, 1, 1]

    scores: finite numbers, (…, in): the last axis of LiteRT's kernels is the inputs'
    channels, over which a layer sums. n, m: 1 <= n <= m. Raises ValueError outside
    these, and where m does not divide the axis: such a layer is left dense.
    """
    scores = finite(scores)
    m = whole("m", m, 1)
    n = whole("n", n, 1, m)
    if scores.ndim == 0 or scores.shape[-1] % m:
        raise ValueError(
            f"{m} does not divide the last axis of {scores.shape}: leave such a layer "
            "dense"
        )
    groups = scores.reshape(-1, m)
    order = np.argsort(groups, axis=1, kind="stable")
    kept = np.zeros(groups.shape, bool)
    np.put_along_axis(kept, order[:, m - n :], True, axis=1)
    return kept.reshape(scores.shape)
