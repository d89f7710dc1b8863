"""Mean and covariance of the numbers that a layer reads or answers."""

from dataclasses import dataclass

import numpy as np

from labkit.common.arguments import finite, shaped


@dataclass(frozen=True, eq=False)
class Moments:
    """mean: float64 (d,). covariance: float64 (d, d), divided by n. n: how many rows.

    The rows are images; of a convolution, every place of every image.
    """

    mean: np.ndarray
    covariance: np.ndarray
    n: int

    @property
    def second(self) -> np.ndarray:
        """E[x x^T], about 0 instead of the mean."""
        return self.covariance + np.outer(self.mean, self.mean)

    def through(self, w: np.ndarray, bias: np.ndarray | None = None) -> "Moments":
        """Those of the responses y = W x + b of a dense layer, w (out, in).

        >>> x = moments(np.array([[1.0, 0.0], [3.0, 0.0]]))
        >>> y = x.through(np.array([[2.0, 5.0]]), np.array([1.0]))
        >>> y.mean.tolist(), y.covariance.tolist()
        ([5.0], [[4.0]])
        """
        w = np.asarray(w, np.float64)
        mean = w @ self.mean + (0 if bias is None else bias)
        return Moments(mean, w @ self.covariance @ w.T, self.n)


def moments(rows: np.ndarray) -> Moments:
    """The moments of rows (n, d), at least one (else ValueError).

    >>> found = moments(np.array([[1.0, 2.0], [3.0, 2.0]]))
    >>> found.mean.tolist(), found.covariance.tolist()
    ([2.0, 2.0], [[1.0, 0.0], [0.0, 0.0]])
    """
    sums = Sums()
    sums.add(shaped("rows", rows, "(n, d)"))
    return sums.moments()


class Sums:
    """Moments that grow batch by batch.

    In float64, about the mean of the first batch, so that a large mean does not swallow
    a small variance.
    """

    def __init__(self):
        self._n, self._total, self._products = 0, 0.0, 0.0
        self._shift = None

    def add(self, batch: np.ndarray) -> None:
        """Count a batch (…, d) in: every axis but the last one is rows."""
        rows = np.asarray(finite("rows", batch, may_be_empty=True), np.float64)
        rows = rows.reshape(-1, rows.shape[-1])
        if len(rows):
            if self._shift is None:
                self._shift = rows.mean(axis=0)
            rows = rows - self._shift
            self._total = self._total + rows.sum(axis=0)
            self._products = self._products + rows.T @ rows
            self._n += len(rows)

    def moments(self) -> Moments:
        """Of all batches so far. Raises ValueError if they had no rows."""
        if not self._n:
            raise ValueError("there is nothing to observe: give at least one image")
        moved = self._total / self._n
        covariance = self._products / self._n - np.outer(moved, moved)
        return Moments(self._shift + moved, (covariance + covariance.T) / 2, self._n)
