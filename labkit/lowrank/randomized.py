"""The first singular vectors from a random sketch of the matrix.

W times a few random vectors spans nearly what its first left singular vectors span. So
the SVD of a small matrix, the projection of W on that span, gives them: Halko,
Martinsson, Tropp 2011 (arXiv:0909.4061), algorithms 4.4 (the sketch, with power
iterations for singular values that fall slowly) and 5.1 (the SVD).
"""

import numpy as np

from labkit.common.arguments import whole
from labkit.lowrank.truncated_svd import Svd, check_matrix, check_rank


def randomized_svd(
    w: np.ndarray, rank: int, oversampling: int = 10, powers: int = 2, seed: int = 0
) -> Svd:
    """Nearly the first `rank` singular values and vectors of a matrix (m, n).

    >>> w = np.outer([1.0, 2.0, 2.0], [3.0, 4.0])    # rank 1: 3 times 5
    >>> round(float(randomized_svd(w, rank=1).s[0]), 6)
    15.0

    oversampling: how many random vectors more than the rank, 0 or more. powers: how
    often W W^T is applied to the sketch, each time made orthonormal anew, 0 or more.
    Raises ValueError for settings out of range.
    """
    w = check_matrix(w)
    rank = check_rank(rank, min(w.shape))
    oversampling, powers = (
        whole("oversampling", oversampling, 0),
        whole("powers", powers, 0),
    )
    columns = min(rank + oversampling, min(w.shape))
    random = np.random.default_rng(seed).normal(size=(w.shape[1], columns))
    q = np.linalg.qr(w @ random.astype(w.dtype))[0]
    for _ in range(powers):
        q = np.linalg.qr(w.T @ q)[0]
        q = np.linalg.qr(w @ q)[0]
    u, s, vt = np.linalg.svd(q.T @ w, full_matrices=False)
    return Svd(q @ u[:, :rank], s[:rank], vt[:rank])
