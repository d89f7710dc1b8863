"""What all range rules have in common: groups go in, one scale a group comes out.

The error that a scale makes, `squared_error`, is here as well.
"""

from collections.abc import Callable
from functools import wraps

import numpy as np

from labkit.common.arguments import shaped, whole

Rule = Callable[[np.ndarray, int], np.ndarray]


def group_rule(rule: Rule) -> Rule:
    """The rule with its arguments checked, and with scale 1 where it gives 0.

    A scale is 0 for a group of zeros, or of numbers too small to divide. Raises
    ValueError unless groups are finite, (rows, blocks, members), and qmax is 1 or more.

    >>> rule = group_rule(lambda groups, qmax: groups.max(axis=2) / qmax)
    >>> rule(np.array([[[3.0, 6.0], [0.0, 0.0]]]), 3).tolist()    # 1 row of 2 blocks
    [[2.0, 1.0]]
    """

    @wraps(rule)
    def found(groups: np.ndarray, qmax: int) -> np.ndarray:
        shaped("groups", groups, "(rows, blocks, members)")
        scale = rule(groups, whole("qmax", qmax, 1))
        return np.where(scale > 0, scale, np.float32(1))

    return found


def squared_error(groups: np.ndarray, scale: np.ndarray, qmax: int) -> np.ndarray:
    """sum((w - w_hat)**2) of each group, float64 (rows, blocks).

    >>> w = np.array([[[0.5, -1.0, 0.25]]], np.float32)
    >>> squared_error(w, np.array([[1.0]], np.float32), 1).tolist()
    [[0.3125]]
    """
    groups = shaped("groups", groups, "(rows, blocks, members)")
    whole("qmax", qmax, 1)
    scale = shaped("scale", scale, "(rows, blocks)")
    if scale.shape != groups.shape[:2] or not (scale > 0).all():
        raise ValueError(
            f"scale is {scale.shape}, its least {scale.min()}: give {groups.shape[:2]} "
            "numbers above 0"
        )
    q = np.clip(np.rint(groups / scale[:, :, None]), -qmax, qmax)
    error = groups.astype(np.float64) - q * scale[:, :, None]
    return np.einsum("rbm,rbm->rb", error, error)
