"""The squared error of a layer's output as a quadratic form of its weights.

For one output w and the layer's inputs x (n, in), weights changed by d give the error

    ||x d||^2 = d H d^T / 2,    H = 2 x^T x

All outputs share H. What rounds or removes weights one after the other asks of it how
the others can make up for that (`labkit.compress.repair.error_feedback`,
`labkit.prune.brain_surgeon`).
"""

import numpy as np

from labkit.common.arguments import finite, positive, shaped

DAMPING = 0.01


def hessian(x: np.ndarray, damping: float = DAMPING) -> np.ndarray:
    """H = 2 x^T x, `damped`.

    >>> hessian(np.array([[1.0, 1.0]]), damping=0.5).tolist()
    [[3.0, 2.0], [2.0, 3.0]]

    x: a dense layer's inputs, float (n, in). Returns float64 (in, in). Raises
    ValueError for other shapes, inputs that are 0 all over, or a damping of 0 or less.
    """
    x = np.asarray(finite("x", x), np.float64)
    if x.ndim != 2 or not x.any():
        raise ValueError(
            f"x of shape {x.shape}: give a dense layer's inputs (n, in), not all 0"
        )
    return damped(2 * x.T @ x, damping)


def damped(h: np.ndarray, damping: float = DAMPING) -> np.ndarray:
    """H with `damping` times the mean of its diagonal added to the diagonal.

    >>> damped(np.array([[3.0, 1.0], [1.0, 1.0]]), damping=0.5).tolist()
    [[4.0, 1.0], [1.0, 2.0]]

    h: (in, in). damping: above 0, since H has no inverse where an input is always 0 (a
    pixel in the corner) or there are fewer images than inputs. Raises ValueError
    outside these.
    """
    positive("damping", damping)
    h = shaped("h", h, "(in, in)")
    if len(h) != h.shape[1]:
        raise ValueError(f"h is {h.shape}: give (in, in)")
    return h + damping * np.diag(h).mean() * np.eye(len(h))
