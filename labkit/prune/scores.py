"""Criteria: what to rank the weights of a layer by. The larger, the longer kept.

A criterion takes a layer's kernel and what its row of CRITERIA says that it needs. The
second-order criterion that looks at pairs of weights is `labkit.prune.brain_surgeon`.
Random and magnitude belong into every comparison (Blalock et al. 2020,
arXiv:2003.03033).
"""

import numpy as np

from labkit.common.arguments import finite
from labkit.common.registries import Row, registry
from labkit.prune.brain_surgeon import obs_scores


def random(w: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Numbers that have nothing to do with the weights, float64 in w's shape.

    >>> random(np.zeros((2, 3)), np.random.default_rng(0)).shape
    (2, 3)

    rng: one for all layers of a network, so that they do not lose the same places.
    """
    return rng.random(np.shape(w))


def magnitude(w: np.ndarray) -> np.ndarray:
    """|w|. Source: Han et al. 2015, arXiv:1506.02626, and long before.

    >>> magnitude(np.array([-2.0, 1.0])).tolist()
    [2.0, 1.0]
    """
    return np.abs(finite("w", w, may_be_empty=True))


def activation_aware(w: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """|w| ||x||: what a weight adds to the layer's output, in size.

    >>> activation_aware(np.array([[2.0, -1.0]]), np.array([0.5, 4.0])).tolist()
    [[1.0, 4.0]]

    w: a kernel, dense (out, in), convolution (out, height, width, in), depthwise (1,
    height, width, channels). norms: the Euclidean norm over calibration images of what
    each weight is multiplied with, of the kernel's shape without the first axis (else
    ValueError): `labkit.compress.input_norms`. Source: Sun et al. 2023 (Wanda),
    arXiv:2306.11695, which ranks within each output: the scope "output" of
    `labkit.prune.masks`.
    """
    w, norms = finite("w", w), finite("norms", norms, may_be_empty=True)
    if (norms < 0).any():
        raise ValueError(f"norms go down to {norms.min()}: give lengths of 0 or more")
    if norms.shape != w.shape[1:]:
        raise ValueError(
            f"norms are {np.shape(norms)} for a kernel of {np.shape(w)}: give one "
            "norm for each input of an output"
        )
    return np.abs(w) * norms


def taylor(w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """|w g|: by how much, to first order, the loss changes when w becomes 0.

    >>> taylor(np.array([2.0, -1.0]), np.array([0.25, 3.0])).tolist()
    [0.5, 3.0]

    gradient: of the mean loss by each weight, in w's shape (else ValueError). Source:
    Molchanov et al. 2017, arXiv:1611.06440, there of a unit's output; of single weights
    Lee et al. 2019 (SNIP), arXiv:1810.02340.
    """
    w, gradient = _alike(w, "gradient", gradient)
    return np.abs(w * gradient)


def fisher(w: np.ndarray, squared_gradient: np.ndarray) -> np.ndarray:
    """w^2 E[g^2] / 2: by how much, to second order, the loss grows when w becomes 0.

    >>> fisher(np.array([2.0, -1.0]), np.array([0.5, 3.0])).tolist()
    [1.0, 1.5]

    squared_gradient: the mean over images of each image's squared gradient, in w's
    shape (else ValueError): the diagonal of the Fisher information, which stands for
    the second derivative near a minimum. The square of the mean gradient is something
    else, and near 0 there. Sources: LeCun, Denker, Solla 1990 (Optimal Brain Damage),
    h_kk u_k^2 / 2; Theis et al. 2018, arXiv:1801.05787, with the Fisher information.
    """
    w, squared_gradient = _alike(w, "squared_gradient", squared_gradient)
    if (squared_gradient < 0).any():
        raise ValueError(
            f"squared_gradient goes down to {squared_gradient.min()}: give means of "
            "squares, which are 0 or more"
        )
    return np.square(w) * squared_gradient / 2


def _alike(
    w: np.ndarray, name: str, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays, or ValueError unless there is one of the slopes a weight."""
    w, slopes = finite("w", w), finite(name, slopes)
    if w.shape != slopes.shape:
        raise ValueError(
            f"{name} is {slopes.shape}, w {w.shape}: give one number for each weight"
        )
    return w, slopes


# needs: "rng", a random generator; of the layer, "input_norms" as `activation_aware`
# takes them, the "gradient", the "squared_gradient", or the "hessian" as `obs_scores`
# takes it, with the kernel as a matrix (out, in).
CRITERIA = registry(
    Row("magnitude", "magnitude", "|w|.", magnitude),
    Row("random", "random", "Chance: uniform in [0, 1).", random, needs="rng"),
    Row(
        "activation_aware",
        "activation-aware",
        "|w| ||x||: what a weight adds to the layer's output, in size.",
        activation_aware,
        needs="input_norms",
    ),
    Row(
        "taylor",
        "Taylor",
        "|w g|: the change of the loss without the weight, to first order.",
        taylor,
        needs="gradient",
    ),
    Row(
        "surgeon",
        "surgeon, compensated",
        "The error of the layer's outputs when the other weights make up for it.",
        obs_scores,
        needs="hessian",
        kinds=("FULLY_CONNECTED", "CONV_2D"),
    ),
    Row(
        "fisher",
        "Fisher",
        "w^2 E[g^2] / 2: the change of the loss, to second order.",
        fisher,
        needs="squared_gradient",
    ),
)
