"""Range rules: how much of a group of weights the symmetric grid shall cover.

A rule gives a group of weights one scale, so that the grid reaches to qmax * scale on
both sides, qmax being the largest code; weights beyond are clipped to its ends. A
narrower grid has finer steps: less round-off, more clipping. Two rules for one group:

>>> w = np.array([0.5, -1.0, 0.25, 4.0])
>>> minmax_of_one(w, qmax=1), round(percentile_of_one(w, qmax=1), 3)
(4.0, 3.991)

The rules of RANGES do the same for all groups at once. They take groups as float32
(rows, blocks, members), see `labkit.quantize.granularity`, and qmax, and return float32
(rows, blocks), always above 0: 1 for a group of zeros.
"""

import numpy as np

from labkit.common.registries import Row, chosen, registry
from labkit.quantize.aciq import gauss_clip, laplace_clip
from labkit.quantize.group_rules import Rule, group_rule
from labkit.quantize.kl_calibration import kl_clip
from labkit.quantize.least_squares import least_squares_scale

PERCENTILE = 99.9

# One group


def minmax_of_one(w: np.ndarray, qmax: int) -> float:
    """One group's weights -> the scale of a grid that ends at the largest magnitude.

    Nothing is clipped. w: any shape, not all 0.

    >>> minmax_of_one(np.array([0.5, -3.0]), qmax=3)
    1.0
    """
    return float(np.abs(w).max() / qmax)


def percentile_of_one(w: np.ndarray, qmax: int) -> float:
    """One group's weights -> the scale of a grid that ends at their 99.9th percentile.

    About one weight in a thousand is clipped. w: any shape, its percentile not 0.

    >>> round(percentile_of_one(np.arange(1001), qmax=3), 6)    # 999 / 3
    333.0
    """
    return float(np.percentile(np.abs(w), PERCENTILE) / qmax)


# The same by groups, and more rules


@group_rule
def minmax_scale(groups: np.ndarray, qmax: int) -> np.ndarray:
    """The grid ends at the group's largest magnitude: nothing is clipped.

    >>> minmax_scale(np.array([[[0.5, -1.0]], [[0.0, 0.0]]], np.float32), 1).tolist()
    [[1.0], [1.0]]
    """
    return np.abs(groups).max(axis=2) / np.float32(qmax)


@group_rule
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
    return ends / np.float32(qmax)


@group_rule
def kl_scale(groups: np.ndarray, qmax: int) -> np.ndarray:
    """The grid ends where KL divergence is least: Migacz 2017, `kl_calibration`.

    Small groups, of at most 16 (qmax + 1) weights, have min-max.

    >>> group = np.append(np.arange(1, 1025), 9000).reshape(1, 1, -1)
    >>> (7 * kl_scale(group.astype(np.float32), 7)).round().tolist()
    [[1266.0]]
    """
    return kl_clip(groups, qmax) / np.float32(qmax)


@group_rule
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


@group_rule
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


def _aciq(groups: np.ndarray, clip: np.ndarray, qmax: int) -> np.ndarray:
    clip = np.minimum(clip, np.abs(groups).max(axis=2))
    return (clip / qmax).astype(np.float32)
