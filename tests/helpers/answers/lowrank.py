"""Answers to the exercises on ranks and factors, written from notebook 05's text."""

import numpy as np

from labkit.lowrank import truncated_svd


def factors(w, rank):
    return truncated_svd.factors(truncated_svd.svd(w), rank)


def by_eigenvectors(w, rank):
    """No SVD at all: the directions of W^T W, as nested lists."""
    values, v = np.linalg.eigh(w.T @ w)
    v = v[:, np.argsort(-values)][:, :rank]
    return [v.T.tolist(), (w @ v).tolist()]


def mixed(w, rank):
    """Another basis of the same directions."""
    first, second = factors(w, rank)
    turn = np.random.default_rng(0).normal(size=(rank, rank))
    return turn @ first, second @ np.linalg.inv(turn)


def v_not_transposed(w, rank):
    """Correct where numpy returned V: it returns V^T."""
    u, s, v = np.linalg.svd(w, full_matrices=False)
    return v[:, :rank].T, u[:, :rank] * s[:rank]


def twice(w, rank):
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    return np.diag(s[:rank]) @ vt[:rank], u[:, :rank] @ np.diag(s[:rank])


def counted(m, n):
    """By trying all of them."""
    return max([k for k in range(1, min(m, n) + 1) if k * m + k * n < m * n], default=0)


def of_the_whole_part(m, n):
    """One less where the break-even rank is whole; as an array."""
    even = m * n / (m + n)
    return np.array([np.floor(even) - (even == int(even))])


def one_by_one(s, kept):
    total, so_far = sum(x * x for x in s), 0.0
    for rank, x in enumerate(s, 1):
        so_far += x * x
        if so_far >= kept * total - 1e-12 * total:
            return np.array([rank])
    return len(s)


def from_what_is_left(s, kept):
    """Counts the ranks whose error is too large."""
    left = 1 - np.cumsum(s**2) / np.sum(s**2)
    return float(1 + np.sum(left > 1 - kept + 1e-9))


def shares(s):
    return np.cumsum(s) / np.sum(s)


RIGHT = {
    "low_rank_factors": [factors, by_eigenvectors, mixed],
    "largest_paying_rank": [lambda m, n: (m * n - 1) // (m + n), counted]
    + [of_the_whole_part],
    "rank_for_energy": [one_by_one, from_what_is_left],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "low_rank_factors": [
        (v_not_transposed, "third result is V^T already"),
        (twice, "singular values are in there twice"),
        (lambda w, k: (w[:k], np.eye(len(w))[:, :k]), ""),
        (lambda w, k: (factors(w, k)[0], -factors(w, k)[1]), ""),
        (lambda w, k: [2 * part for part in factors(w, k)], ""),
        (lambda w, k: [part.round(1) for part in factors(w, k)], ""),
        (lambda w, k: factors(w - w.mean(), k), ""),
        (lambda w, k: truncated_svd.svd(w).matrix(k), "You multiply the factors"),
        (lambda w, k: factors(w, k)[::-1], "The order"),
        (lambda w, k: factors(w, min(w.shape)), "they should be (2, 6) and (6, 2)"),
        (lambda w, k: np.linalg.svd(w), "Return two matrices"),
        (lambda w, k: None, "Return two matrices"),
    ],
    "largest_paying_rank": [
        (lambda m, n: int(m * n / (m + n)), "as many weights as"),
        (lambda m, n: int(np.ceil(m * n / (m + n))), "round mn / (m + n) up"),
        (lambda m, n: np.float64(m * n) / (m + n), "largest whole one below"),
        (lambda m, n: counted(m, n) + 0.5, "a whole number"),
        (lambda m, n: counted(m, n) - 1, "One too low"),
        (lambda m, n: m * n // (m + n + 1), ""),
        (lambda m, n: min(m, n) - 1, ""),
        (lambda m, n: (m * n - 1) // max(m, n), ""),
        (lambda m, n: counted(m, n) * (m + n), ""),
        (lambda m, n: 0, ""),
        (lambda m, n: [1, 2], "one rank, not 2"),
        (lambda m, n: str(counted(m, n)), "does not hold numbers"),
    ],
    "rank_for_energy": [
        (lambda s, kept: int(np.searchsorted(shares(s), kept)) + 1, "You sum the"),
        (lambda s, kept: int((shares(s**2) >= kept - 1e-12).argmax()), "add 1"),
        (lambda s, kept: int(np.sum(shares(s**2) <= kept)) + 1, "exactly is enough"),
        (lambda s, kept: max(np.max(one_by_one(s, kept)) - 1, 1), ""),
        (lambda s, kept: one_by_one(s, 0.9), ""),
        (lambda s, kept: one_by_one(s, kept**2), "the fraction of the norm"),
        (lambda s, kept: int(np.sum(s >= kept * s[0])), ""),
        (lambda s, kept: len(s), ""),
        (lambda s, kept: one_by_one(s[::-1], kept), ""),
        (lambda s, kept: 0, "from 1 to 4"),
        (lambda s, kept: len(s) + 9, "from 1 to 4"),
        (lambda s, kept: shares(s**2), "one rank, not 4"),
        (lambda s, kept: "all", "does not hold numbers"),
    ],
}
