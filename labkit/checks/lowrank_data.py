"""Exercises of notebooks 05, 05b: factors for given inputs, a convolution in two."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from labkit.checks.base import Wrong, numbers
from labkit.checks.exercise import Exercise
from labkit.checks.lowrank import pair


def _svd_factors(w: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    return vt[:rank], u[:, :rank] * s[:rank]


def _projected(w, x, rank):
    """U_k U_k^T W with the main directions of the responses x @ w.T."""
    u = np.linalg.svd(w @ x.T, full_matrices=False)[0][:, :rank]
    return u.T @ w, u


def _without_mean(w, x, rank):
    return _projected(w, x - x.mean(axis=0), rank)


def _root(x: np.ndarray) -> np.ndarray:
    """The symmetric root of C = E[x x^T]."""
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _pseudo_inverse(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.pinv(matrix, rcond=1e-8)


def _wrong_side(w, x, rank):
    """C^(1/2) W, which raises where the shapes do not let it be."""
    first, second = _svd_factors(_root(x) @ w, rank)
    return first, _pseudo_inverse(_root(x)) @ second


def _wrong_side_if_square(w, x, rank):
    """C^(1/2) W where the shapes let it be, elsewhere the right answer."""
    square = w.shape[0] == w.shape[1]
    return (_wrong_side if square else _projected)(w, x, rank)


def _not_undone(w, x, rank):
    return _svd_factors(w @ _root(x), rank)


def _inverse_first(w, x, rank):
    first, second = _svd_factors(w @ _pseudo_inverse(_root(x)), rank)
    return first @ _root(x), second


def _without_root(w, x, rank):
    """Whitened with C itself."""
    root = _root(x)
    first, second = _svd_factors(w @ root @ root, rank)
    return first @ _pseudo_inverse(root) @ _pseudo_inverse(root), second


def _inputs_pca(w, x, rank):
    v = np.linalg.eigh(x.T @ x)[1][:, ::-1][:, :rank]
    return v.T, w @ v


def _responses(result, w, x, rank) -> np.ndarray:
    """What the factors make of x, (n, out), over the largest response of w."""
    first, second = pair(result, w, rank)
    return x @ (second @ first).T / np.abs(x @ w.T).max()


def _squared_error(responses, w, x) -> float:
    """The mean squared error of responses that are divided as in `_responses`."""
    right = x @ w.T
    apart = responses * np.abs(right).max() - right
    return float(np.square(apart).sum(axis=1).mean())


def _error(result, w, x, rank) -> float:
    return _squared_error(_responses(result, w, x, rank), w, x)


def _is_least(value, w, x, rank) -> bool:
    """Two factors are right whose error on x is the least one; there are many."""
    least = _error(_projected(w, x, rank), w, x, rank)
    scale = np.square(x @ w.T).sum(axis=1).mean()
    return _squared_error(value, w, x) <= least * (1 + 1e-6) + 1e-9 * scale


def _data_calls() -> list[tuple[np.ndarray, np.ndarray, int]]:
    """In the third, three inputs are always 0; in the fourth, they are few."""
    rng = np.random.default_rng(12)
    square = rng.normal(size=(6, 6)), _inputs(rng, 40, 6)
    wide = rng.normal(size=(5, 8)), _inputs(rng, 60, 8)
    black = rng.normal(size=(6, 9)), _inputs(rng, 50, 9)
    black[1][:, [0, 1, 8]] = 0
    few = rng.normal(size=(4, 7)), _inputs(rng, 5, 7)
    return [(*square, 2), (*wide, 3), (*black, 2), (*few, 1), (*square, 5)]


def _inputs(rng, n: int, d: int) -> np.ndarray:
    """Inputs of very different size, and correlated."""
    mixed = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return mixed * np.geomspace(10, 0.1, d)[rng.permutation(d)]


check_data_aware_factors = Exercise(
    name="data_aware_factors",
    asks="""`fn(w, x, rank) -> (first, second)`: the least mean ||W x - W_k x||^2.

    w: (out, in). x: inputs, (n, in), one a row; some of their columns may be 0 all
    over. first: (rank, in), second: (out, rank). Factors pass whose error on x is the
    least one; there are many.
    """,
    reference=_projected,
    calls=_data_calls(),
    form=_responses,
    accepts=_is_least,
    error=("a mean squared error", _error),
    rtol=0,
    atol=1e-6,
    mistakes={
        "That is plain SVD: it looks at the weights alone": (
            lambda w, x, rank: _svd_factors(w, rank)
        ),
        "The whitening is on the wrong side: the inputs meet W from the right, so it "
        "is W C^(1/2), not C^(1/2) W": (_wrong_side, _wrong_side_if_square),
        "You truncate W C^(1/2) and never undo C^(1/2): multiply by its inverse, or "
        "project the responses": _not_undone,
        "You whiten with the inverse: truncate W C^(1/2), then multiply by C^(-1/2)": (
            _inverse_first
        ),
        "You whiten with C: the root C^(1/2) makes it the error of the responses": (
            _without_root
        ),
        "That is PCA of the inputs: it keeps what is large in x, whatever W makes of "
        "it": _inputs_pca,
        "You take the mean off. That minimises the spread of the error, and the mean "
        "would have to go into a bias, which there is not here": _without_mean,
    },
    raises={
        np.linalg.LinAlgError: "Where an input is always 0, the covariance of the "
        "inputs has no inverse. Project the responses instead: U_k U_k^T W needs none"
    },
)


def _filtered(turn: Callable, ahead: Callable | None = None, **pad) -> Callable:
    """The k x k filter `turn(outer(down, across))` over a padded image.

    ahead: k -> rows and columns before the image and behind it; k // 2 each without it.
    pad: settings of np.pad.
    """

    def convolution(image, down, across):
        kernel, k = turn(np.outer(down, across)), len(down)
        sides = ahead(k) if ahead else (k // 2, k // 2)
        padded = np.pad(image, (sides, sides), **pad)
        return _correlated(padded, kernel)

    return convolution


def _correlated(padded: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    seen = sliding_window_view(padded, kernel.shape)
    return np.einsum("hwij,ij->hw", seen, kernel)


def _as_is(kernel: np.ndarray) -> np.ndarray:
    return kernel


def _padded_twice(image, down, across):
    """Zeros on all four sides before each of the two filters."""
    for kernel in (down[:, None], across[None]):
        image = _correlated(np.pad(image, len(down) // 2), kernel)
    return image


def _column_alone(image, down, across):
    k = len(down) // 2
    return _correlated(np.pad(image, ((k, k), (0, 0))), down[:, None])


def _row_alone(image, down, across):
    k = len(across) // 2
    return _correlated(np.pad(image, ((0, 0), (k, k))), across[None])


def _added(*call):
    return _column_alone(*call) + _row_alone(*call)


def _same_size(result, image, down, across) -> np.ndarray:
    found = numbers(result, "an image")
    if found.shape != image.shape:
        raise Wrong(
            f"The answer has the image's size, {image.shape}, not {found.shape}"
        )
    return found


def _image_calls() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(13)
    line = np.array([1.0, 2.0, 0.0, -1.0])
    return [
        (np.outer(line, [1.0, 0.0, 2.0, 1.0]), np.array([1.0, 2.0, 4.0]), np.ones(3)),
        (rng.normal(size=(5, 7)).round(1), *rng.normal(size=(2, 3)).round(1)),
        (rng.normal(size=(8, 6)).round(1), *rng.normal(size=(2, 5)).round(1)),
        (rng.normal(size=(4, 4)).round(1), np.array([3.0]), np.array([-2.0])),
    ]


check_separable_convolution = Exercise(
    name="separable_convolution",
    asks="""`fn(image, down, across) -> image`: a k x k filter of rank 1, in two.

    image: (height, width). down: a column of k weights, k odd; across: a row of as
    many. The answer has the image's size ("same" padding with zeros): every pixel is
    the sum of the k x k pixels around it times np.outer(down, across), as a layer
    computes it, which does not flip the filter.
    """,
    reference=_filtered(_as_is),
    calls=_image_calls(),
    form=_same_size,
    mistakes={
        "The padding is wrong: each of the two filters is k long in one direction "
        "only, so pad rows for the column and columns for the row, not both each "
        "time": _padded_twice,
        "There is no padding: add k // 2 zeros on either side of the direction that "
        "the filter runs along": _filtered(_as_is, lambda k: (0, 0)),
        "You pad with the pixels of the edge: a layer pads with zeros": (
            _filtered(_as_is, mode="edge")
        ),
        "You pad with a mirror image: a layer pads with zeros": (
            _filtered(_as_is, mode="reflect"),
            _filtered(_as_is, mode="symmetric"),
        ),
        "The filters are flipped, as np.convolve does it: a layer does not flip them": (
            _filtered(lambda kernel: kernel[::-1, ::-1])
        ),
        "The column runs along the rows, and the row along the columns: they have "
        "changed places": _filtered(np.transpose),
        "All padding is on one side, before the image: it is k // 2 before and k // 2 "
        "behind": _filtered(_as_is, lambda k: (k - 1, 0)),
        "All padding is on one side, behind the image: it is k // 2 before and k // 2 "
        "behind": _filtered(_as_is, lambda k: (0, k - 1)),
        "You add the two filtered images: the second filter reads what the first one "
        "wrote": _added,
        "Only the column is applied: apply the row, too": _column_alone,
        "Only the row is applied: apply the column, too": _row_alone,
    },
)
