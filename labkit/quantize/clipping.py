"""Clip error against round-off error: exact for a density, exact for an array.

A source of numbers, here, is a function: t -> the tail moments E[|x|**k; |x| >= t] for
k = 0, 1, 2, float64 (3, *t.shape). That is all one has to know of a density, or of an
array, to know the error of every uniform grid that is symmetric about 0. `uniform`,
`gauss` and `laplace` have mean 0 and variance 1; `measured(w)` is that of an array.

Two kinds of grid, by the number of their levels:

* odd, 2**bits - 1: 0, ±step, ±2 step, ..., as weights have in
  `labkit.quantize.symmetric`;
* even, 2**bits: ±step / 2, ±3 step / 2, ..., without a zero, as in the tables of Max
  1960, IRE Trans. Inf. Theory 6(1), pp. 7-12, and of the papers after it.

Numbers beyond the outermost level, the grid's end = step * (levels - 1) / 2, are
clipped. (For even grids others call the outer edge of the last cell the clip: half a
step more, step * levels / 2.)
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from labkit.common.arguments import finite, positive, whole

Source = Callable[[np.ndarray], np.ndarray]

_ENDS = np.geomspace(0.02, 50, 120)  # in units of the rms: where the best end may lie
_GOLDEN, _SHRINKS = (math.sqrt(5) - 1) / 2, 40


def uniform(t: np.ndarray) -> np.ndarray:
    """Evenly spread from -sqrt(3) to sqrt(3).

    >>> uniform(np.array(0.0)).round(3).tolist()    # all; E|x|; the variance
    [1.0, 0.866, 1.0]
    """
    a = math.sqrt(3)
    t = np.minimum(t, a)
    return np.stack([(a**k - t**k) / (k * a) for k in (1, 2, 3)])


def gauss(t: np.ndarray) -> np.ndarray:
    """The normal distribution.

    >>> gauss(np.array(1.959964)).round(3).tolist()    # 5 % lie beyond 1.96 sigma
    [0.05, 0.117, 0.279]
    """
    beyond = _erfc(t / math.sqrt(2))
    density = np.exp(-(t**2) / 2) * math.sqrt(2 / math.pi)
    return np.stack([beyond, density, t * density + beyond])


def laplace(t: np.ndarray) -> np.ndarray:
    """Laplace's distribution, density exp(-|x| / b) / (2 b) with b = 1 / sqrt(2).

    >>> laplace(np.array(0.0)).round(3).tolist()
    [1.0, 0.707, 1.0]
    """
    b = math.sqrt(0.5)
    return np.exp(-t / b) * np.stack([t**0, t + b, t**2 + 2 * b * t + 2 * b**2])


SOURCES: dict[str, Source] = {"uniform": uniform, "gauss": gauss, "laplace": laplace}


def measured(w: np.ndarray) -> Source:
    """The source whose numbers are the entries of w, each as probable.

    w: any shape, finite, not empty, else ValueError. Sorts once; then a grid costs a
    look-up a level.

    >>> measured(np.array([3.0, -4.0]))(np.array([0.0, 3.5])).tolist()
    [[1.0, 0.5], [3.5, 2.0], [12.5, 8.0]]
    """
    magnitudes = np.sort(np.abs(np.ravel(finite("w", w)))).astype(np.float64)
    powers = np.stack([magnitudes**k for k in range(3)])
    sums = np.zeros((3, magnitudes.size + 1))  # of the last n, n - 1, ..., 0
    np.cumsum(powers[:, ::-1], axis=1, out=sums[:, -2::-1])
    sums /= magnitudes.size
    return lambda t: sums[:, np.searchsorted(magnitudes, t)]


@dataclass(frozen=True)
class Noise:
    """The expected squared error of a grid, in its two parts."""

    clip: float
    roundoff: float

    @property
    def total(self) -> float:
        """Their sum: each number is either clipped or rounded."""
        return self.clip + self.roundoff


def noise(source: Source, end: float, levels: int) -> Noise:
    """The expected squared error of `levels` levels from -end to end, exactly.

    end: above 0. levels: at least 2, odd with a zero and even without. Each number is
    rounded to the nearest level. Raises ValueError outside these.

    >>> noise(measured([0.5, 0.25, 2.0, -1.0]), end=1.0, levels=3)
    Noise(clip=0.25, roundoff=0.078125)
    """
    level = _magnitudes(end, levels)
    edges = np.concatenate([[0.0], (level[1:] + level[:-1]) / 2, [level[-1]]])
    m0, m1, m2 = -np.diff(source(edges))
    roundoff = float(np.sum(m2 - 2 * level * m1 + level**2 * m0))
    return Noise(expected_clip_error(source, end), roundoff)


def curve(source: Source, ends: Iterable[float], levels: int) -> list[Noise]:
    """`noise` for each of several ends: the curve under a slider on the clip.

    >>> [n.clip for n in curve(measured([1.0, 3.0]), [1.0, 2.0, 3.0], levels=3)]
    [2.0, 0.5, 0.0]
    """
    return [noise(source, end, levels) for end in ends]


def expected_clip_error(source: Source, end: float) -> float:
    """The expected squared distance to -end .. end; of Laplace 2 b**2 exp(-end / b).

    >>> expected_clip_error(measured([0.5, 2.0]), 1.0)
    0.5
    """
    t0, t1, t2 = source(np.asarray(positive("end", end), np.float64))
    return float(t2 - 2 * end * t1 + end**2 * t0)


@dataclass(frozen=True)
class Optimum:
    """The best grid of so many levels: where it ends, its step, what it gives."""

    end: float
    step: float
    sqnr_db: float


def grid_sqnr_db(source: Source, end: float, levels: int) -> float:
    """Signal-to-quantization-noise ratio of a grid, dB; inf where nothing is lost."""
    signal, total = float(source(np.zeros(()))[2]), noise(source, end, levels).total
    return 10 * math.log10(signal / total) if total > 0 else math.inf


def optimum(source: Source, levels: int) -> Optimum:
    """The end with the smallest squared error, found numerically.

    120 ends from 0.02 to 50 times the rms, then a golden-section search around the best
    one (for an array, where the error has many small dips, a nearly best end). levels:
    as for `noise`. Raises ValueError for a source of zeros.

    >>> round(optimum(gauss, levels=4).step, 4)    # Max 1960: 0.9957
    0.9957
    """
    rms = math.sqrt(source(np.zeros(()))[2])
    if not rms > 0:
        raise ValueError("the source has only zeros: any grid is as good")

    def error(end: float) -> float:
        return noise(source, end, levels).total

    ends = rms * _ENDS
    best = int(np.argmin([error(end) for end in ends]))
    low, high = ends[max(best - 1, 0)], ends[min(best + 1, len(ends) - 1)]
    for _ in range(_SHRINKS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if error(left) < error(right) else (left, high)
    end = float(min((low + high) / 2, ends[best], key=error))
    return Optimum(end, 2 * end / (levels - 1), grid_sqnr_db(source, end, levels))


def _magnitudes(end: float, levels: int) -> np.ndarray:
    """The levels that are not negative, ascending; the last is end."""
    whole("levels", levels, 2)
    positive("end", end)
    first = 0.5 if levels % 2 == 0 else 0.0
    step = 2 * end / (levels - 1)
    level = step * (np.arange((levels + 1) // 2) + first)
    level[-1] = end
    return level


_erfc = np.vectorize(math.erfc, otypes=[np.float64])
