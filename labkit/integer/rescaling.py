"""From accumulators to the codes of the next layer, and tables of whole functions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.integer.fixed_point import (
    INT8_MAX,
    INT8_MIN,
    quantize_multiplier,
    rescale,
    round_half_away,
)
from labkit.integer.program import Operation

BLOCK = 1 << 14  # numbers rescaled at a time: they stay in the processor's caches
ALL_CODES = np.arange(256, dtype=np.uint8).view(np.int8)  # 0 … 127, -128 … -1
_LIMITS = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


@dataclass(frozen=True, eq=False)
class Multiplier:
    """The real number M of one rescaling, and the integers that stand for it.

    real, m0, n: M = 2**-n * m0 / 2**31 but for rounding; each a number, or an array
    with one for each output channel.
    """

    real: np.ndarray
    m0: np.ndarray
    n: np.ndarray

    @classmethod
    def of(cls, real: np.ndarray) -> "Multiplier":
        """The integers for M >= 0 (float64)."""
        real = np.asarray(real, np.float64)
        return cls(real, *quantize_multiplier(real))

    def times(self, x: np.ndarray, rounding: str) -> np.ndarray:
        """x * M for int32 x, in whole numbers.

        rounding: "double" or "single" in integers (see `fixed_point`), or "float": the
        float64 product with the real M, rounded once, halves away from zero.
        """
        if rounding == "float":
            return round_half_away(x * self.real)
        return rescale(x, self.m0, self.n, rounding)


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """What a layer computes, and with which numbers.

    compute: arrays of the inputs at the positions `reads` -> the output.
    multipliers: one for most kinds; ADD has three (input, input, output).
    """

    compute: Callable[..., np.ndarray]
    reads: tuple[int, ...] = (0,)
    multipliers: tuple[Multiplier, ...] = ()
    kernel: np.ndarray | None = None
    bias: np.ndarray | None = None


def output_range(op: Operation, activation: str) -> tuple[int, int]:
    """The lowest and highest code that an activation leaves on the output's grid.

    Source: Jacob et al. 2018, arXiv:1712.05877, sec. 2.4.
    """
    if activation not in _LIMITS:
        raise op.refusal(
            f"the fused activation {activation} is none of {', '.join(_LIMITS)}"
        )
    grid = op.output_codes()
    ends = []
    for limit, end in zip(_LIMITS[activation], (INT8_MIN, INT8_MAX), strict=True):
        if limit is None:
            ends.append(end)
        else:
            steps = round_half_away(np.float32(limit) / grid.scale)
            ends.append(int(np.clip(grid.zero_point + steps, INT8_MIN, INT8_MAX)))
    return ends[0], ends[1]


def in_blocks(
    accumulators: np.ndarray, to_codes: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """to_codes of (rows, channels) accumulators, int8, some rows at a time."""
    codes = np.empty(accumulators.shape, np.int8)
    step = max(1, BLOCK // accumulators.shape[-1])
    for k in range(0, len(codes), step):
        codes[k : k + step] = to_codes(accumulators[k : k + step])
    return codes


def table(function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A function of one code for all 256 of them, as `look_up` reads it.

    >>> halves = table(lambda q: q // 2)
    >>> look_up(halves, np.int8([-128, 5])).tolist()
    [-64, 2]
    """
    return function(ALL_CODES)


def look_up(values: np.ndarray, q: np.ndarray) -> np.ndarray:
    """values[q] for int8 codes q and a `table`."""
    return values.take(q.view(np.uint8))


def pair_table(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """A function of two codes for all 65,536 pairs of them; see `look_up_pair`."""
    return function(ALL_CODES[:, None], ALL_CODES[None, :]).reshape(-1)


def look_up_pair(values: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """values[p, q] for int8 codes p and q, broadcast, and a `pair_table`."""
    rows = p.view(np.uint8).astype(np.uint16) << 8
    return values.take(rows | q.view(np.uint8))
