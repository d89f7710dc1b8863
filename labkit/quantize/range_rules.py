"""Range rules: how much of a group of weights the symmetric grid shall cover.

A rule takes groups of weights, float32 (rows, blocks, members), and `qmax`, the largest
code, and returns one scale a group, float32 (rows, blocks), always above 0. The grid
then reaches to qmax * scale on both sides; weights beyond are clipped to its ends.
A narrower grid has finer steps: less round-off, more clipping.
"""

from collections.abc import Callable
from functools import wraps

import numpy as np

from labkit.common.arguments import shaped, whole
from labkit.common.registries import Row, chosen, registry
from labkit.quantize.aciq import gauss_clip, laplace_clip
from labkit.quantize.kl_calibration import kl_clip

PERCENTILE = 99.9
_WIDER, _COARSE, _FINE, _REFINEMENTS = 3, 40, 12, 4

Rule = Callable[[np.ndarray, int], np.ndarray]


def _checked(rule: Rule) -> Rule:
    """The rule, which refuses groups and codes that there are not with a ValueError."""

    @wraps(rule)
    def found(groups: np.ndarray, qmax: int) -> np.ndarray:
        shaped("groups", groups, "(rows, blocks, members)")
        return rule(groups, whole("qmax", qmax, 1))

    return found


@_checked
def minmax_scale(groups: np.ndarray, qmax: int) -> np.ndarray:
    """The grid ends at the group's largest magnitude: nothing is clipped.

    >>> minmax_scale(np.array([[[0.5, -1.0]], [[0.0, 0.0]]], np.float32), 1).tolist()
    [[1.0], [1.0]]
    """
    return _positive(np.abs(groups).max(axis=2) / np.float32(qmax))


@_checked
def percentile_scale(groups: np.ndarray, qmax: int) -> np.ndarray:
    """The grid ends at the 99.9th percentile of the group's magnitudes.

    The percentile is interpolated linearly between sorted magnitudes (numpy's default).
    In a group of at most 1,001 weights it lies between the largest two: in a block of
    32 the largest is clipped by 3.1 % of its distance to the second, which is next to
    min-max. Where the percentile is 0, nearly all weights being 0, it is min-max.

    >>> group = np.arange(1001, dtype=np.float32).reshape(1, 1, 1001)
    >>> (127 * percentile_scale(group, 127)).tolist()    # one weight, 1000, is clipped
    [[999.0]]
    """
    magnitudes = np.abs(groups)
    ends = np.percentile(magnitudes, PERCENTILE, axis=2).astype(np.float32)
    ends = np.where(ends > 0, ends, magnitudes.max(axis=2))
    return _positive(ends / np.float32(qmax))


@_checked
def least_squares_scale(groups: np.ndarray, qmax: int) -> np.ndarray:
    """A scale of nearly the least squared error, sum((w - scale * q)**2), a group.

    The error has many local minima in the scale. So ranges from a little beyond the
    full one down to 1 / (2 sqrt(members)) of it are tried, then finer ones around the
    best. Each try rounds the weights to codes q and takes the scale that is best for
    those codes, scale = sum(w q) / sum(q q), where the derivative of the error is 0.
    Rounding and fitting then alternate a few times more (Lloyd 1982, IEEE Trans. Inf.
    Theory 28(2), method I, on a grid with equal steps). Never worse than min-max.

    `labkit.quantize.scales` has the least error. In the kernels of mlp, lenet5 and
    resnet8, one scale a channel, a kernel's error is at most 0.3 % above it at 2 to 4
    bits. At 8 bits, where minima are many and narrow, it is in kernels of up to 40,000
    weights at most 3 % above it (0.13 dB) where a channel has 50 weights or more and
    13 % where it has fewer; that of a single small channel or block of 32 up to 70 %.

    >>> group = np.array([[[1.0, 1.25, 1.0, 1.25, 1.75]]], np.float32)
    >>> least_squares_scale(group, 1).tolist()    # every code is 1: the mean fits best
    [[1.25]]
    """
    widest = minmax_scale(groups, qmax)
    unit = groups / (widest * np.float32(qmax))[:, :, None]  # in -1 .. 1: no overflow
    step = np.float32((0.5 / np.sqrt(groups.shape[2])) ** (1 / (_COARSE - 1)))
    best = np.ones(widest.shape, np.float32)
    fitted, error = _fit(unit, best / np.float32(qmax), qmax)
    for exponents in (np.arange(-_WIDER, _COARSE), np.linspace(-1, 1, _FINE)):
        centre = best
        for exponent in exponents:
            tried = centre * step ** np.float32(exponent)
            its_fit, its_error = _fit(unit, tried / np.float32(qmax), qmax)
            better = its_error < error
            best = np.where(better, tried, best)
            fitted = np.where(better, its_fit, fitted)
            error = np.where(better, its_error, error)
    for _ in range(_REFINEMENTS):
        fitted, _ = _fit(unit, fitted, qmax)
    found = _positive(fitted * (widest * np.float32(qmax)))
    worse = squared_error(groups, found, qmax) > squared_error(groups, widest, qmax)
    return np.where(worse, widest, found)


@_checked
def kl_scale(groups: np.ndarray, qmax: int) -> np.ndarray:
    """The grid ends where KL divergence is least: Migacz 2017, `kl_calibration`.

    Small groups, of at most 16 (qmax + 1) weights, have min-max.

    >>> group = np.append(np.arange(1, 1025), 9000).reshape(1, 1, -1)
    >>> (7 * kl_scale(group.astype(np.float32), 7)).round().tolist()
    [[1266.0]]
    """
    return _positive(kl_clip(groups, qmax) / np.float32(qmax))


@_checked
def aciq_laplace_scale(groups: np.ndarray, qmax: int) -> np.ndarray:
    """The grid ends where ACIQ has it for Laplace's density with b = mean |w|.

    The paper takes |w - mean|, of numbers that it centres first. The grid is centred
    on 0 here, so b is the mean distance from 0. Never beyond the largest magnitude.
    Source: `labkit.quantize.aciq`, Banner et al. 2018, arXiv:1810.05723.

    >>> group = np.array([[[1, -1, 1, -1, 0.5, -1.5, 0, 8]]], np.float32)    # b = 1.75
    >>> round(aciq_laplace_scale(group, 1).item() / 1.75, 2)    # z exp(z) = 3 * 2**2
    1.86
    """
    b = np.abs(groups).mean(axis=2, dtype=np.float64)
    return _aciq(groups, b * laplace_clip(2 * qmax), qmax)


@_checked
def aciq_gauss_scale(groups: np.ndarray, qmax: int) -> np.ndarray:
    """The grid ends where ACIQ has it for Gauss's density with sigma**2 = mean w**2.

    Centred on 0 and never beyond the largest magnitude, as for Laplace.
    Source: `labkit.quantize.aciq`, Banner et al. 2018, arXiv:1810.05723.

    >>> group = np.array([[[1, -1, 1, -1, 1, -1, 1, 3]]], np.float32)    # sigma**2 = 2
    >>> round(aciq_gauss_scale(group, 1).item() / 2**0.5, 2)
    1.24
    """
    sigma = np.sqrt(np.square(groups, dtype=np.float64).mean(axis=2))
    return _aciq(groups, sigma * gauss_clip(2 * qmax), qmax)


RANGES = registry(
    Row("minmax", "min–max", "The grid ends at the largest magnitude.", minmax_scale),
    Row(
        "percentile",
        "percentile",
        "The grid ends at the 99.9th percentile of the magnitudes.",
        percentile_scale,
    ),
    Row(
        "least_squares",
        "least squares",
        "The grid has nearly the least squared error.",
        least_squares_scale,
    ),
    Row(
        "kl",
        "KL divergence",
        "The grid ends where the KL divergence of the histograms is least.",
        kl_scale,
    ),
    Row(
        "aciq_laplace",
        "ACIQ, Laplace",
        "The grid ends where the error is least for Laplace's density.",
        aciq_laplace_scale,
    ),
    Row(
        "aciq_gauss",
        "ACIQ, Gauss",
        "The grid ends where the error is least for Gauss's density.",
        aciq_gauss_scale,
    ),
)


def range_rule(name: str) -> Rule:
    """The rule of that name, one of RANGES; else ValueError.

    >>> range_rule("minmax") is minmax_scale
    True
    """
    return chosen("rule", name, RANGES).compute


def squared_error(groups: np.ndarray, scale: np.ndarray, qmax: int) -> np.ndarray:
    """sum((w - w_hat)**2) of each group, float64 (rows, blocks).

    >>> w = np.array([[[0.5, -1.0, 0.25]]], np.float32)
    >>> squared_error(w, np.array([[1.0]], np.float32), 1).tolist()
    [[0.3125]]
    """
    groups = shaped("groups", groups, "(rows, blocks, members)")
    whole("qmax", qmax, 1)
    scale = shaped("scale", scale, "(rows, blocks)")
    if scale.shape != groups.shape[:2] or not (scale > 0).all():
        raise ValueError(
            f"scale is {scale.shape}, its least {scale.min()}: give {groups.shape[:2]} "
            "numbers above 0"
        )
    q = np.clip(np.rint(groups / scale[:, :, None]), -qmax, qmax)
    error = groups.astype(np.float64) - q * scale[:, :, None]
    return np.einsum("rbm,rbm->rb", error, error)


def _fit(
    unit: np.ndarray, scale: np.ndarray, qmax: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best scale for the codes that `scale` gives, and its squared error."""
    q = unit * (1 / scale)[:, :, None]
    np.rint(q, out=q)
    np.clip(q, -qmax, qmax, out=q)
    wq, qq = np.einsum("rbm,rbm->rb", unit, q), np.einsum("rbm,rbm->rb", q, q)
    fit = np.divide(wq, qq, out=scale.copy(), where=qq > 0)
    q *= fit[:, :, None]
    q -= unit
    return fit, np.einsum("rbm,rbm->rb", q, q)


def _aciq(groups: np.ndarray, clip: np.ndarray, qmax: int) -> np.ndarray:
    clip = np.minimum(clip, np.abs(groups).max(axis=2))
    return _positive((clip / qmax).astype(np.float32))


def _positive(scale: np.ndarray) -> np.ndarray:
    """1 where a scale is 0: a group of zeros, or of numbers too small to divide."""
    return np.where(scale > 0, scale, np.float32(1))
