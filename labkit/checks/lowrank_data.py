"""Checks of notebook 05: factors that look at data, and a convolution in two."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from labkit.checks.base import Verdict, Wrong, answer, numbers, verdict
from labkit.checks.lowrank import pair


def check_data_aware_factors(fn: Callable) -> Verdict:
    """Check `fn(w, x, rank) -> (first, second)`: the least mean ||W x - W_k x||^2.

    w: (out, in). x: inputs, (n, in), one a row; some of their columns may be 0 all
    over. first: (rank, in), second: (out, rank). Factors pass whose error on x is the
    least one; there are many.
    """
    rng = np.random.default_rng(12)
    square = rng.normal(size=(6, 6)), _inputs(rng, 40, 6)
    wide = rng.normal(size=(5, 8)), _inputs(rng, 60, 8)
    black = rng.normal(size=(6, 9)), _inputs(rng, 50, 9)
    black[1][:, [0, 1, 8]] = 0
    few = rng.normal(size=(4, 7)), _inputs(rng, 5, 7)
    settings = [(*square, 2), (*wide, 3), (*black, 2), (*few, 1), (*square, 5)]
    cases = [_aware_case(*setting) for setting in settings]
    return verdict("check_data_aware_factors", fn, cases)


def _inputs(rng, n: int, d: int) -> np.ndarray:
    """Inputs of very different size, and correlated."""
    mixed = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return mixed * np.geomspace(10, 0.1, d)[rng.permutation(d)]


def _aware_case(w: np.ndarray, x: np.ndarray, rank: int) -> Callable:
    least = _error(w, _projected(w, x @ w.T, rank), x)

    def case(fn):
        zeros = int((x == 0).all(axis=0).sum())
        rows = f"{len(x)} inputs" + f", {zeros} columns of 0" * (zeros > 0)
        call = f"for w {w.shape}, {rows}, rank = {rank}"
        given = _no_inverse(fn, w, x, rank)
        first, second = pair(given, w, rank)
        error = _error(w, second @ first, x)
        scale = np.square(x @ w.T).sum(axis=1).mean()
        if error > least * (1 + 1e-6) + 1e-9 * scale:
            raise Wrong(_aware_mistake(second @ first, w, x, rank, error, least, call))

    return case


def _no_inverse(fn: Callable, w, x, rank: int):
    """The answer; a singular matrix gets a sentence of its own."""
    try:
        return answer(fn, w, x, rank)
    except Wrong as wrong:
        if "LinAlgError" in str(wrong):
            raise Wrong(
                "The covariance of the inputs has no inverse where an input is always "
                "0. Project the responses instead: U_k U_k^T W needs none."
            ) from None
        raise


def _projected(w: np.ndarray, y: np.ndarray, rank: int) -> np.ndarray:
    """U_k U_k^T W with the main directions of some responses y (n, out)."""
    u = np.linalg.svd(y.T, full_matrices=False)[0][:, :rank]
    return u @ (u.T @ w)


def _error(w: np.ndarray, w_k: np.ndarray, x: np.ndarray) -> float:
    return float(np.square(x @ (w - w_k).T).sum(axis=1).mean())


def _root(x: np.ndarray) -> np.ndarray:
    """The symmetric root of E[x x^T]."""
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _cut(w: np.ndarray, rank: int) -> np.ndarray:
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vt[:rank]


def _aware_mistake(found, w, x, rank: int, error: float, least: float, call) -> str:
    root = _root(x)
    inverse = np.linalg.pinv(root, rcond=1e-8)
    v = np.linalg.eigh(x.T @ x)[1][:, ::-1][:, :rank]
    centred = x - x.mean(axis=0)
    same = w.shape[0] == w.shape[1]
    known = {
        "That is plain SVD: it looks at the weights alone": _cut(w, rank),
        "The whitening is on the wrong side: the inputs meet W from the right, so it "
        "is W C^(1/2), not C^(1/2) W": inverse @ _cut(root @ w, rank) if same else None,
        "You truncate W C^(1/2) and never undo C^(1/2): multiply by its inverse, or "
        "project the responses": _cut(w @ root, rank),
        "You whiten with the inverse: truncate W C^(1/2), then multiply by C^(-1/2)": (
            _cut(w @ inverse, rank) @ root
        ),
        "You whiten with C: the root C^(1/2) makes it the error of the responses": (
            _cut(w @ root @ root, rank) @ inverse @ inverse
        ),
        "That is PCA of the inputs: it keeps what is large in x, W or not": w @ v @ v.T,
        "You take the mean off. That minimises the spread of the error, and the mean "
        "would have to go into a bias, which there is not here": (
            _projected(w, centred @ w.T, rank)
        ),
    }
    for sentence, wrong in known.items():
        if wrong is not None and np.allclose(
            x @ found.T, x @ wrong.T, atol=1e-6 * np.abs(x @ w.T).max()
        ):
            return f"{sentence} ({call})."
    return (
        f"The mean squared error of W x is {error:.4g} on these inputs, and "
        f"{least:.4g} can be reached ({call})."
    )


def check_separable_convolution(fn: Callable) -> Verdict:
    """Check `fn(image, down, across) -> image`: a k x k filter of rank 1, in two.

    image: (height, width). down: a column of k weights, k odd; across: a row of as
    many. The answer has the image's size ("same" padding with zeros): every pixel is
    the sum of the k x k pixels around it times np.outer(down, across), as a layer
    computes it, without turning the filter round.
    """
    rng = np.random.default_rng(13)
    line = np.array([1.0, 2.0, 0.0, -1.0])
    settings = [
        (np.outer(line, [1.0, 0.0, 2.0, 1.0]), np.array([1.0, 2.0, 4.0]), np.ones(3)),
        (rng.normal(size=(5, 7)).round(1), *rng.normal(size=(2, 3)).round(1)),
        (rng.normal(size=(8, 6)).round(1), *rng.normal(size=(2, 5)).round(1)),
        (rng.normal(size=(4, 4)).round(1), np.array([3.0]), np.array([-2.0])),
    ]
    cases = [_convolution_case(*setting) for setting in settings]
    return verdict("check_separable_convolution", fn, cases)


def _correlated(image: np.ndarray, kernel: np.ndarray, **pad) -> np.ndarray:
    """A k x k filter over an image padded with np.pad's settings to keep its size."""
    ahead = [(side // 2, side // 2) for side in kernel.shape]
    padded = np.pad(image, ahead, **pad)
    return np.einsum("hwij,ij->hw", sliding_window_view(padded, kernel.shape), kernel)


def _convolution_case(image, down, across) -> Callable:
    right = _correlated(image, np.outer(down, across))

    def case(fn):
        call = f"for an image {image.shape} and filters of {len(down)} weights"
        found = numbers(answer(fn, image, down, across), "an image")
        if found.shape != image.shape:
            raise Wrong(_size_mistake(found.shape, image.shape, len(down), call))
        if not np.allclose(found, right, atol=1e-9):
            raise Wrong(_pixel_mistake(found, image, down, across, right, call))

    return case


def _size_mistake(found: tuple, wanted: tuple, k: int, call: str) -> str:
    grown = tuple(int(f) - w for f, w in zip(found, wanted, strict=False))
    if len(found) == 2 and grown == (k - 1, k - 1):
        return (
            "The padding is wrong: each of the two filters is k long in one direction "
            "only, so pad rows for the column and columns for the row, not both each "
            f"time. Yours is {found}, the image {wanted} ({call})."
        )
    if len(found) == 2 and grown == (1 - k, 1 - k):
        return (
            f"There is no padding: {found} is left of {wanted}. Add k // 2 zeros on "
            f"either side of the direction that the filter runs along ({call})."
        )
    return f"The answer has the image's size, {wanted}, not {found} ({call})."


def _pixel_mistake(found, image, down, across, right, call: str) -> str:
    kernel = np.outer(down, across)
    shift = len(down) // 2
    known = {
        "You pad with the pixels of the edge: a layer pads with zeros": _correlated(
            image, kernel, mode="edge"
        ),
        "The filters are turned round, as np.convolve does: a layer does not turn "
        "them": _correlated(image, kernel[::-1, ::-1]),
        "The column runs along the rows, and the row along the columns: they have "
        "changed places": _correlated(image, kernel.T),
        "All padding is on one side: it is k // 2 before and k // 2 behind": _moved(
            image, kernel, (2 * shift, 0)
        ),
        "All padding is on one side, behind the image: it is k // 2 before and k // 2 "
        "behind": _moved(image, kernel, (0, 2 * shift)),
        "You add the two filtered images: the second filter reads what the first one "
        "wrote": _correlated(image, down[:, None]) + _correlated(image, across[None]),
    }
    for sentence, wrong in known.items():
        if wrong.shape == found.shape and np.allclose(found, wrong, atol=1e-9):
            return f"{sentence} ({call})."
    place = np.unravel_index(np.abs(found - right).argmax(), right.shape)
    where = tuple(int(side) for side in place)
    return f"Pixel {where} is {found[place]:g}, it should be {right[place]:g} ({call})."


def _moved(image: np.ndarray, kernel: np.ndarray, ahead: tuple[int, int]) -> np.ndarray:
    """The filter over an image padded before and behind by other amounts."""
    padded = np.pad(image, (ahead, ahead))
    seen = sliding_window_view(padded, kernel.shape)
    return np.einsum("hwij,ij->hw", seen, kernel)
