"""Operators that look at one code, or two, at a time.

An int8 code has 256 values and a pair of codes 65,536, so these layers evaluate their
integer arithmetic once for every possible input and then only look it up.
"""

import numpy as np

from labkit.integer.fixed_point import round_half_away, saturate
from labkit.integer.program import Operation
from labkit.integer.rescaling import (
    Arithmetic,
    Multiplier,
    look_up,
    look_up_pair,
    output_range,
    pair_table,
    table,
)

ADD_SHIFT = 20  # bits of fraction that ADD gives to both of its inputs


def add(op: Operation) -> Arithmetic:
    """ADD, with broadcasting: two grids are brought onto a common one, then a third.

    Each input gets 20 bits of fraction and is scaled by scale / (2 * larger scale), so
    that the sum of two int8 numbers cannot leave its 32 bits.
    """
    a, b, out = op.codes(0), op.codes(1), op.output_codes()
    common = 2 * np.float64(max(a.scale, b.scale))
    first = Multiplier.of(a.scale / common)
    second = Multiplier.of(b.scale / common)
    last = Multiplier.of(common / (2.0**ADD_SHIFT * np.float64(out.scale)))
    lo, hi = output_range(op, op.activation)

    def aligned(q, zero_point, multiplier):
        shifted = (q.astype(np.int32) - zero_point) << ADD_SHIFT
        return multiplier.times(shifted, op.integer_rounding)

    def codes(p, q):
        total = aligned(p, a.zero_point, first) + aligned(q, b.zero_point, second)
        return saturate(last.times(total, op.integer_rounding), out.zero_point, lo, hi)

    sums = pair_table(codes)
    return Arithmetic(
        lambda p, q: look_up_pair(sums, p, q), (0, 1), (first, second, last)
    )


def mul(op: Operation) -> Arithmetic:
    """MUL, with broadcasting: M = scale * scale / output scale, in float32."""
    a, b, out = op.codes(0), op.codes(1), op.output_codes()
    multiplier = Multiplier.of(a.scale * b.scale / out.scale)
    lo, hi = output_range(op, op.activation)

    def codes(p, q):
        steps = p.astype(np.int32) - a.zero_point
        product = steps * (q.astype(np.int32) - b.zero_point)
        return saturate(
            multiplier.times(product, op.integer_rounding), out.zero_point, lo, hi
        )

    products = pair_table(codes)
    return Arithmetic(lambda p, q: look_up_pair(products, p, q), (0, 1), (multiplier,))


def relu(op: Operation) -> Arithmetic:
    """RELU and RELU6 as layers of their own, between two grids."""
    ratio = np.float64(op.codes(0).scale / op.output_codes().scale)  # in float32
    return _regrid(op, Multiplier.of(ratio), *output_range(op, op.kind))


def quantize(op: Operation) -> Arithmetic:
    """QUANTIZE: float32 -> int8, or int8 from one grid to another."""
    out = op.output_codes()
    if op.inputs[0].type != "FLOAT32":
        ratio = np.float64(op.codes(0).scale) / np.float64(out.scale)
        return _regrid(op, Multiplier.of(ratio), *output_range(op, "NONE"))

    def compute(x):
        return saturate(round_half_away(x / out.scale), out.zero_point)

    return Arithmetic(compute)


def dequantize(op: Operation) -> Arithmetic:
    """DEQUANTIZE: int8 -> float32, r = scale * (q - zero_point)."""
    grid = op.codes(0)
    if op.output.type != "FLOAT32":
        raise op.refusal(f"its output is {op.output.type.lower()}, not float32")

    def real(q):
        return grid.scale * (q.astype(np.float32) - np.float32(grid.zero_point))

    reals = table(real)
    return Arithmetic(lambda q: look_up(reals, q))


def _regrid(op: Operation, multiplier: Multiplier, lo: int, hi: int) -> Arithmetic:
    """From the input's grid to the output's, and clipped."""
    grid, out = op.codes(0), op.output_codes()

    def codes(q):
        steps = q.astype(np.int32) - grid.zero_point
        return saturate(
            multiplier.times(steps, op.integer_rounding), out.zero_point, lo, hi
        )

    regridded = table(codes)
    return Arithmetic(lambda q: look_up(regridded, q), multipliers=(multiplier,))


OPERATORS = {
    "ADD": add,
    "MUL": mul,
    "RELU": relu,
    "RELU6": relu,
    "QUANTIZE": quantize,
    "DEQUANTIZE": dequantize,
}
