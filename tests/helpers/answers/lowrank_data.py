"""Answers to the exercises on factors for data and on a convolution in two steps.

Written from the text of notebooks 05 and 05b alone.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from labkit.lowrank import truncated_svd
from labkit.lowrank.data_aware import principal_directions


def factors(w, rank):
    return truncated_svd.factors(truncated_svd.svd(w), rank)


def aware(w, x, rank):
    u = np.linalg.svd(w @ x.T, full_matrices=False)[0][:, :rank]
    return u.T @ w, u


def by_whitening(w, x, rank):
    """The textbook's way with a pseudo-inverse, split another way."""
    values, vectors = principal_directions(x.T @ x / len(x))
    seen = values > 1e-10 * values[0]
    scales, vectors = np.sqrt(values[seen]), vectors[:, seen]
    u, s, vt = np.linalg.svd(w @ (vectors * scales), full_matrices=False)
    first = vt[:rank] @ (vectors / scales).T
    return first, u[:, :rank] * s[:rank]


def by_moments(w, x, rank):
    """The directions of W C W^T, as nested lists."""
    u = np.linalg.eigh(w @ (x.T @ x) @ w.T)[1][:, -rank:]
    return [(u.T @ w).tolist(), u.tolist()]


def root(x, power=0.5):
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    return (vectors * np.maximum(values, 0) ** power) @ vectors.T


def with_inverse(w, x, rank):
    first, second = factors(w @ root(x), rank)
    return first @ np.linalg.inv(np.round(root(x), 12)), second


def inverse_covariance(w, x, rank):
    """W C C^-1: the inverse alone raises."""
    return factors(w @ np.linalg.inv(x.T @ x / len(x)), rank)


def by_cholesky(w, x, rank):
    lower = np.linalg.cholesky(x.T @ x / len(x))
    first, second = factors(w @ lower, rank)
    return first @ np.linalg.inv(lower), second


def inverse_first(w, x, rank):
    first, second = factors(w @ np.linalg.pinv(root(x), rcond=1e-8), rank)
    return first @ root(x), second


def pca_of_inputs(w, x, rank):
    v = np.linalg.svd(x, full_matrices=False)[2][:rank]
    return v, w @ v.T


def with_a_ridge(w, x, rank):
    """A tenth of the mean variance on the diagonal."""
    c = x.T @ x / len(x)
    lower = np.linalg.cholesky(c + 0.1 * np.trace(c) / len(c) * np.eye(len(c)))
    first, second = factors(w @ lower, rank)
    return first @ np.linalg.inv(lower), second


def filtered(rows, weights, mode="constant", ahead=None):
    """Each row with a filter along it, its length kept."""
    k = len(weights)
    before = k // 2 if ahead is None else ahead
    padded = np.pad(rows, ((0, 0), (before, k - 1 - before)), mode=mode)
    width = rows.shape[1]
    return sum(weight * padded[:, i : i + width] for i, weight in enumerate(weights))


def separable(image, down, across, **settings):
    return filtered(filtered(image.T, down, **settings).T, across, **settings)


def row_first(image, down, across):
    """The row before the column, by np.convolve, which flips a filter."""
    rows = np.array([np.convolve(row, across[::-1], "full") for row in image])
    rows = rows[:, len(across) // 2 :][:, : image.shape[1]]
    columns = np.array([np.convolve(column, down[::-1], "full") for column in rows.T])
    return columns[:, len(down) // 2 :][:, : len(image)].T.tolist()


def by_matrices(image, down, across):
    """A band matrix on either side."""

    def band(size, weights):
        half = len(weights) // 2
        return sum(
            weight * np.eye(size, k=i - half) for i, weight in enumerate(weights)
        )

    return band(len(image), down) @ image @ band(image.shape[1], across).T


def padded_twice(image, down, across):
    k = len(down) // 2
    for weights in (down[:, None], across[None]):
        seen = sliding_window_view(np.pad(image, k), weights.shape)
        image = np.einsum("hwij,ij->hw", seen, weights)
    return image


def never_padded(image, down, across):
    kernel = np.outer(down, across)
    return np.einsum("hwij,ij->hw", sliding_window_view(image, kernel.shape), kernel)


RIGHT = {
    "data_aware_factors": [aware, by_whitening, by_moments],
    "separable_convolution": [separable, row_first, by_matrices],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "data_aware_factors": [
        (lambda w, x, k: factors(w, k), "That is plain SVD"),
        (lambda w, x, k: factors(w @ root(x), k), "never undo"),
        (inverse_first, "You whiten with the inverse"),
        (with_inverse, "has no inverse"),
        (inverse_covariance, "the responses instead"),
        (by_cholesky, "has no inverse"),
        (pca_of_inputs, "PCA of the inputs"),
        (lambda w, x, k: aware(w, x - x.mean(0), k), "You take the mean off"),
        (lambda w, x, k: aware(w, x[:, ::-1], k), ""),
        (lambda w, x, k: aware(w, x[: len(x) // 2], k), ""),
        (lambda w, x, k: aware(w, x / np.linalg.norm(x, axis=1)[:, None], k), ""),
        (lambda w, x, k: [2 * part for part in aware(w, x, k)], ""),
        (with_a_ridge, ""),
        (lambda w, x, k: aware(w, x, k)[1] @ aware(w, x, k)[0], "multiply the factors"),
        (lambda w, x, k: aware(w, x, k)[::-1], "The order"),
    ],
    "separable_convolution": [
        (padded_twice, "The padding is wrong"),
        (never_padded, "There is no padding"),
        (lambda i, d, a: separable(i, d, a, mode="edge"), "pixels of the edge"),
        (lambda i, d, a: separable(i, d, a, ahead=len(d) - 1), "before the image"),
        (lambda i, d, a: separable(i, d, a, ahead=0), "behind the image"),
        (lambda i, d, a: separable(i, d[::-1], a[::-1]), "flipped"),
        (lambda i, d, a: separable(i, a, d), "changed places"),
        (lambda i, d, a: filtered(i.T, d).T + filtered(i, a), "add the two filtered"),
        (lambda i, d, a: separable(i, d, a, mode="wrap"), ""),
        (lambda i, d, a: separable(i, d[::-1], a), ""),
        (lambda i, d, a: separable(i, d, a) / (d.sum() * a.sum()), ""),
        (lambda i, d, a: filtered(i, a) * filtered(i.T, d).T, ""),
        (lambda i, d, a: i, ""),
        (lambda i, d, a: separable(i, d, a)[:-1], "has the image's size"),
        (lambda i, d, a: None, "returns None"),
    ],
}
