"""Exact optima, for whatever they cost: what the quick searches are judged by.

`labkit.quantize.lloyd` and the range rule of `labkit.quantize.least_squares` search in
milliseconds and end near the least squared error. Here both minima are found for sure,
in a time that grows with the number of levels: seconds for a large layer at 8 bits.
"""

import numpy as np

from labkit.common.arguments import finite, shaped, whole


def centroids(x: np.ndarray, count: int) -> np.ndarray:
    """The `count` centroids with the least squared error, ascending float64 (count,).

    x: any shape, finite, not empty. count: 1 or more; where x has fewer different
    numbers, the last one comes again. Raises ValueError outside these.

    Dynamic programming (Wang and Song 2011, R Journal 3(2), pp. 29-33): the best k runs
    of the first i sorted numbers are the best k - 1 of the first j and the run from j
    to i. The best j never falls as i grows, so it is looked for between those of the
    neighbours (Gronlund et al. 2017, arXiv:1701.07204, sec. 2.2): count * n * log(n)
    steps.

    >>> centroids(np.array([0.0, 1.0, 10.0, 12.0, 14.0]), 2).tolist()
    [0.5, 12.0]
    """
    count = whole("count", count, 1)
    x, weights = np.unique(finite("x", x), return_counts=True)
    x = x.astype(np.float64)
    n, runs = x.size, min(count, x.size)
    # About the mean, so that the differences of running sums lose little.
    moved = x - np.average(x, weights=weights)
    sums = [np.append(0.0, np.cumsum(weights * moved**k)) for k in range(3)]

    def error(start: np.ndarray, end: np.ndarray) -> np.ndarray:
        w, wx, wxx = (total[end] - total[start] for total in sums)
        return wxx - wx**2 / w

    ends = np.arange(1, n + 1)
    least = np.append(0.0, error(np.zeros(n, int), ends))
    starts = [np.zeros(n + 1, int)]
    for k in range(2, runs + 1):
        least, best = _one_more(least, error, k, n)
        starts.append(best)
    edges = [n]
    for best in reversed(starts):
        edges.append(int(best[edges[-1]]))
    edges = np.array(edges[::-1])
    means = np.diff(np.append(0.0, np.cumsum(weights * x))[edges]) / np.diff(
        sums[0][edges]
    )
    return np.append(means, np.full(count - runs, means[-1]))


def _one_more(least: np.ndarray, error, k: int, n: int) -> tuple[np.ndarray, ...]:
    """The least errors of k runs of the first i numbers, and where the last one starts.

    least: those of k - 1 runs. Both are (n + 1,), of no meaning before i = k.
    """
    found, best = np.full(n + 1, np.inf), np.full(n + 1, k - 1)
    step = 1 << (n - k + 1).bit_length() - 1
    while step:
        # Every other multiple of the step: the neighbours' starts are known.
        i = np.arange(k + step - 1, n + 1, 2 * step)
        low = best[np.maximum(i - step, k - 1)]
        above = i + step
        high = np.where(above <= n, best[np.minimum(above, n)], i - 1)
        high = np.maximum(np.minimum(high, i - 1), low)
        counts = high - low + 1
        first = np.append(0, np.cumsum(counts)[:-1])
        j = np.arange(counts.sum()) - np.repeat(first - low, counts)
        errors = least[j] + error(j, np.repeat(i, counts))
        found[i] = np.minimum.reduceat(errors, first)
        places = np.flatnonzero(errors == np.repeat(found[i], counts))
        best[i] = j[places[np.searchsorted(places, first)]]
        step //= 2
    return found, best


def scales(groups: np.ndarray, qmax: int) -> np.ndarray:
    """The scale of each group with the least squared error, float64 (rows, blocks).

    groups: (rows, blocks, members), finite. qmax: the largest code. Raises ValueError
    outside these. The scale of a group of zeros is 1.

    As the scale falls, codes grow one by one: |w| gets the code m where the scale
    passes |w| / (m - 1/2). Codes q leave the error sum(w w) - sum(w q)**2 / sum(q q),
    at the scale sum(w q) / sum(q q). So the best codes of all are the largest
    sum(w q)**2 / sum(q q) on that way: members * qmax steps, sorted.

    >>> scales(np.array([[[1.0, 1.25, 1.0, 1.25, 1.75]]]), 1).tolist()
    [[1.25]]
    """
    groups, qmax = (
        shaped("groups", groups, "(rows, blocks, members)"),
        whole("qmax", qmax, 1),
    )
    flat = np.abs(groups.reshape(-1, groups.shape[2])).astype(np.float64)
    return np.array([_scale(w, qmax) for w in flat]).reshape(groups.shape[:2])


def _scale(magnitudes: np.ndarray, qmax: int) -> float:
    if not magnitudes.any():
        return 1.0
    m = np.arange(1, qmax + 1)
    order = np.argsort(-(magnitudes[:, None] / (m - 0.5)), axis=None, kind="stable")
    w, code = np.divmod(order, qmax)
    wq = np.cumsum(magnitudes[w])
    qq = np.cumsum(2.0 * code + 1)  # m**2 - (m - 1)**2, the code being m - 1
    best = int(np.argmax(wq**2 / qq))
    return float(wq[best] / qq[best])
