"""The checks of notebook 05: right answers pass, wrong ones are told what is wrong."""

import numpy as np
import pytest
from check_asserts import assert_explained

from labkit.checks.lowrank_data import (
    check_data_aware_factors,
    check_separable_convolution,
)
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


def root(x, power=0.5):
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    return (vectors * np.maximum(values, 0) ** power) @ vectors.T


def wrong_side(w, x, rank):
    """C^(1/2) on the left of W, where the shapes let it stand."""
    if w.shape[0] != w.shape[1]:
        return aware(w, x, rank)
    first, second = factors(root(x) @ w, rank)
    return first, np.linalg.inv(root(x)) @ second


def with_inverse(w, x, rank):
    first, second = factors(w @ root(x), rank)
    return first @ np.linalg.inv(np.round(root(x), 12)), second


def inverse_first(w, x, rank):
    first, second = factors(w @ np.linalg.pinv(root(x), rcond=1e-8), rank)
    return first @ root(x), second


def pca_of_inputs(w, x, rank):
    v = np.linalg.svd(x, full_matrices=False)[2][:rank]
    return v, w @ v.T


@pytest.mark.parametrize("fn", [aware, by_whitening])
def test_right_data_aware_factors_pass(fn):
    verdict = check_data_aware_factors(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (lambda w, x, k: factors(w, k), "That is plain SVD"),
        (wrong_side, "the wrong side"),
        (lambda w, x, k: factors(w @ root(x), k), "never undo"),
        (inverse_first, "You whiten with the inverse"),
        (with_inverse, "has no inverse where an input is always 0"),
        (pca_of_inputs, "PCA of the inputs"),
        (lambda w, x, k: aware(w, x - x.mean(0), k), "You take the mean off"),
        (lambda w, x, k: aware(w, x[:, ::-1], k), "can be reached"),
        (lambda w, x, k: aware(w, x, k)[1] @ aware(w, x, k)[0], "multiply the factors"),
        (lambda w, x, k: aware(w, x, k)[::-1], "The order"),
    ],
)
def test_wrong_data_aware_factors_are_explained(fn, hint):
    assert_explained(check_data_aware_factors, fn, hint)


def filtered(rows, weights, mode="constant", ahead=None):
    """Each row with a filter along it, its length kept."""
    k = len(weights)
    before = k // 2 if ahead is None else ahead
    padded = np.pad(rows, ((0, 0), (before, k - 1 - before)), mode=mode)
    shape = rows.shape[1]
    return sum(weight * padded[:, i : i + shape] for i, weight in enumerate(weights))


def separable(image, down, across, **settings):
    return filtered(filtered(image.T, down, **settings).T, across, **settings)


def row_first(image, down, across):
    """The row before the column, by np.convolve, which turns a filter round."""
    rows = [np.convolve(row, across[::-1], "full") for row in image]
    rows = np.array(rows)[:, len(across) // 2 :][:, : image.shape[1]]
    columns = [np.convolve(column, down[::-1], "full") for column in rows.T]
    return np.array(columns)[:, len(down) // 2 :][:, : len(image)].T.tolist()


def padded_twice(image, down, across):
    k = len(down) // 2
    for weights in (down[:, None], across[None]):
        image = np.pad(image, k)
        seen = np.lib.stride_tricks.sliding_window_view(image, weights.shape)
        image = np.einsum("hwij,ij->hw", seen, weights)
    return image


def never_padded(image, down, across):
    kernel = np.outer(down, across)
    seen = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
    return np.einsum("hwij,ij->hw", seen, kernel)


@pytest.mark.parametrize("fn", [separable, row_first])
def test_right_convolutions_pass(fn):
    verdict = check_separable_convolution(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (padded_twice, "The padding is wrong"),
        (never_padded, "There is no padding"),
        (lambda i, d, a: separable(i, d, a, mode="edge"), "pixels of the edge"),
        (lambda i, d, a: separable(i, d, a, ahead=len(d) - 1), "on one side: it is"),
        (lambda i, d, a: separable(i, d, a, ahead=0), "behind the image"),
        (lambda i, d, a: separable(i, d[::-1], a[::-1]), "turned round"),
        (lambda i, d, a: separable(i, a, d), "changed places"),
        (lambda i, d, a: filtered(i.T, d).T + filtered(i, a), "add the two filtered"),
        (lambda i, d, a: separable(i, d, a)[:-1], "has the image's size"),
        (lambda i, d, a: i, "it should be"),
        (lambda i, d, a: None, "returns None"),
    ],
)
def test_wrong_convolutions_are_explained(fn, hint):
    assert_explained(check_separable_convolution, fn, hint)
