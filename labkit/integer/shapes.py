"""Operators that move codes and compute shapes, without arithmetic.

Keras' Flatten becomes SHAPE, STRIDED_SLICE, PACK and RESHAPE, so that a file can run
with any number of images: the shape is computed from the images.
"""

import numpy as np

from labkit.integer.program import Operation
from labkit.integer.rescaling import Arithmetic


def pad(op: Operation) -> Arithmetic:
    """PAD with the real number 0, whose code is the zero point, and PADV2 with any."""
    op.codes(0)
    value = op.output_codes().zero_point
    if len(op.inputs) > 2 and op.inputs[2] is not None:
        value = op.constant(2).values.item()
    widths = op.constant(1).values.tolist()
    return Arithmetic(lambda q: np.pad(q, widths, constant_values=value))


def concatenation(op: Operation) -> Arithmetic:
    """CONCATENATION of tensors that lie on one grid."""
    out = op.output
    for tensor in op.inputs:
        same = np.array_equal(tensor.scales, out.scales)
        if not same or not np.array_equal(tensor.zero_points, out.zero_points):
            raise op.refusal("its inputs lie on different grids: LiteRT refuses it too")
    if op.activation != "NONE":
        raise op.refusal(f"it has the fused activation {op.activation}")
    axis = op.option("axis")
    every = tuple(range(len(op.inputs)))
    return Arithmetic(lambda *parts: np.concatenate(parts, axis=axis), every)


def reshape(op: Operation) -> Arithmetic:
    """RESHAPE to a shape that is constant, computed, or an option (in old files)."""
    if len(op.inputs) == 1:
        shape = [int(side) for side in op.option("newShape")]
        return Arithmetic(lambda x: x.reshape(shape))
    if op.inputs[1].values is not None:
        shape = op.inputs[1].values.tolist()
        return Arithmetic(lambda x: x.reshape(shape))
    return Arithmetic(lambda x, shape: x.reshape(shape.tolist()), reads=(0, 1))


def shape(op: Operation) -> Arithmetic:
    """SHAPE: the sides of a tensor, int32."""
    if op.output.type != "INT32":
        raise op.refusal(f"its output is {op.output.type.lower()}, not int32")
    return Arithmetic(lambda x: np.array(x.shape, np.int32))


def pack(op: Operation) -> Arithmetic:
    """PACK: equal shapes stacked along a new axis."""
    axis = op.option("axis")
    every = tuple(range(len(op.inputs)))
    return Arithmetic(lambda *parts: np.stack(parts, axis=axis), every)


def strided_slice(op: Operation) -> Arithmetic:
    """STRIDED_SLICE: Python's x[begin:end:step, …, None, 3] with the same rules."""
    if op.option("offset"):
        raise op.refusal("its ends are counted from its beginnings (offset)")
    begin, end, step = (op.constant(k).values.tolist() for k in (1, 2, 3))
    index = []
    for k in range(len(begin)):
        if op.options.ellipsisMask >> k & 1:
            index.append(...)
        elif op.options.newAxisMask >> k & 1:
            index.append(None)
        elif op.options.shrinkAxisMask >> k & 1:
            index.append(0 if op.options.beginMask >> k & 1 else begin[k])
        else:
            start = None if op.options.beginMask >> k & 1 else begin[k]
            stop = None if op.options.endMask >> k & 1 else end[k]
            index.append(slice(start, stop, step[k]))
    return Arithmetic(lambda x: np.asarray(x[tuple(index)]))


OPERATORS = {
    "PAD": pad,
    "PADV2": pad,
    "CONCATENATION": concatenation,
    "RESHAPE": reshape,
    "SHAPE": shape,
    "PACK": pack,
    "STRIDED_SLICE": strided_slice,
}
