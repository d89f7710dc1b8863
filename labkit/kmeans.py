"""K-means of numbers on a line: the codebook with a small squared error.

Lloyd's algorithm alternates two steps, and neither can raise the error sum((x - c)**2):
each number goes to its nearest centroid c, each centroid to the mean of its numbers
(Lloyd 1982, IEEE Trans. Inf. Theory 28(2), method I). On a line the numbers of a
centroid are a run of the sorted numbers, so after one sort a round costs a search and
two differences of running sums a centroid, whatever the count of numbers.

The end is a local optimum, so the start matters, and more so the more centroids:

* "linear", evenly spread from the smallest to the largest number (Han et al. 2016,
  arXiv:1510.00149, sec. 3.2): some are left for the few large weights, but many stay
  between them without numbers, and it takes hundreds of rounds;
* "cube_root", spread as the cube root of the numbers' density, which is best for many
  levels (Panter and Dite 1951, Proc. IRE 39(1), pp. 44-48): near its end at once.
"""

from collections.abc import Callable

import numpy as np

ROUNDS = 100
_CELLS = 16  # runs of the sorted numbers a centroid, to read the density from


def linear_start(x: np.ndarray, count: int) -> np.ndarray:
    """`count` numbers evenly spread from the first of the sorted x to the last.

    >>> linear_start(np.array([0.0, 1.0, 1.0, 8.0]), 3).tolist()
    [0.0, 4.0, 8.0]
    """
    return np.linspace(x[0], x[-1], count)


def cube_root_start(x: np.ndarray, count: int) -> np.ndarray:
    """`count` numbers whose density goes as the cube root of that of the sorted x.

    x is cut into runs of as many numbers each. In a run of width d the density is as
    1 / d, so its share of the centroids is d * (1 / d)**(1/3).

    >>> cube_root_start(np.array([0.0, 1.0, 9.0]), 5).round(2).tolist()    # shares 1:4
    [0.5, 2.0, 4.0, 6.0, 8.0]
    """
    cells = min(x.size - 1, _CELLS * count)
    ends = x[np.linspace(0, x.size - 1, cells + 1).astype(int)]
    shares = np.append(0.0, np.cumsum(np.diff(ends) ** (2 / 3)))
    return np.interp((np.arange(count) + 0.5) / count * shares[-1], shares, ends)


STARTS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "linear": linear_start,
    "cube_root": cube_root_start,
}


def lloyd(
    x: np.ndarray, count: int, start: str = "cube_root", rounds: int = ROUNDS
) -> np.ndarray:
    """`count` centroids of the numbers x, ascending float64 (count,).

    x: any shape, finite, not empty. start: one of STARTS, else ValueError. They move
    until nothing changes or for `rounds` rounds; one without numbers stays where it is.
    The same on every run.

    >>> lloyd(np.array([0.0, 1.0, 10.0, 12.0, 14.0]), 2).tolist()
    [0.5, 12.0]
    """
    if start not in STARTS:
        raise ValueError(f"start is {start!r}: choose one of {', '.join(STARTS)}")
    x = np.sort(np.ravel(x)).astype(np.float64)
    sums = np.append(0.0, np.cumsum(x))
    centroids = STARTS[start](x, count)
    before = None
    for _ in range(rounds):
        inner = np.searchsorted(x, middles(centroids))
        edges = np.concatenate([[0], inner, [x.size]])
        if np.array_equal(edges, before):
            break
        before, members = edges, np.diff(edges)
        means = np.diff(sums[edges]) / np.maximum(members, 1)
        # Running sums are rounded: a mean must still lie among its numbers.
        first, last = x[np.minimum(edges[:-1], x.size - 1)], x[edges[1:] - 1]
        means = np.minimum(np.maximum(means, first), last)
        centroids = np.where(members > 0, means, centroids)
    return centroids


def middles(levels: np.ndarray) -> np.ndarray:
    """Where the nearest of ascending levels changes, float64 (levels - 1,).

    >>> middles(np.array([0.0, 1.0, 4.0])).tolist()
    [0.5, 2.5]
    """
    levels = np.asarray(levels, np.float64)
    return (levels[1:] + levels[:-1]) / 2


def nearest(x: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The number of the nearest level of each x, uint8 in x's shape.

    levels: ascending, at most 256. In the middle of two the upper one is taken.

    >>> nearest(np.array([-3.0, 0.4, 2.5, 9.0]), np.array([0.0, 1.0, 4.0])).tolist()
    [0, 0, 2, 2]
    """
    return np.searchsorted(middles(levels), x, side="right").astype(np.uint8)
