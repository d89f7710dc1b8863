"""A layer cut to any rank: two factors, the terms of most weight first."""

from dataclasses import dataclass

import numpy as np

from labkit.lowrank.parts import FactorLayer
from labkit.lowrank.truncated_svd import Svd, check_rank


@dataclass(frozen=True, eq=False)
class Decomposition:
    """A layer as a sum of terms, each an entry of `first` and one of `second`.

    first: (terms, …), the kernel of the first part at full rank. second: (…, terms),
    that of the second. energies: float64 (terms,), what each term carries, descending:
    squared singular values, or variances. bias: of the layer, None for none. offset:
    the mean of what each term hands on, (terms,) or None: where a term is left out, its
    mean goes on in the bias.
    """

    first: np.ndarray
    second: np.ndarray
    energies: np.ndarray
    bias: np.ndarray | None = None
    offset: np.ndarray | None = None

    @property
    def full_rank(self) -> int:
        """How many terms there are."""
        return len(self.energies)

    @property
    def weights_per_rank(self) -> int:
        """How many weights one more rank costs in both kernels."""
        return (self.first.size + self.second.size) // self.full_rank

    @property
    def break_even(self) -> float:
        """The rank at which the two kernels have as many weights as the layer."""
        dense = self.first[0].size * self.second[..., 0].size
        return dense / self.weights_per_rank

    def parts(self, rank: int) -> tuple[FactorLayer, FactorLayer]:
        """The two layers at a rank from 1 to `full_rank`, float32."""
        rank = check_rank(rank, self.full_rank)
        first, second = self.first[:rank], self.second[..., :rank]
        bias = self.bias
        if self.offset is not None:
            left_out = self.second[..., rank:] @ self.offset[rank:]
            bias = left_out.ravel() + (0 if bias is None else bias)
        if bias is not None:
            bias = np.asarray(bias, np.float32)
        return FactorLayer(_float32(first)), FactorLayer(_float32(second), bias)


def from_svd(found: Svd, bias: np.ndarray | None = None) -> Decomposition:
    """A dense layer from the SVD of its kernel, the roots of its values in both.

    >>> w = np.array([[3.0, 0.0], [0.0, 4.0]])
    >>> found = from_svd(Svd(*np.linalg.svd(w)))
    >>> found.energies.round(6).tolist(), found.break_even
    ([16.0, 9.0], 1.0)
    >>> first, second = found.parts(1)
    >>> np.abs(second.kernel @ first.kernel).round(6).tolist()
    [[0.0, 0.0], [0.0, 4.0]]
    """
    root = np.sqrt(found.s)
    energies = np.square(found.s, dtype=np.float64)
    return Decomposition(root[:, None] * found.vt, found.u * root, energies, bias)


def _float32(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)
