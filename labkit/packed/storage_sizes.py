"""Bits a weight of each storage as functions of the sparsity, and where they meet.

For large tensors whose zeros lie at random places: headers and CSR's row ends left out.
Each storage's formula stands beside its code, as `mean_bits` of its `Places`. What
deflate makes of zeros has no formula: it is measured.
"""

from collections.abc import Callable

import numpy as np

from labkit.packed.storages import STORAGES

_GRID = 1 << 14


def binary_entropy(p: np.ndarray) -> np.ndarray:
    """H(p) = -p log2 p - (1 - p) log2 (1 - p), in bits; 0 for p = 0 and 1.

    No code of places at random takes fewer bits a place on average (Shannon 1948, Bell
    System Technical Journal 27(3)).

    >>> binary_entropy(np.array([0.5, 0.75, 1.0])).round(4).tolist()
    [1.0, 0.8113, 0.0]
    """
    p = np.clip(np.asarray(p, np.float64), 0, 1)
    inside = np.where((p > 0) & (p < 1), p, 0.5)
    h = -inside * np.log2(inside) - (1 - inside) * np.log2(1 - inside)
    return np.where(inside == p, h, 0.0)


def bits_per_weight(
    storage: str, sparsity: float | np.ndarray, bits: int = 32
) -> np.ndarray:
    """What one weight takes on average, zeros included: float64, in sparsity's shape.

    storage: one of STORAGES but "deflated", or "entropy", the bound. sparsity: 0 to 1.
    bits: of one value. Raises ValueError outside these.

    >>> [float(bits_per_weight(s, 0.75)) for s in ("dense", "bitmap", "csr")]
    [32.0, 9.0, 16.0]
    """
    known = formulas()
    if storage not in known:
        raise ValueError(
            f"there is no formula for {storage!r}: choose one of {', '.join(known)}"
        )
    zeros = np.asarray(sparsity, np.float64)
    if not np.all((zeros >= 0) & (zeros <= 1)):
        raise ValueError(f"sparsity is {sparsity}: give fractions from 0 to 1")
    return known[storage](zeros, bits)


def break_even(storage: str, than: str = "dense", bits: int = 32) -> float:
    """The sparsity from which on `storage` is always the shorter one of the two.

    storage, than, bits: as for `bits_per_weight`. 0 where it always is. Raises
    ValueError where it never is. Closed forms: a bitmap pays against dense from 1 /
    bits, CSR from 32 / (32 + bits), and CSR against a bitmap from 1 - 1 / 32.

    >>> round(break_even("bitmap"), 9), 1 / 32
    (0.03125, 0.03125)
    >>> round(break_even("csr"), 9), round(break_even("csr", than="bitmap"), 9), 31 / 32
    (0.5, 0.96875, 0.96875)
    """

    def longer(sparsity):
        mine, other = (bits_per_weight(s, sparsity, bits) for s in (storage, than))
        return mine >= other

    grid = np.arange(1, _GRID) / _GRID
    where = np.flatnonzero(longer(grid))
    if not where.size:
        return 0.0
    if where[-1] == grid.size - 1:
        raise ValueError(f"{storage} is not shorter than {than} at any high sparsity")
    low, high = grid[where[-1]], grid[where[-1] + 1]
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if longer(middle) else (low, middle)
    return float(high)


def formulas() -> dict[str, Callable[[np.ndarray, int], np.ndarray]]:
    """Name -> `Places.mean_bits` of each storage that has one, and the bound."""
    rows = (row for row in STORAGES.values() if not row.deflated)
    return {row.name: row.places.mean_bits for row in rows} | {"entropy": _entropy}


def _entropy(zeros: np.ndarray, bits: int) -> np.ndarray:
    return binary_entropy(zeros) + bits * (1 - zeros)
