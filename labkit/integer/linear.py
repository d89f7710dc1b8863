"""Layers with weights: int8 x int8 products summed in int32, rescaled to int8.

With S for a scale, Z for a zero point, w for kernel codes and q for input codes

    accumulator = sum w * (q - Z_in) + bias,   output = Z_out + M * accumulator

(Jacob et al. 2018, arXiv:1712.05877, eq. 4 and sec. 2.4; M as in `fixed_point`).
Padding is the real number 0, whose q - Z_in is 0.
"""

from collections.abc import Callable

import numpy as np

from labkit.integer.fixed_point import INT8_MAX, INT8_MIN, saturate
from labkit.integer.program import Operation, Tensor
from labkit.integer.rescaling import (
    Arithmetic,
    Multiplier,
    in_blocks,
    output_range,
)
from labkit.integer.windows import Windows, chunks

EXACT_BELOW = {np.float32: 2**24, np.float64: 2**53}


def sum_type(kernel: np.ndarray, zero_point: int) -> type:
    """The narrowest float type in which the sums of a layer are exact.

    kernel: integers (outputs, …). zero_point: of the layer's int8 inputs.
    Floats are used because only they have fast matrix products. Every partial sum, in
    whatever order it is formed, is a whole number of at most
    max |q - zero_point| * sum |w|, and a float type is exact for whole numbers up to
    a bound: 2**24 or 2**53.

    >>> sum_type(np.full((1, 500), 127), zero_point=-128).__name__     # 255 * 63,500
    'float32'
    >>> sum_type(np.full((1, 600), 127), zero_point=-128).__name__
    'float64'
    """
    farthest = max(INT8_MAX - zero_point, zero_point - INT8_MIN)
    weights = np.abs(kernel.astype(np.int64)).reshape(len(kernel), -1).sum(axis=1)
    largest = farthest * int(weights.max(initial=0))
    return np.float32 if largest <= EXACT_BELOW[np.float32] else np.float64


def as_int32(sums: np.ndarray) -> np.ndarray:
    """Whole numbers in float as int32; beyond 32 bits they wrap, as a register does."""
    integers = sums.astype(np.int32 if sums.dtype == np.float32 else np.int64)
    return integers.astype(np.int32, copy=False)


def fully_connected(op: Operation) -> Arithmetic:
    """FULLY_CONNECTED: kernel (out, in), with one scale or one for each output.

    LiteRT's reference kernel rescales in integers for every other operator; for this
    one it multiplies by M in float64 and rounds once (LiteRT issue 8567).
    """
    grid, kernel, bias = op.codes(0), *_weights(op, axis=0)
    if op.option("weightsFormat"):
        raise op.refusal("its weights are shuffled: make the file anew")
    integers = kernel.values.astype(np.int32)
    if len(kernel.scales) == 1:
        integers -= kernel.zero_point
    multiplier = Multiplier.of(_ratio(op))
    how = "float" if op.rounding == "reference" else op.rounding
    dtype = sum_type(integers, grid.zero_point)
    matrix = np.ascontiguousarray(integers.T, dtype)
    to_codes = _requantizer(op, multiplier, how)

    def compute(q):
        rows = q.reshape(-1, len(matrix)).astype(dtype) - dtype(grid.zero_point)
        codes = to_codes(as_int32(rows @ matrix) + bias)
        kept = q.shape[:-1] if op.options.keepNumDims else (len(codes),)
        return codes.reshape(*kept, -1)

    return Arithmetic(compute, (0,), (multiplier,), kernel.values, bias)


def conv_2d(op: Operation) -> Arithmetic:
    """CONV_2D: kernel (out, height, width, in), as one matrix product on patches.

    An `in` that is a part of the image's channels makes a grouped convolution.
    """
    grid, kernel, bias = op.codes(0), *_weights(op, axis=0)
    integers = _ungrouped(kernel.values, grid.shape[-1])
    windows = Windows.of(op, *integers.shape[1:3])
    multiplier = Multiplier.of(_ratio(op))
    dtype = sum_type(integers, grid.zero_point)
    matrix = np.ascontiguousarray(integers.reshape(len(integers), -1).T, dtype)
    to_codes = _requantizer(op, multiplier, op.integer_rounding)

    def compute(q):
        height, width = windows.output_lengths(q)
        codes = np.empty((len(q), height, width, len(bias)), np.int8)
        for some in chunks(len(q), height * width * matrix[:, 0].nbytes):
            steps = q[some].astype(dtype) - dtype(grid.zero_point)
            patches = np.ascontiguousarray(windows.view(steps))
            sums = as_int32(patches.reshape(-1, len(matrix)) @ matrix)
            codes[some] = to_codes(sums + bias).reshape(codes[some].shape)
        return codes

    return Arithmetic(compute, (0,), (multiplier,), kernel.values, bias)


def depthwise_conv_2d(op: Operation) -> Arithmetic:
    """DEPTHWISE_CONV_2D: kernel (1, height, width, channels * m).

    Channel c of the image makes channels m * c … m * c + m - 1 of the output.
    """
    grid, kernel, bias = op.codes(0), *_weights(op, axis=3)
    outputs = len(bias)
    windows = Windows.of(op, *kernel.shape[1:3])
    multiplier = Multiplier.of(_ratio(op))
    dtype = sum_type(kernel.values.reshape(-1, outputs).T, grid.zero_point)
    pixels = kernel.shape[1] * kernel.shape[2]
    taps = kernel.values.reshape(pixels, grid.shape[-1], -1).astype(dtype)
    to_codes = _requantizer(op, multiplier, op.integer_rounding)

    def compute(q):
        height, width = windows.output_lengths(q)
        codes = np.empty((len(q), height, width, outputs), np.int8)
        for some in chunks(len(q), height * width * taps[0].nbytes):
            steps = q[some].astype(dtype) - dtype(grid.zero_point)
            seen = windows.taps(steps)
            sums = sum(x[..., None] * w for x, w in zip(seen, taps, strict=True))
            rows = as_int32(sums).reshape(-1, outputs) + bias
            codes[some] = to_codes(rows).reshape(codes[some].shape)
        return codes

    return Arithmetic(compute, (0,), (multiplier,), kernel.values, bias)


def _weights(op: Operation, axis: int) -> tuple[Tensor, np.ndarray]:
    """The kernel, with its scales along `axis` if it has several, and the bias."""
    kernel, bias = op.constant(1), op.constant(2)
    if kernel.type not in ("INT8", "INT4") or kernel.sparse:
        kind = "sparse" if kernel.sparse else kernel.type.lower()
        raise op.refusal(f"its kernel is {kind}: known are dense int8 and int4")
    per_channel = len(kernel.scales) == kernel.shape[axis] and kernel.axis == axis
    if len(kernel.scales) != 1 and not per_channel:
        raise op.refusal(
            f"its kernel has {len(kernel.scales)} scales: known are one, or one for "
            f"each of its {kernel.shape[axis]} outputs"
        )
    symmetric = op.kind == "FULLY_CONNECTED" and len(kernel.scales) == 1
    if kernel.zero_points.any() and not symmetric:
        raise op.refusal("the zero points of its kernel are not all 0")
    if bias is None:
        return kernel, np.zeros(kernel.shape[axis], np.int32)
    if bias.type != "INT32":
        raise op.refusal(f"its bias is {bias.type.lower()}, not int32")
    return kernel, bias.values.reshape(-1)


def _ratio(op: Operation) -> np.ndarray:
    """M = input scale * kernel scale / output scale, float64 (1,) or (outputs,)."""
    x, kernel = (np.float64(op.inputs[k].scales) for k in (0, 1))
    return x * kernel / np.float64(op.output.scale)


def _requantizer(
    op: Operation, multiplier: Multiplier, rounding: str
) -> Callable[[np.ndarray], np.ndarray]:
    """int32 (rows, outputs) -> the output's codes."""
    zero_point = op.output_codes().zero_point
    lo, hi = output_range(op, op.activation)

    def codes(accumulators):
        return saturate(multiplier.times(accumulators, rounding), zero_point, lo, hi)

    return lambda accumulators: in_blocks(accumulators, codes)


def _ungrouped(kernel: np.ndarray, channels: int) -> np.ndarray:
    """A grouped kernel as a full one: zeros between a group and other channels."""
    outputs, height, width, seen = kernel.shape
    if seen == channels:
        return kernel
    groups = channels // seen
    full = np.zeros((groups, outputs // groups, height, width, groups, seen), np.int8)
    for k, part in enumerate(np.split(kernel, groups)):
        full[k, ..., k, :] = part
    return full.reshape(outputs, height, width, channels)


OPERATORS = {
    "FULLY_CONNECTED": fully_connected,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
}
