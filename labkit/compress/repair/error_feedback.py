"""Rounding with error feedback: let later weights make up for earlier ones.

Rounding every weight to the nearest code makes the smallest error in the weights, not
in what the layer computes. Where two inputs go up and down together, an error in the
weight of one can be taken back in the weight of the other. For one output channel w and
the layer's inputs x (n, in) the squared output error is

    ||x (w - w_hat)||^2 = (w - w_hat) H (w - w_hat)^T / 2

with the H of `labkit.prune.curvature`. Its weights are rounded one after the other.
When weight k is rounded with an error e = w_k - w_hat_k, the best that the weights not
yet rounded can do is to change by

    - e / [H^-1]_kk * [H^-1]_k,later

where H is that of weight k and the later ones alone. All channels share H, so whole
columns are rounded at once.

Frantar et al. 2022, arXiv:2210.17323 (GPTQ): eq. 2, the update; eq. 3, the inverse
without one row and column; sec. 3, columns in order for all rows, damping, and the
Cholesky form, which has all the shrunken inverses in one matrix. Its forerunner picks
the order for each row: Frantar et al. 2022, arXiv:2208.11580 (OBQ).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from labkit.compress.repair.statistics import assembled
from labkit.model.network import Network
from labkit.packed.compressed import Compressed
from labkit.prune.curvature import DAMPING, hessian
from labkit.quantize.affine import code_type, largest_code
from labkit.quantize.symmetric import Quantized


def feedback_cholesky(
    w: np.ndarray, h: np.ndarray, scale: np.ndarray, qmax: int
) -> np.ndarray:
    """Round w column by column with error feedback.

    w: float (out, in). h: (in, in), as `hessian` returns it. scale: float, fixed
    beforehand, (out, 1) or whatever else fits beside w. qmax: the largest code. Returns
    the codes, float64 (out, in).
    With H^-1 = U^T U, U upper triangular, the first row of the inverse in step k is
    U[k, k] U[k, k:]. So no inverse is shrunk, and rounding errors do not add up.

    >>> w, h = np.array([[0.5, 0.5]]), hessian(np.array([[1.0, 1.0]]))
    >>> feedback_cholesky(w, h, scale=np.ones((1, 1)), qmax=1).tolist()  # sum: 1
    [[0.0, 1.0]]
    """
    w, q = np.array(w, np.float64), np.zeros(np.shape(w))
    scale = np.broadcast_to(scale, w.shape)
    u = np.linalg.cholesky(np.linalg.inv(h)).T
    for k in range(w.shape[1]):
        q[:, k] = np.clip(np.rint(w[:, k] / scale[:, k]), -qmax, qmax)
        error = (w[:, k] - scale[:, k] * q[:, k]) / u[k, k]
        w[:, k + 1 :] -= np.outer(error, u[k, k + 1 :])
    return q


def round_with_feedback(
    w: np.ndarray, x: np.ndarray, nearest: Quantized, damping: float = DAMPING
) -> Quantized:
    """A dense kernel's codes rounded anew with error feedback, its scales kept.

    w: float (out, in). x: the layer's inputs, float (n, in), some hundreds of
    calibration images. nearest: the kernel as `labkit.quantize.quantize` rounds it.
    Raises ValueError for shapes that do not fit.

    >>> x = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> w = np.array([[0.5, 0.5, 1.0]])
    >>> from labkit.quantize import quantize
    >>> nearest = quantize(w, bits=2)
    >>> nearest.q.tolist(), round_with_feedback(w, x, nearest).q.tolist()
    ([[0, 0, 1]], [[0, 1, 1]])
    """
    w, x = np.asarray(w), np.asarray(x)
    if w.ndim != 2 or x.shape[1:] != w.shape[1:] or nearest.shape != w.shape:
        raise ValueError(
            f"w {w.shape}, x {x.shape} and codes {nearest.shape} do not fit: give "
            "(out, in), (n, in) and (out, in) of a dense layer"
        )
    scale = nearest.groups.spread(nearest.scale.astype(np.float64))
    codes = feedback_cholesky(w, hessian(x, damping), scale, largest_code(nearest.bits))
    return replace(nearest, q=codes.astype(code_type(nearest.bits)))


def output_error(w: np.ndarray, w_hat: np.ndarray, x: np.ndarray) -> float:
    """||x (w - w_hat)^T||^2 / ||x w^T||^2: the layer's relative squared output error.

    >>> output_error(np.array([[1.0, 1.0]]), np.array([[1.0, 0.5]]), np.eye(2))
    0.125
    """
    w, x = np.asarray(w, np.float64), np.asarray(x, np.float64)
    wrong, right = x @ (w - w_hat).T, x @ w.T
    return float(np.sum(wrong**2) / np.sum(right**2))


def feed_back_errors(
    network: Network,
    compressed: Compressed,
    images: np.ndarray,
    layers: Sequence[str] | None = None,
    damping: float = DAMPING,
) -> Compressed:
    """Round the dense layers of a quantized network anew, with error feedback.

    network: the float network that `compressed` was made from. images: calibration
    images, as the network takes them. layers: names, or None for every dense layer on a
    uniform grid. A layer keeps its bits and scales; its inputs are those that it gets
    with the layers before it rounded already. Raises ValueError for a named layer that
    is not dense, not quantized, or on another grid.
    """
    dense = [
        name
        for name, codes in compressed.quantized.items()
        if network.layer(name).kind == "FULLY_CONNECTED"
        and isinstance(codes, Quantized)
    ]
    unknown = set(layers or ()) - set(dense)
    if unknown:
        raise ValueError(
            f"{', '.join(sorted(unknown))} is no dense layer on a uniform grid: choose "
            f"from {', '.join(dense) or 'another network, this one has none'}"
        )
    repaired, quantized = compressed.network, dict(compressed.quantized)
    for name in dense if layers is None else sorted(layers, key=dense.index):
        inputs = repaired.activations(images, name).reshape(len(images), -1)
        kernel = network.kernels[name]
        quantized[name] = round_with_feedback(kernel, inputs, quantized[name], damping)
        repaired = repaired.with_weights({f"{name}/kernel": quantized[name].decode()})
    return assembled(repaired, quantized)
