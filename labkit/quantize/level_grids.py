"""Grids beyond the uniform one: a code looks its level up, w_hat = scale * levels[q].

    grid          bits     levels                          scale of a group
    power_of_two  2 to 8   0, ±1, ±1/2, ±1/4, ...          a power of two
    kmeans        1 to 8   2**bits centroids, in the file  largest |w|; 1 for one group
    ternary       2        -1, 0, 1                        least squares, exactly
    binary        1        -1, 1                           mean |w|
    float8_e4m3   8        all numbers of the format       largest |w| on the largest
    float8_e5m2   8        all numbers of the format       largest |w| on the largest
    float4_e2m1   4        all numbers of the format       largest |w| on the largest

Each weight, divided by its group's scale, goes to the nearest level:
`labkit.quantize.codebook`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.common.registries import Row, registry
from labkit.quantize import float_formats
from labkit.quantize.kmeans import lloyd, nearest

Scale = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Grid(Row):
    """How a grid is laid over a tensor.

    bits: the widths that it has. scale: groups of weights (rows, blocks, members) and
    bits -> one scale a group, (rows, blocks), 0 for a group of zeros. levels: bits and
    w / scale -> the levels, float32. assign: w / scale and the levels -> codes, uint8.
    trained: the levels depend on the weights, so a file must hold them.
    """

    bits: tuple[int, ...]
    scale: Scale
    levels: Callable[[int, np.ndarray], np.ndarray]
    assign: Callable[[np.ndarray, np.ndarray], np.ndarray] = nearest
    trained: bool = False


def largest_scale(groups: np.ndarray, bits: int) -> np.ndarray:
    """Each group's largest magnitude."""
    return np.abs(groups).max(axis=2)


def power_of_two_scale(groups: np.ndarray, bits: int) -> np.ndarray:
    """The power of two that is nearest to the group's largest magnitude.

    Then the products of a layer are shifts. Source: Zhou et al. 2017 (INQ),
    arXiv:1702.03044, sec. 2.1: exponent floor(log2(4/3 max|w|)).

    >>> power_of_two_scale(np.array([[[1.4, -0.2]], [[1.6, 0.1]]]), 4).tolist()
    [[1.0], [2.0]]
    """
    largest = np.abs(groups).max(axis=2).astype(np.float64)
    _, exponent = np.frexp(largest * 4 / 3)
    return np.where(largest > 0, np.ldexp(1.0, exponent - 1), 0)


def power_of_two_levels(bits: int, unit: np.ndarray) -> np.ndarray:
    """0 and ± the powers of two from 1 downwards, 2**bits - 1 levels, ascending.

    >>> power_of_two_levels(3, np.empty(0)).tolist()
    [-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0]
    """
    powers = np.ldexp(np.float32(1), -np.arange(2 ** (bits - 1) - 1))
    return np.concatenate([-powers, [np.float32(0)], powers[::-1]])


def ternary_scale(groups: np.ndarray, bits: int) -> np.ndarray:
    """The scale with the smallest squared error of codes -1, 0, 1, for each group.

    If the k largest magnitudes get codes ±1, the best scale is their mean and the error
    sum(w**2) - (their sum)**2 / k; every k is tried. The best threshold is half the
    scale. (Li, Zhang and Liu 2016, arXiv:1605.04711, eq. 6, take 0.7 mean |w| for it.)

    >>> ternary_scale(np.array([[[1.0, -1.0, 0.25, 0.0]]], np.float32), 2).tolist()
    [[1.0]]
    """
    descending = np.sort(np.abs(groups), axis=2)[:, :, ::-1]
    sums = np.cumsum(descending, axis=2, dtype=np.float64)
    k = np.arange(1, groups.shape[2] + 1)
    best = np.argmax(sums**2 / k, axis=2)[:, :, None]
    return np.take_along_axis(sums / k, best, axis=2)[:, :, 0]


def binary_scale(groups: np.ndarray, bits: int) -> np.ndarray:
    """mean |w| of each group, the least-squares scale of codes -1 and 1.

    Source: Rastegari et al. 2016 (XNOR-Net), arXiv:1603.05279, eq. 6.
    """
    return np.abs(groups).mean(axis=2, dtype=np.float64)


def kmeans_scale(groups: np.ndarray, bits: int) -> np.ndarray:
    """1 for a single group, whose centroids need no scale; else the largest |w|."""
    if groups.shape[:2] == (1, 1):
        return np.ones((1, 1))
    return largest_scale(groups, bits)


def kmeans_levels(bits: int, unit: np.ndarray) -> np.ndarray:
    """2**bits centroids of the scaled weights, see `labkit.quantize.kmeans`."""
    return lloyd(unit, 2**bits).astype(np.float32)


def _fixed(*values: float) -> Callable[[int, np.ndarray], np.ndarray]:
    return lambda bits, unit: np.array(values, np.float32)


def _float(name: str) -> Grid:
    end, text = float_formats.largest(name), name.replace("_", " ")
    return Grid(
        name=name,
        text=text,
        line=f"The numbers of the format {text}.",
        bits=(float_formats.bits_of(name),),
        scale=lambda groups, bits: largest_scale(groups, bits) / end,
        levels=lambda bits, unit: float_formats.levels(name),
        assign=lambda unit, levels: float_formats.to_bits(unit, name),
    )


GRIDS = registry(
    Grid(
        name="power_of_two",
        text="powers of two",
        line="0 and ± the powers of two from the largest downwards.",
        bits=tuple(range(2, 9)),
        scale=power_of_two_scale,
        levels=power_of_two_levels,
    ),
    Grid(
        name="kmeans",
        text="k-means",
        line="The centroids of the weights, a codebook in the file.",
        bits=tuple(range(1, 9)),
        scale=kmeans_scale,
        levels=kmeans_levels,
        trained=True,
    ),
    Grid(
        name="ternary",
        text="ternary",
        line="-1, 0 and 1, with the scale of the least squared error.",
        bits=(2,),
        scale=ternary_scale,
        levels=_fixed(-1, 0, 1),
    ),
    Grid(
        name="binary",
        text="binary",
        line="-1 and 1, with the mean magnitude for a scale.",
        bits=(1,),
        scale=binary_scale,
        levels=_fixed(-1, 1),
    ),
    *map(_float, float_formats.FORMATS),
)
EVEN = Row("uniform", "even steps", "Levels at equal distances, 0 among them.")
