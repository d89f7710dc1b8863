"""PCA of what a layer reads, and of what it answers: low rank that looks at data.

Plain SVD asks which directions the weights are large in. What counts is y = W x + b on
the inputs that occur.

*Inputs*: x is projected on the k directions v of largest variance (Pearson 1901),
x ~ mean + V_k V_k^T (x - mean). It minimises the error of x itself. The layer becomes
V_k^T, then W V_k, and the mean goes into the bias.

*Responses*: y is projected on the k directions u of its own largest variance. It
minimises E||y - y_k||^2 over all layers of rank k: this is data-aware SVD. Written with
the covariance C of the inputs it is the SVD of W C^(1/2), truncated and multiplied by
the inverse of C^(1/2) from the right. But C has no inverse where an input never
changes, as MNIST's corners, which are always black. No inverse is needed: the left
singular vectors of W C^(1/2) are the eigenvectors u of W C W^T, the covariance of y,
and

    W C^(1/2) = U S V^T,    W_k = U_k S_k V_k^T C^(-1/2) = U_k U_k^T W

So the layer becomes U_k^T W, then U_k (Zhang et al. 2016, arXiv:1505.06798, on
responses that have low rank).
"""

import numpy as np

from labkit.common.arguments import shaped
from labkit.lowrank.covariance import Moments
from labkit.lowrank.decomposition import Decomposition
from labkit.lowrank.truncated_svd import check_matrix


def principal_directions(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, descending and not below 0, and eigenvectors as columns.

    >>> values, vectors = principal_directions(np.diag([1.0, 4.0]))
    >>> values.round(6).tolist(), np.abs(vectors).round(6).tolist()
    ([4.0, 1.0], [[0.0, 1.0], [1.0, 0.0]])

    covariance: symmetric (d, d), else ValueError. Returns (d,) and (d, d).
    """
    covariance = shaped("covariance", covariance, "(d, d)")
    if covariance.shape != covariance.T.shape or not np.allclose(
        covariance, covariance.T, atol=1e-6 * np.abs(covariance).max()
    ):
        raise ValueError(
            f"covariance of {covariance.shape} is not symmetric: give (d, d), as "
            "labkit.lowrank.covariance makes it"
        )
    values, vectors = np.linalg.eigh(covariance)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


def pca_of_responses(
    w: np.ndarray, bias: np.ndarray | None, responses: Moments
) -> Decomposition:
    """A layer through the principal directions of its responses y = W x + b.

    >>> from labkit.lowrank import moments
    >>> w = np.array([[1.0, 0.0], [0.0, 10.0]])          # the larger weight …
    >>> x = np.array([[1.0, 0.01], [-1.0, -0.01]])       # … meets a small input
    >>> found = pca_of_responses(w, None, moments(x @ w.T))
    >>> first, second = found.parts(1)
    >>> (found.second[:, :1] @ found.first[:1] @ x[0]).round(6).tolist()
    [1.0, 0.1]

    w: (out, in). bias: (out,) or None, taken as zeros. responses: the moments of y,
    before the activation function. Ranks go to `out`; where `in` is smaller, the terms
    above `in` carry nothing. Raises ValueError for shapes that do not fit.
    """
    w = np.asarray(check_matrix(w), np.float64)
    if len(responses.mean) != len(w):
        raise ValueError(
            f"the responses have {len(responses.mean)} channels and the layer "
            f"{len(w)} outputs: observe this layer"
        )
    values, u = principal_directions(responses.covariance)
    bias = _bias(bias, len(w))
    return Decomposition(u.T @ w, u, values, bias, u.T @ (responses.mean - bias))


def pca_of_inputs(
    w: np.ndarray, bias: np.ndarray | None, inputs: Moments
) -> Decomposition:
    """A layer that reads its inputs through their principal directions.

    >>> from labkit.lowrank import moments
    >>> x = np.array([[0.0, 5.0], [2.0, 5.0]])           # the second is always 5
    >>> found = pca_of_inputs(np.array([[1.0, 2.0]]), np.zeros(1), moments(x))
    >>> first, second = found.parts(1)
    >>> np.abs(second.kernel @ first.kernel).round(6).tolist()
    [[1.0, 0.0]]
    >>> second.bias.round(6).tolist()                    # 2 times 5
    [10.0]

    w: (out, in). inputs: the moments of x. Ranks go to `in`. Raises ValueError for
    shapes that do not fit.
    """
    w = np.asarray(check_matrix(w), np.float64)
    if len(inputs.mean) != w.shape[1]:
        raise ValueError(
            f"the inputs have {len(inputs.mean)} numbers and the layer reads "
            f"{w.shape[1]}: observe this layer"
        )
    values, v = principal_directions(inputs.covariance)
    bias = _bias(bias, len(w))
    return Decomposition(v.T, w @ v, values, bias, v.T @ inputs.mean)


def _bias(bias: np.ndarray | None, outputs: int) -> np.ndarray:
    if bias is None:
        return np.zeros(outputs)
    bias = np.asarray(shaped("bias", bias, "(out,)"), np.float64)
    if len(bias) != outputs:
        raise ValueError(f"bias has {len(bias)} numbers: give {outputs}, one an output")
    return bias


def output_error(w: np.ndarray, parts, bias: np.ndarray | None, x: np.ndarray) -> float:
    """E||y - y_k||^2 of a dense layer on inputs x (n, in): its parts against itself.

    >>> from labkit.lowrank import FactorLayer
    >>> down = FactorLayer(np.array([[1.0, 0.0]]))
    >>> parts = down, FactorLayer(np.array([[1.0], [0.0]]))
    >>> output_error(np.eye(2), parts, None, np.array([[3.0, 2.0]]))
    4.0

    w: (out, in). parts: two, as `Decomposition.parts` returns. bias: of the layer.
    """
    first, second = parts
    y = x @ np.asarray(w, np.float64).T + (0 if bias is None else bias)
    found = x @ np.asarray(first.kernel, np.float64).T
    found = found @ np.asarray(second.kernel, np.float64).T
    found = found + (0 if second.bias is None else second.bias)
    return float(np.square(y - found).sum(axis=1).mean())
