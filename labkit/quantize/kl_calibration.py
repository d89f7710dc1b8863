"""Entropy calibration: the clip whose quantized histogram diverges least.

The magnitudes of a group are counted in equal bins from 0 to the largest. A clip after
i bins is judged by two distributions over these bins:

* P, what is to be kept: the counts of the first i bins, and everything beyond, which
  would be clipped, in the last of them;
* Q, what the grid keeps of it: the counts without those beyond, those of one code
  spread evenly over the bins where P is not empty.

The clip with the smallest Kullback-Leibler divergence KL(P || Q) = sum P log(P / Q)
wins. Source: Migacz 2017, "8-bit inference with TensorRT", GTC S7310, and for the
details that the slides leave open the traps of the programs that follow it:

* P has the clipped mass and Q has not, or else clipping would cost nothing;
* where the last code holds clipped weights and no others, Q counts it as one weight:
  with 0 the divergence would be infinite, and no outlier behind a gap ever clipped;
* Q is never what is left of nothing: a clip below all weights is out of the question;
* the bins of a code are those that round to it, (k - 1/2) to (k + 1/2) steps, not an
  equal share of the bins, which differs much where there are few codes;
* bins must be well filled, or Q copies P for free: 16 weights a bin on average, at most
  2,048 bins. Where that leaves no more bins than codes, nothing is clipped: so it is
  for blocks of 32 at any width, and for small channels at 8 bits.
"""

import numpy as np

from labkit.common.arguments import shaped, whole

MOST_BINS, PER_BIN, MOST_CLIPS = 2048, 16, 256
_AT_ONCE = 1 << 18  # array elements, to stay in the processor's cache


def kl_clip(groups: np.ndarray, qmax: int) -> np.ndarray:
    """The clip of each group with the smallest divergence, float32 (rows, blocks).

    groups: float32, (rows, blocks, members). qmax: the largest code of the symmetric
    grid, whose magnitudes are the codes 0 to qmax. At most 256 clips are tried, evenly
    spread from qmax + 1 bins to all of them; of equals the widest wins.

    >>> group = np.append(np.arange(1.0, 1025), 9000).reshape(1, 1, -1)
    >>> kl_clip(group.astype(np.float32), 7).tolist()    # 9 bins of 64 are enough
    [[1265.625]]
    """
    magnitudes = np.abs(shaped("groups", groups, "(rows, blocks, members)"))
    whole("qmax", qmax, 1)
    top = magnitudes.max(axis=2)
    bins = min(groups.shape[2] // PER_BIN, MOST_BINS)
    if bins <= qmax + 1:
        return top
    counts = _histograms(magnitudes, top, bins)
    clips = np.unique(np.linspace(qmax + 1, bins, MOST_CLIPS).astype(int))[::-1]
    step = max(1, _AT_ONCE // (len(counts) * (qmax + 1)))
    parts = [clips[start : start + step] for start in range(0, len(clips), step)]
    found = np.concatenate([divergences(counts, part, qmax) for part in parts], axis=1)
    kept = clips[np.argmin(found, axis=1)].reshape(top.shape)
    return top * (kept / bins).astype(np.float32)


def divergences(counts: np.ndarray, clips: np.ndarray, qmax: int) -> np.ndarray:
    """KL(P || Q) in nats of each histogram at each clip, float64 (groups, clips).

    counts: whole numbers (groups, bins), of magnitudes; in no group all 0. clips: how
    many bins are kept, from qmax + 1 to all; infinity where they hold nothing. Sums
    over the bins of a code are differences of running sums.

    >>> divergences(np.array([[4, 2, 1, 0, 1]]), np.array([4, 5]), qmax=1).round(3)
    array([[0.082, 0.125]])
    """
    counts = np.asarray(counts, np.float64)
    total = counts.sum(axis=1)[:, None]
    below, filled = _running(counts), _running(counts > 0)
    last = counts[:, clips - 1]
    beyond = total - below[:, clips]
    p_log_p = _running(_x_log_x(counts))[:, clips - 1] + _x_log_x(last + beyond)

    edges = _edges(clips, qmax)
    q_mass = np.diff(below[:, edges], axis=2)
    p_mass, p_bins = q_mass.copy(), np.diff(filled[:, edges], axis=2)
    p_mass[:, :, -1] += beyond
    p_bins[:, :, -1] += (last == 0) & (beyond > 0)
    q_mass[:, :, -1] = np.maximum(q_mass[:, :, -1], beyond > 0)
    q = np.where(q_mass > 0, q_mass / np.maximum(p_bins, 1), 1)
    p_log_q = np.sum(p_mass * np.log(q), axis=2)
    # P and Q are counts so far: divide each by its sum.
    normal = np.log(q_mass.sum(axis=2)) - np.log(total)
    kl = (p_log_p - p_log_q) / total + normal
    return np.where(beyond < total, kl, np.inf)


def _histograms(magnitudes: np.ndarray, top: np.ndarray, bins: int) -> np.ndarray:
    """Each group's counts in equal bins from 0 to its largest, (groups, bins)."""
    unit = magnitudes / np.where(top > 0, top, 1)[:, :, None]
    index = np.minimum((unit * np.float32(bins)).astype(np.int64), bins - 1)
    index = index.reshape(top.size, -1) + bins * np.arange(top.size)[:, None]
    return np.bincount(index.ravel(), minlength=top.size * bins).reshape(-1, bins)


def _edges(clips: np.ndarray, qmax: int) -> np.ndarray:
    """Where the bins of each code begin, and the end, (clips, qmax + 2)."""
    ends = clips[:, None]
    halves = (ends * (2 * np.arange(qmax) + 1) + qmax) // (2 * qmax)  # to the nearest
    return np.concatenate([0 * ends, halves, ends], axis=1)


def _running(values: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, ... values of each row."""
    sums = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def _x_log_x(x: np.ndarray) -> np.ndarray:
    return x * np.log(np.where(x > 0, x, 1))
