"""The singular value decomposition of a matrix, and what a rank costs and loses.

    W = U diag(s) V^T,    W_k = the sum of the first k terms s_i u_i v_i^T

W_k is the closest matrix of rank k, and its error is what was left out (Eckart, Young
1936, Psychometrika 1(3)):

    ||W - W_k||_F^2 = the sum of s_i^2 over i > k
"""

from dataclasses import dataclass

import numpy as np

from labkit.common.arguments import finite, fraction, shaped, whole


@dataclass(frozen=True, eq=False)
class Svd:
    """u (m, r), s (r,) descending, vt (r, n), with r = min(m, n): w = u @ diag(s) @ vt.

    The rows of vt are the right singular vectors: vt is V^T, not V.
    """

    u: np.ndarray
    s: np.ndarray
    vt: np.ndarray

    def matrix(self, rank: int) -> np.ndarray:
        """W_k multiplied back, (m, n): to look at. It has the old size."""
        rank = check_rank(rank, len(self.s))
        return (self.u[:, :rank] * self.s[:rank]) @ self.vt[:rank]


def svd(w: np.ndarray) -> Svd:
    """The SVD of a matrix (m, n).

    >>> found = svd(np.array([[3.0, 0.0], [0.0, 4.0]]))
    >>> found.s.round(6).tolist()
    [4.0, 3.0]
    >>> np.abs(found.matrix(1)).round(6).tolist()
    [[0.0, 0.0], [0.0, 4.0]]

    Raises ValueError for another shape.
    """
    return Svd(*np.linalg.svd(check_matrix(w), full_matrices=False))


def spectrum(w: np.ndarray) -> np.ndarray:
    """The singular values of a matrix, descending.

    >>> spectrum(np.array([[2.0, 2.0], [2.0, 2.0]])).round(6).tolist()    # rank 1
    [4.0, 0.0]
    """
    return np.linalg.svd(check_matrix(w), compute_uv=False)


def factors(found: Svd, rank: int, values: str = "split") -> tuple:
    """The two matrices that replace W: first (rank, n), then (m, rank).

    >>> first, second = factors(svd(np.array([[4.0, 0.0], [0.0, 1.0]])), rank=1)
    >>> np.abs(first).round(6).tolist(), np.abs(second).round(6).tolist()
    ([[2.0, 0.0]], [[2.0], [0.0]])

    values: where the singular values go, once: "split", their roots into both, so that
    both have entries of like size; "first" or "second", all into one. Raises ValueError
    for another word or a rank that is not from 1 to min(m, n).
    """
    rank = check_rank(rank, len(found.s))
    powers = {"split": (0.5, 0.5), "first": (1, 0), "second": (0, 1)}
    if values not in powers:
        raise ValueError(f"values is {values!r}: choose one of {', '.join(powers)}")
    before, behind = (found.s[:rank] ** power for power in powers[values])
    return before[:, None] * found.vt[:rank], found.u[:, :rank] * behind


def error(s: np.ndarray, rank: int) -> float:
    """||W - W_k||_F^2 from the singular values alone (Eckart, Young 1936).

    >>> error(np.array([4.0, 2.0, 1.0]), rank=1)
    5.0
    """
    s = np.asarray(shaped("s", s, "(r,)"), np.float64)
    return float(np.square(s[check_rank(rank, len(s), least=0) :]).sum())


def energy(s: np.ndarray) -> np.ndarray:
    """The fraction of ||W||_F^2 that each rank keeps, (r,): of rank 1, 2, …

    The energy is the sum of the *squares*. A matrix of zeros keeps all at every rank.

    >>> energy(np.array([4.0, 2.0])).tolist()
    [0.8, 1.0]
    """
    squares = np.square(np.asarray(shaped("s", s, "(r,)"), np.float64))
    total = squares.sum()
    if total == 0:
        return np.ones(len(squares))
    return np.cumsum(squares) / total


def rank_for_energy(s: np.ndarray, kept: float) -> int:
    """The smallest rank that keeps this fraction of the energy, at least 1.

    >>> rank_for_energy(np.array([4.0, 2.0]), 0.8), rank_for_energy([4.0, 2.0], 0.81)
    (1, 2)

    kept: 0 to 1 (else ValueError).
    """
    fraction("kept", kept, "a fraction")
    found = energy(s)
    enough = found >= kept * found[-1] - 1e-12  # sums of floats
    return int(enough.argmax()) + 1


def break_even(m: int, n: int) -> float:
    """The rank at which two factors have as many weights as W (m, n): mn / (m + n).

    A rank pays only below it. It is the break-even rank of the MACs too.

    >>> break_even(100, 300), round(break_even(300, 784), 1)
    (75.0, 217.0)
    """
    m, n = whole("m", m, 1), whole("n", n, 1)
    return m * n / (m + n)


def largest_paying_rank(m: int, n: int) -> int:
    """The largest whole rank below `break_even`; 0 where not even rank 1 pays.

    >>> largest_paying_rank(100, 300), largest_paying_rank(2, 2)
    (74, 0)
    """
    m, n = whole("m", m, 1), whole("n", n, 1)
    return -(-m * n // (m + n)) - 1


def check_matrix(w: np.ndarray) -> np.ndarray:
    """`w` as it is, or ValueError unless it is a finite matrix with entries."""
    w = np.asarray(w)
    if w.ndim != 2 or not w.size:
        raise ValueError(
            f"w has shape {w.shape}: give a matrix (m, n), a convolution's kernel as "
            "labkit.lowrank.convolution reshapes it"
        )
    return finite("the matrix w", w)


def check_rank(rank: int, most: int, least: int = 1) -> int:
    """`rank` as an int, or ValueError unless it is from `least` to `most`."""
    return whole("rank", rank, least, most)
