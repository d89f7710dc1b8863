"""Uniform quantization: real numbers to small integers and back.

Two grids of `bits`-bit integers are used, as in LiteRT:

* affine, for activations and the number line: `labkit.quantize.affine`;
* symmetric, for weights: w_hat = scale * q, q from -(2**(bits-1) - 1) to
  2**(bits-1) - 1, one code fewer, so that the range is the same on both sides of 0
  (LiteRT 8-bit quantization specification, "Symmetric vs asymmetric").

A group is the set of weights that share one scale, see `labkit.quantize.granularity`.
Grids with other levels than these are in `labkit.quantize.level_grids`.
"""

from dataclasses import dataclass

import numpy as np

from labkit.quantize.affine import code_type, largest_code
from labkit.quantize.granularity import BLOCK, Groups, checked
from labkit.quantize.range_rules import range_rule
from labkit.quantize.rounding import round_to_integers


@dataclass(frozen=True, eq=False)
class Quantized:
    """A weight tensor as integers, with one scale a group.

    q: the codes, int8 up to 8 bits and int16 above, in the shape of the weights.
    scale: float32, the real size of one step: (1,) for "tensor", (channels,) for
    "channel", (channels, blocks) for "block". axis: the output channel's axis. block:
    the weights in a block, 32 or 64.
    """

    q: np.ndarray
    scale: np.ndarray
    bits: int
    granularity: str
    axis: int = 0
    block: int = BLOCK

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weights."""
        return self.q.shape

    @property
    def groups(self) -> Groups:
        """Which weights share a scale."""
        return Groups(self.shape, self.granularity, self.axis, self.block)

    def decode(self) -> np.ndarray:
        """w_hat = scale * q, float32, in the shape of the weights.

        >>> quantize([[0.5, -1.0, 0.2]], bits=2).decode().tolist()
        [[0.0, -1.0, 0.0]]
        """
        groups = self.groups
        return groups.tensor(groups.rows(self.q) * groups.spread(self.scale))

    def grid(self, group: int = 0) -> np.ndarray:
        """The 2**bits - 1 values that group number `group` can take, ascending float32.

        Groups are numbered as `scale.ravel()` lists them.

        >>> quantize([[0.5, -3.0, 0.2]], bits=3).grid().tolist()
        [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]
        """
        qmax = largest_code(self.bits)
        return np.arange(-qmax, qmax + 1, dtype=np.float32) * self.scale.ravel()[group]

    def members(self, w: np.ndarray, group: int = 0) -> np.ndarray:
        """The entries of `w` (an array of this shape) that lie in one group, (n,).

        >>> w = np.array([[1, 2], [3, 4]])
        >>> quantize(w, bits=8, granularity="channel").members(w, group=1).tolist()
        [3, 4]
        """
        return self.groups.members(np.asarray(w), group)


def quantize(
    w: np.ndarray,
    bits: int,
    granularity: str = "tensor",
    rule: str = "minmax",
    axis: int = 0,
    *,
    block: int = BLOCK,
    rounding: str = "half_even",
    rng: np.random.Generator | None = None,
) -> Quantized:
    """Weights -> their codes on the symmetric grid, q = round(w / scale), clipped.

    w: array of any shape, not empty, magnitudes at most 1e38, used as float32.
    bits: 2 to 16. axis: the output channel's axis (of depthwise kernels 3, else 0).
    granularity: "tensor" (one scale), "channel" (one an output channel) or "block" (one
    for each run of `block` weights of a channel, 32 or 64, its other axes flattened in
    order; the last block of a channel may be shorter).
    rule: one of RANGES, see `labkit.quantize.range_rules`. A group of zeros has scale
    1. rounding: one of ROUNDINGS, see `labkit.quantize.rounding`; "stochastic" takes
    its randomness from `rng`. Raises ValueError outside these. Source: Krishnamoorthi
    2018, arXiv:1806.08342, sec. 2.2.

    >>> quantized = quantize([[1.6, -3.0, 0.25]], bits=3)
    >>> quantized.q.tolist(), quantized.scale.tolist()
    ([[2, -3, 0]], [1.0])
    """
    qmax, scale_of, w = largest_code(bits), range_rule(rule), checked(w)
    groups = Groups(w.shape, granularity, axis, block)
    rows = groups.rows(w)
    scale = groups.scales(rows, lambda part: scale_of(part, qmax))
    codes = round_to_integers(rows / groups.spread(scale), rounding, rng)
    np.clip(codes, -qmax, qmax, out=codes)
    q = groups.tensor(codes.astype(code_type(bits)))
    q.flags.writeable = scale.flags.writeable = False
    return Quantized(q, scale, int(bits), granularity, axis, block)
