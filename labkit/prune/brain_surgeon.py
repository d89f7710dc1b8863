"""Optimal brain surgeon on one layer: remove a weight, let the others make up for it.

For one output w of a layer, with H of `labkit.prune.curvature`, setting weight p to 0
and changing the remaining ones in the best way

    adds  w_p^2 / (2 [H^-1]_pp)  to the squared output error, by the change
    - w_p / [H^-1]_pp * [H^-1]_:,p

and then H^-1 becomes that of H without row and column p, by one step of Gaussian
elimination. The weight that adds least goes first, and again, until none is left: the
errors on the way are the scores. So one run serves every sparsity, and `compensated`
gives the remaining weights of any mask.

Hassibi, Stork 1993 (NIPS 5): the two formulas. Frantar et al. 2022,
arXiv:2208.11580 (OBC), sec. 4: a layer's output error, each output by itself, the
elimination, and then the ranking over all outputs.
"""

import numpy as np

from labkit.common.arguments import finite
from labkit.prune.masking import a_mask

_BLOCK = 64


def obs_scores(w: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The error that removing each weight adds, after those that go before it.

    Along an output's order of removal the scores never fall: a weight counts as much as
    the most expensive weight removed before it, so that the smallest scores of an
    output are the first that it loses.

    >>> from labkit.prune import hessian
    >>> h = hessian(np.array([[1.0, 1.0], [0.0, 2.0]]), damping=1e-9)
    >>> h.round(6).tolist(), np.linalg.inv(h).round(6).tolist()
    ([[2.0, 2.0], [2.0, 10.0]], [[0.625, -0.125], [-0.125, 0.125]])
    >>> obs_scores(np.array([[1.0, 1.0]]), h).round(6).tolist()  # 1/1.25, 1.2^2 * 10/2
    [[0.8, 7.2]]

    w: float (out, in). h: (in, in), positive definite, as `hessian` returns it. Returns
    float64 (out, in), in units of the squared output error summed over the inputs that
    h was made of. About out * in^3 / 3 multiplications, `in` being the inputs that go
    together with others. Raises ValueError for shapes that do not fit.
    """
    w, h = _checked(w, h)
    try:
        np.linalg.cholesky(h)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "h is not positive definite: make it with labkit.prune.curvature.hessian"
        ) from error
    coupled, h_coupled = _coupled(h)
    inverse = np.linalg.inv(h_coupled)
    found = w**2 * np.diag(h) / 2  # of the others, whose H^-1 is 1 / H
    for scores, row in zip(found, w, strict=True):
        scores[coupled] = _errors(row[coupled], inverse)
    return found


def obs_update(w: np.ndarray, h: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The kernel with the best remaining weights for a mask, the removed ones 0.

    For each output the remaining weights K take over what the removed ones P computed,
    as far as they can: they change by H_KK^-1 H_KP w_P, which is least squares on the
    layer's inputs.

    >>> from labkit.prune import hessian
    >>> x = np.array([[1.0, 1.0], [2.0, 2.0]])    # two inputs that are always equal
    >>> w, kept = np.array([[3.0, 4.0]]), np.array([[True, False]])
    >>> obs_update(w, hessian(x, damping=1e-9), kept).round(6).tolist()
    [[7.0, 0.0]]

    w: float (out, in). h: as for `surgeon`. kept: a mask (out, in), from any criterion.
    Returns float64 (out, in). Raises ValueError for shapes that do not fit.
    """
    w, h = _checked(w, h)
    kept = a_mask(kept, w.shape)
    found, (coupled, h) = np.where(kept, w, 0), _coupled(h)
    inverse = np.linalg.inv(h)
    for row, old, k in zip(found, w, kept, strict=True):
        row[coupled] += _change(old[coupled], k[coupled], h, inverse)
    return found


def _errors(row: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """The scores of one output.

    `left` has the places of the weights still there, `inverse` and `row` are theirs.
    Elimination changes the whole inverse, but the next step asks only for its diagonal
    and one column of it. So _BLOCK weights go before the rest of it is brought up to
    date, by one product of matrices. `added` is twice the error.
    """
    twice, left, dearest = np.zeros(row.size), np.arange(row.size), 0.0
    while left.size:
        row, diagonal, added = row.copy(), np.diag(inverse).copy(), np.empty(row.size)
        steps = np.empty((min(_BLOCK, left.size), left.size))
        stay = np.ones(left.size, bool)
        for k, step in enumerate(steps):
            np.multiply(row, row, out=added)
            added /= diagonal
            p = int(added.argmin())
            dearest = max(dearest, added[p])
            twice[left[p]], stay[p] = dearest, False
            np.matmul(steps[:k, p], steps[:k], out=step)
            np.subtract(inverse[p], step, out=step)
            step /= np.sqrt(step[p])
            row -= row[p] / step[p] * step
            diagonal -= np.multiply(step, step, out=added)
            row[p], diagonal[p] = np.inf, 1.0  # never the cheapest again
        stay = np.flatnonzero(stay)
        steps = steps[:, stay]
        inverse = inverse.take(stay, 0).take(stay, 1)
        inverse -= steps.T @ steps
        row, left = row[stay], left[stay]
    return twice / 2


def _change(
    w: np.ndarray, kept: np.ndarray, h: np.ndarray, inverse: np.ndarray
) -> np.ndarray:
    """What the weights of one output change by; 0 for the removed ones.

    H_KK^-1 H_KP w_P is -[H^-1]_KP [H^-1]_PP^-1 w_P as well: of the two systems the
    smaller one is solved.
    """
    change, k, p = np.zeros(w.size), np.flatnonzero(kept), np.flatnonzero(~kept)
    if k.size <= p.size:
        change[k] = np.linalg.solve(h[np.ix_(k, k)], h[np.ix_(k, p)] @ w[p])
    else:
        solved = np.linalg.solve(inverse[np.ix_(p, p)], w[p])
        change[k] = -inverse[np.ix_(k, p)] @ solved
    return change


def _coupled(h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inputs that go together with others, and H of these alone.

    A pixel that is black in all images goes together with none: no weight on it can
    make up for another one.
    """
    inputs = np.flatnonzero(np.count_nonzero(h, axis=0) > 1)
    return inputs, h[np.ix_(inputs, inputs)]


def _checked(w: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    w, h = (
        np.asarray(finite(name, values, may_be_empty=True), np.float64)
        for name, values in (("w", w), ("h", h))
    )
    if w.ndim != 2 or h.shape != (w.shape[1], w.shape[1]):
        raise ValueError(
            f"w {w.shape} and h {h.shape} do not fit: give (out, in) and (in, in)"
        )
    return w, h
