"""K-means of numbers on a line: a codebook with a small squared error.

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

How far the end of the second is above the least error, which
`labkit.quantize.centroids` finds in up to some thousand times the time, in the kernels
of mlp, lenet5 and resnet8:

    bits   weights of the kernel   error above the least
    2      all                     at most 0.5 %
    4      1,000 or more           at most 3 %
    4      432 to 1,000            at most 13 %
    8      5,000 to 40,000         at most 12 %
    8      fewer                   up to ten times the least error: no more than twenty
                                   weights a centroid, each of which matters

More where tails are heavy: 2, 29 and 150 % at 2, 4 and 8 bits for 10,000 numbers from
Student's t distribution with 2 degrees of freedom.
"""

from collections.abc import Callable

import numpy as np

from labkit.common.arguments import finite, shaped, whole

ROUNDS = 100
_CELLS = 16  # runs of the sorted numbers a centroid, to read the density from


def linear_start(x: np.ndarray, count: int) -> np.ndarray:
    """`count` numbers evenly spread from the first of the sorted x to the last.

    x: finite, not empty. count: 1 or more. Raises ValueError outside these.

    >>> linear_start(np.array([0.0, 1.0, 1.0, 8.0]), 3).tolist()
    [0.0, 4.0, 8.0]
    """
    x, count = shaped("x", x, "(n,)"), whole("count", count, 1)
    return np.linspace(x[0], x[-1], count)


def cube_root_start(x: np.ndarray, count: int) -> np.ndarray:
    """`count` numbers whose density goes as the cube root of that of the sorted x.

    x is cut into runs of as many numbers each. In a run of width d the density is as
    1 / d, so its share of the centroids is d * (1 / d)**(1/3).

    >>> cube_root_start(np.array([0.0, 1.0, 9.0]), 5).round(2).tolist()    # shares 1:4
    [0.5, 2.0, 4.0, 6.0, 8.0]
    """
    x, count = shaped("x", x, "(n,)"), whole("count", count, 1)
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

    x: any shape, finite, not empty. count: 1 or more. start: one of STARTS. They move
    until nothing changes or for `rounds` rounds, 0 or more; one without numbers stays
    where it is. The same on every run. Raises ValueError outside these.

    >>> lloyd(np.array([0.0, 1.0, 10.0, 12.0, 14.0]), 2).tolist()
    [0.5, 12.0]
    """
    if start not in STARTS:
        raise ValueError(f"start is {start!r}: choose one of {', '.join(STARTS)}")
    count, rounds = whole("count", count, 1), whole("rounds", rounds, 0)
    x = np.sort(np.ravel(finite("x", x))).astype(np.float64)
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

    Raises ValueError for levels in another order, or not finite.

    >>> middles(np.array([0.0, 1.0, 4.0])).tolist()
    [0.5, 2.5]
    """
    levels = np.asarray(shaped("levels", levels, "(n,)"), np.float64)
    if (np.diff(levels) < 0).any():
        raise ValueError("levels are not ascending: sort them first")
    return (levels[1:] + levels[:-1]) / 2


def nearest(x: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The number of the nearest level of each x, uint8 in x's shape.

    x: finite. levels: ascending, at most 256. In the middle of two the upper one is
    taken. Raises ValueError outside these.

    >>> nearest(np.array([-3.0, 0.4, 2.5, 9.0]), np.array([0.0, 1.0, 4.0])).tolist()
    [0, 0, 2, 2]
    """
    x, places = finite("x", x, may_be_empty=True), middles(levels)
    if places.size > 255:
        raise ValueError(f"levels are {places.size + 1}: a code of uint8 has 256")
    return np.searchsorted(places, x, side="right").astype(np.uint8)
