"""Uniform quantization: real numbers to small integers and back.

Two grids of `bits`-bit integers are used, as in LiteRT:

* affine, for activations and the number line: `labkit.quantize.affine`;
* symmetric, for weights: w_hat = scale * q, q from -(2**(bits-1) - 1) to
  2**(bits-1) - 1, one code fewer, so that the range is the same on both sides of 0
  (LiteRT 8-bit quantization specification, "Symmetric vs asymmetric").

`quantize_per_tensor` is the method in full, for one tensor and one scale. `quantize` is
the same by groups: sets of weights that share a scale, see
`labkit.quantize.granularity`. Grids with other levels are in
`labkit.quantize.level_grids`.
"""

from dataclasses import dataclass

import numpy as np

from labkit.quantize.affine import code_type, largest_code
from labkit.quantize.granularity import BLOCK, Granularity, checked
from labkit.quantize.grouped_codes import GroupedCodes
from labkit.quantize.range_rules import range_rule
from labkit.quantize.rounding import round_to_integers


def quantize_per_tensor(w: np.ndarray, bits: int) -> tuple[np.ndarray, np.float32]:
    """Weights -> integer codes of `bits` bits and one scale, w about scale * codes.

    The largest magnitude has the largest code, so that nothing is clipped and no weight
    moves by more than half a step, scale / 2.

    >>> codes, scale = quantize_per_tensor([[1.6, -3.0, 0.25]], bits=3)
    >>> codes.tolist(), scale.item()    # codes from -3 to 3, steps of 3.0 / 3
    ([[2, -3, 0]], 1.0)
    >>> (scale * codes).tolist()
    [[2.0, -3.0, 0.0]]

    w, bits, and the codes' type: as for `quantize`.
    """
    w = checked(w)
    qmax = largest_code(bits)
    scale = np.abs(w).max() / np.float32(qmax)
    if scale == 0:
        scale = np.float32(1)
    codes = np.rint(w / scale)
    codes = np.clip(codes, -qmax, qmax)
    return codes.astype(code_type(bits)), scale


# The same by groups


@dataclass(frozen=True, eq=False)
class Quantized(GroupedCodes):
    """A weight tensor as integers, with one scale a group: w_hat = scale * q.

    >>> quantized = quantize([[0.5, -1.0, 0.2]], bits=2)
    >>> quantized.q.tolist(), quantized.decode().tolist(), quantized.grid().tolist()
    ([[0, -1, 0]], [[0.0, -1.0, 0.0]], [-1.0, 0.0, 1.0])

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
    def unscaled(self) -> np.ndarray:
        """The codes are the values in steps of the scale."""
        return self.q

    @property
    def levels_of_grid(self) -> np.ndarray:
        """The 2**bits - 1 codes."""
        qmax = largest_code(self.bits)
        return np.arange(-qmax, qmax + 1, dtype=np.float32)


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

    >>> quantized = quantize([[1.6, -3.0, 0.25], [0.4, 0.75, -0.5]], 3, "channel")
    >>> quantized.q.tolist(), quantized.scale.tolist()    # a scale a channel
    ([[2, -3, 0], [2, 3, -2]], [1.0, 0.25])

    w: array of any shape, not empty, magnitudes at most 1e38, used as float32.
    bits: 2 to 16. axis: the output channel's axis (of depthwise kernels 3, else 0).
    granularity: "tensor" (one scale), "channel" (one an output channel) or "block" (one
    for each run of `block` weights of a channel, 32 or 64, its other axes flattened in
    order; the last block of a channel may be shorter).
    rule: one of RANGES, see `labkit.quantize.range_rules`. A group of zeros has scale
    1. rounding: one of ROUNDINGS, see `labkit.quantize.rounding`; "stochastic" takes
    its randomness from `rng`. Raises ValueError outside these. Source: Krishnamoorthi
    2018, arXiv:1806.08342, sec. 2.2.
    """
    qmax, scale_of, w = largest_code(bits), range_rule(rule), checked(w)
    groups = Granularity(w.shape, granularity, axis, block)
    scale = groups.scales(w, lambda part: scale_of(part, qmax))
    codes = round_to_integers(groups.rows(w) / groups.spread(scale), rounding, rng)
    np.clip(codes, -qmax, qmax, out=codes)
    q = groups.tensor(codes.astype(code_type(bits)))
    q.flags.writeable = scale.flags.writeable = False
    return Quantized(q, scale, int(bits), granularity, axis, block)
