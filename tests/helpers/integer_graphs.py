"""Random int8 model files of a few operators.

`FAMILIES` maps a name to a function of a random generator that returns a file and the
arrays to feed it. No converter is involved: hundreds of graphs take a second.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from integer_builder import Builder

BATCH = 3


def _window(b: Builder, length: int) -> tuple[int, int, int, bool]:
    """Size, stride, dilation and padding of a window that fits into `length`."""
    same = bool(b.rng.integers(2))
    size = int(b.rng.integers(1, min(length, 5) + 1))
    stride = int(b.rng.integers(1, 4))
    dilation = int(b.rng.integers(1, 4)) if stride == 1 else 1
    if not same and (size - 1) * dilation + 1 > length:
        dilation = 1
    return size, stride, dilation, same


def _sliding(b: Builder, height: int, width: int, dilated: bool) -> tuple[dict, tuple]:
    """The options of a sliding window, and its size."""
    h, stride_h, dilation_h, same = _window(b, height)
    w, stride_w, dilation_w, _ = _window(b, width)
    if not dilated:
        dilation_h = dilation_w = 1
    if not same and (w - 1) * dilation_w + 1 > width:
        dilation_w = 1
    options = {
        "padding": schema.Padding.SAME if same else schema.Padding.VALID,
        "strideH": stride_h,
        "strideW": stride_w,
    }
    if dilated:
        options |= {"dilationHFactor": dilation_h, "dilationWFactor": dilation_w}
    return options, (h, w)


def _image(b: Builder, channels=None) -> tuple[int, tuple[int, int, int], float]:
    height, width, random_channels = b.sides()
    sides = (height, width, channels or random_channels)
    scale = b.scale()
    return b.input((BATCH, *sides), scale), sides, scale


def conv(rng, bits=8, groups=1):
    b = Builder(rng)
    seen = int(rng.integers(1, 5))
    x, (height, width, channels), scale = _image(b, seen * groups)
    options, (h, w) = _sliding(b, height, width, dilated=True)
    outputs = int(rng.integers(1, 9)) * groups
    per_channel = bool(rng.integers(2))
    kernel, bias, out_scale = b.weights(
        (outputs, h, w, seen), h * w * seen, 0, per_channel, scale, bits
    )
    out = b.codes((1, 1, 1, outputs), out_scale)
    options["fusedActivationFunction"] = b.fused()
    b.operator("CONV_2D", (x, kernel, bias), out, "Conv2DOptions", **options)
    return b.file(out)


def conv_grouped(rng):
    return conv(rng, groups=int(rng.integers(2, 4)))


def conv_4_bits(rng):
    return conv(rng, bits=4)


def depthwise(rng, bits=8):
    b = Builder(rng)
    x, (height, width, channels), scale = _image(b)
    options, (h, w) = _sliding(b, height, width, dilated=True)
    m = int(rng.integers(1, 4))
    kernel, bias, out_scale = b.weights(
        (1, h, w, channels * m), h * w, 3, bool(rng.integers(2)), scale, bits
    )
    out = b.codes((1, 1, 1, channels * m), out_scale)
    options |= {"fusedActivationFunction": b.fused(), "depthMultiplier": m}
    b.operator(
        "DEPTHWISE_CONV_2D", (x, kernel, bias), out, "DepthwiseConv2DOptions", **options
    )
    return b.file(out)


def depthwise_4_bits(rng):
    return depthwise(rng, bits=4)


def dense(rng, bits=8, zero_point=0):
    b = Builder(rng)
    inputs, outputs = (int(n) for n in rng.integers(1, 40, 2))
    leading = (BATCH,) if rng.integers(2) else (BATCH, int(rng.integers(1, 4)))
    scale = b.scale()
    x = b.input((*leading, inputs), scale)
    per_channel = bool(rng.integers(2)) and not zero_point
    kernel, bias, out_scale = b.weights(
        (outputs, inputs), inputs, 0, per_channel, scale, bits
    )
    if zero_point:
        b.graph.tensors[kernel].quantization.zeroPoint[:] = zero_point
    if rng.integers(4) == 0:
        bias = -1
    out = b.codes((1, outputs), out_scale)
    b.operator(
        "FULLY_CONNECTED", (x, kernel, bias), out, "FullyConnectedOptions",
        fusedActivationFunction=b.fused(), keepNumDims=bool(rng.integers(2)),
    )  # fmt: skip
    return b.file(out)


def dense_4_bits(rng):
    return dense(rng, bits=4)


def dense_with_zero_point(rng):
    return dense(rng, zero_point=int(rng.integers(-128, 128)))


def dense_deep(rng):
    """Sums beyond 2**24, brought back by the bias: float32 would have lost the ones."""
    b = Builder(rng)
    deep, tail, outputs = 600, 20, 5
    x = b.input((BATCH, deep + tail), 0.1, -128)
    codes = b.feeds[0]
    codes[:, :deep] = rng.integers(110, 128, deep)
    values = rng.integers(-1, 2, (outputs, deep + tail))
    values[:, :deep] = rng.integers(120, 128, (outputs, deep))
    common = values[:, :deep] @ (codes[0, :deep].astype(int) + 128)
    kernel = b.tensor(values.shape, scale=0.1, values=values)
    bias = b.tensor((outputs,), "INT32", 0.01, values=-common)
    out = b.codes((1, outputs), 0.01 / float(rng.uniform(0.1, 0.3)), 0)
    b.operator("FULLY_CONNECTED", (x, kernel, bias), out, "FullyConnectedOptions")
    return b.file(out)


def conv_wrapping(rng):
    """Sums that leave 32 bits: the accumulator starts again at the other end."""
    b = Builder(rng)
    x, (height, width, channels), scale = _image(b)
    values = rng.integers(-127, 128, (4, 1, 1, channels))
    kernel = b.tensor(values.shape, scale=0.01, values=values)
    ends = np.array([2**31 - 1, -(2**31), 2**31 - 5000, 5000 - 2**31])
    bias = b.tensor((4,), "INT32", scale * 0.01, values=ends)
    out = b.codes((1, 1, 1, 4), scale * 0.01 * 2.0 ** rng.uniform(22, 26))
    b.operator(
        "CONV_2D", (x, kernel, bias), out, "Conv2DOptions",
        strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip
    return b.file(out)


def _pair(b: Builder) -> tuple[int, int]:
    """Two int8 tensors whose shapes are equal or broadcast; one may be a constant."""
    shape = (BATCH, *b.sides())
    other = [side if b.rng.integers(3) else 1 for side in shape]
    other = other[int(b.rng.integers(0, 4)) :] if b.rng.integers(2) else list(shape)
    x = b.input(shape)
    if b.rng.integers(2) and len(other) < 4:
        values = b.rng.integers(-128, 128, other)
        y = b.tensor(other, scale=b.scale(), zero_point=b.zero_point(), values=values)
    else:
        y = b.input([BATCH, *other[1:]] if len(other) == 4 else [BATCH, 1, 1, 1])
    return (x, y) if b.rng.integers(2) else (y, x)


def _all_pairs(b: Builder) -> tuple[int, int]:
    """Two int8 tensors that broadcast to all 65,536 pairs of codes."""
    pair = b.input((256, 1)), b.input((1, 256))
    b.feeds[:] = [
        np.arange(-128, 128).astype(np.int8).reshape(x.shape) for x in b.feeds
    ]
    return pair


def add(rng, pair=_pair):
    b = Builder(rng)
    pair = pair(b)
    out = b.codes((1, 1, 1, 1))
    b.operator("ADD", pair, out, "AddOptions", fusedActivationFunction=b.fused())
    return b.file(out)


def add_all_pairs(rng):
    return add(rng, _all_pairs)


def mul(rng, pair=_pair):
    b = Builder(rng)
    pair = pair(b)
    out = b.codes((1, 1, 1, 1), float(2 ** rng.uniform(-5, 6)))
    b.operator("MUL", pair, out, "MulOptions", fusedActivationFunction=b.fused())
    return b.file(out)


def mul_all_pairs(rng):
    return mul(rng, _all_pairs)


def _pool(rng, kind):
    b = Builder(rng)
    x, (height, width, _), scale = _image(b)
    options, (h, w) = _sliding(b, height, width, dilated=False)
    options |= {"filterHeight": h, "filterWidth": w}
    zero_point = int(b.graph.tensors[x].quantization.zeroPoint[0])
    out = b.codes((1, 1, 1, 1), scale, zero_point)
    options["fusedActivationFunction"] = b.fused()
    b.operator(kind, (x,), out, "Pool2DOptions", **options)
    return b.file(out)


def max_pool(rng):
    return _pool(rng, "MAX_POOL_2D")


def average_pool(rng):
    return _pool(rng, "AVERAGE_POOL_2D")


def mean(rng):
    b = Builder(rng)
    x, _, scale = _image(b)
    same_grid = bool(rng.integers(2))
    axes = rng.permutation([1, 2, 3])[: int(rng.integers(1, 4))]
    axes = axes - 4 * rng.integers(2, size=len(axes))
    zero_point = int(b.graph.tensors[x].quantization.zeroPoint[0])
    grid = (scale, zero_point) if same_grid else (scale * 2 ** rng.uniform(-3, 2),)
    out = b.codes((1, 1), *grid)
    keep = bool(rng.integers(2))
    b.operator("MEAN", (x, b.integers(axes)), out, "ReducerOptions", keepDims=keep)
    return b.file(out)


def pad(rng):
    b = Builder(rng)
    x, _, scale = _image(b)
    grid = b.graph.tensors[x].quantization
    widths = rng.integers(0, 3, (4, 2))
    widths[0] = 0
    inputs = [x, b.integers(widths)]
    kind, options = "PAD", "PadOptions"
    if rng.integers(2):
        kind, options = "PADV2", "PadV2Options"
        value = rng.integers(-128, 128, 1)
        inputs.append(
            b.tensor((1,), scale=scale, zero_point=grid.zeroPoint[0], values=value)
        )
    out = b.codes((1, 1, 1, 1), scale, int(grid.zeroPoint[0]))
    b.operator(kind, inputs, out, options)
    return b.file(out)


def concatenation(rng):
    b = Builder(rng)
    scale, zero_point = b.scale(), b.zero_point()
    sides = [BATCH, *b.sides()]
    axis = int(rng.integers(1, 4))
    parts = []
    for _ in range(int(rng.integers(2, 5))):
        sides[axis] = int(rng.integers(1, 6))
        parts.append(b.input(tuple(sides), scale, zero_point))
    out = b.codes((1, 1, 1, 1), scale, zero_point)
    axis -= 4 * int(rng.integers(2))
    b.operator("CONCATENATION", parts, out, "ConcatenationOptions", axis=axis)
    return b.file(out)


def flatten(rng):
    """Keras' Flatten: the shape is computed from the number of images."""
    b = Builder(rng)
    x, sides, scale = _image(b)
    zero_point = int(b.graph.tensors[x].quantization.zeroPoint[0])
    shape = b.operator(
        "SHAPE", (x,), b.tensor((4,), "INT32"), "ShapeOptions", outType=2
    )
    ends = (b.integers([0]), b.integers([1]), b.integers([1]))
    count = b.operator(
        "STRIDED_SLICE", (shape, *ends), b.tensor((), "INT32"), "StridedSliceOptions",
        shrinkAxisMask=1,
    )  # fmt: skip
    rest = b.integers(-1) if rng.integers(2) else b.integers(np.prod(sides))
    target = b.operator(
        "PACK", (count, rest), b.tensor((2,), "INT32"), "PackOptions",
        valuesCount=2, axis=0,
    )  # fmt: skip
    out = b.codes((1, int(np.prod(sides))), scale, zero_point)
    b.operator("RESHAPE", (x, target), out, "ReshapeOptions", newShape=[])
    return b.file(out)


def reshape(rng):
    b = Builder(rng)
    x, (height, width, channels), scale = _image(b)
    zero_point = int(b.graph.tensors[x].quantization.zeroPoint[0])
    choices = [[BATCH, -1], [-1, channels], [BATCH, width, height * channels]]
    target = choices[int(rng.integers(3))]
    out = b.codes((1, 1), scale, zero_point)
    b.operator(
        "RESHAPE", (x, b.integers(target)), out, "ReshapeOptions", newShape=target
    )
    return b.file(out)


def pack(rng):
    b = Builder(rng)
    scale, zero_point = b.scale(), b.zero_point()
    sides = (BATCH, *b.sides()[1:])
    count, axis = int(rng.integers(1, 4)), int(rng.integers(-3, 4))
    parts = [b.input(sides, scale, zero_point) for _ in range(count)]
    out = b.codes((1, 1, 1, 1), scale, zero_point)
    b.operator("PACK", parts, out, "PackOptions", valuesCount=count, axis=axis)
    return b.file(out)


def strided_slice(rng):
    b = Builder(rng)
    x, sides, scale = _image(b)
    zero_point = int(b.graph.tensors[x].quantization.zeroPoint[0])
    lengths = np.array((BATCH, *sides))
    begin = rng.integers(-lengths, lengths)
    end = rng.integers(-lengths - 2, lengths + 3)
    step = rng.choice([-2, -1, 1, 2], 4)
    begin_mask, end_mask = (int(rng.integers(16)) for _ in range(2))
    shrink = int(rng.choice([0, 0, 2, 8]))
    if rng.integers(4) == 0:
        extra = {"ellipsisMask": 2} if rng.integers(2) else {"newAxisMask": 1}
    else:
        extra = {}
    for k in range(4):  # LiteRT refuses to put out an empty tensor
        taken = range(int(lengths[k]))[
            slice(
                None if begin_mask >> k & 1 else int(begin[k]),
                None if end_mask >> k & 1 else int(end[k]),
                int(step[k]),
            )
        ]
        if not taken:
            begin_mask, end_mask = begin_mask | 1 << k, end_mask | 1 << k
        if shrink >> k & 1:
            step[k] = 1
    if extra:
        begin_mask = end_mask = 15
        shrink = 0
    out = b.codes((1, 1, 1, 1), scale, zero_point)
    b.operator(
        "STRIDED_SLICE",
        (x, b.integers(begin), b.integers(end), b.integers(step)),
        out, "StridedSliceOptions", beginMask=begin_mask, endMask=end_mask,
        shrinkAxisMask=shrink, **extra,
    )  # fmt: skip
    return b.file(out)


def _unary(rng, kind, scale=None, zero_point=None, options=None, **settings):
    """An operator of one code, fed with all of them."""
    b = Builder(rng)
    x = b.input((2, 16, 8))
    b.feeds[0] = rng.permutation(256).astype(np.uint8).view(np.int8).reshape(2, 16, 8)
    out = b.codes((1, 1, 1, 1), scale, zero_point)
    b.operator(kind, (x,), out, options, **settings)
    return b.file(out)


def relu(rng):
    return _unary(rng, "RELU")


def relu6(rng):
    return _unary(rng, "RELU6")


def requantize(rng):
    return _unary(rng, "QUANTIZE", options="QuantizeOptions")


def logistic(rng):
    return _unary(rng, "LOGISTIC", 1 / 256, -128)


def softmax(rng):
    beta = float(rng.choice([1.0, 0.5, 2.0]))
    return _unary(rng, "SOFTMAX", 1 / 256, -128, "SoftmaxOptions", beta=beta)


def both_ends(rng):
    """float32 -> QUANTIZE -> DEQUANTIZE, with halves, large and tiny numbers."""
    b = Builder(rng)
    scale, zero_point = b.scale(), b.zero_point()
    halves = (rng.integers(-300, 300, (BATCH, 50)) + 0.5) * np.float32(scale)
    x = rng.normal(size=(BATCH, 50)) * scale * 10.0 ** rng.integers(-6, 4, (BATCH, 50))
    x = b.float_input(np.concatenate([halves, x], axis=1))
    q = b.operator(
        "QUANTIZE", (x,), b.codes((1, 1), scale, zero_point), "QuantizeOptions"
    )
    out = b.tensor((1, 1), "FLOAT32")
    b.operator("DEQUANTIZE", (q,), out, "DequantizeOptions")
    return b.file(q, out)


def _convolved(b: Builder, x: int, sides, stride: int = 1, depthwise=False) -> int:
    """A 3 x 3 convolution, padded so that the sides are divided by the stride."""
    height, width, channels = sides
    scale = b.graph.tensors[x].quantization.scale[0]
    shape = (1, 3, 3, channels) if depthwise else (channels, 3, 3, channels)
    kernel, bias, out_scale = b.weights(
        shape, 9 if depthwise else 9 * channels, 3 if depthwise else 0, True, scale
    )
    out = b.codes(
        (BATCH, -(-height // stride), -(-width // stride), channels), out_scale
    )
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    options = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
    return b.operator(
        kind, (x, kernel, bias), out, options, strideH=stride, strideW=stride,
        dilationHFactor=1, dilationWFactor=1, padding=schema.Padding.SAME,
        fusedActivationFunction=b.fused(),
    )  # fmt: skip


def _pooled(b: Builder, x: int, shape, stride: int) -> int:
    grid = b.graph.tensors[x].quantization
    out = b.codes(shape, grid.scale[0], int(grid.zeroPoint[0]))
    return b.operator(
        "MAX_POOL_2D", (x,), out, "Pool2DOptions", strideH=stride, strideW=stride,
        filterHeight=3, filterWidth=3, padding=schema.Padding.SAME,
    )  # fmt: skip


def chain(rng):
    """Half a dozen layers with branches, then MEAN, a dense layer and softmax."""
    b = Builder(rng)
    x, sides, _ = _image(b, channels=4)
    for step in rng.choice(["conv", "depthwise", "add", "pool", "slice", "join"], 6):
        height, width, channels = sides
        if step == "conv":
            x = _convolved(b, x, sides, stride=2)
            sides = (-(-height // 2), -(-width // 2), channels)
        elif step == "depthwise":
            x = _convolved(b, x, sides, depthwise=True)
        elif step == "add":
            y = _convolved(b, x, sides)
            scales = [b.graph.tensors[k].quantization.scale[0] for k in (x, y)]
            out = b.codes((BATCH, *sides), sum(scales) / 2)
            x = b.operator("ADD", (x, y), out, "AddOptions")
        elif step == "pool":
            sides = (-(-height // 2), -(-width // 2), channels)
            x = _pooled(b, x, (BATCH, *sides), stride=2)
        elif step == "slice" and width > 1:
            grid = b.graph.tensors[x].quantization
            sides = (height, width - 1, channels)
            out = b.codes((BATCH, *sides), grid.scale[0], int(grid.zeroPoint[0]))
            ends = [b.integers(v) for v in ([0] * 4, [0, 0, -1, 0], [1] * 4)]
            x = b.operator(
                "STRIDED_SLICE", (x, *ends), out, "StridedSliceOptions",
                beginMask=15, endMask=11,
            )  # fmt: skip
        elif step == "join" and channels < 16:
            y = _pooled(b, x, (BATCH, *sides), stride=1)
            grid = b.graph.tensors[x].quantization
            sides = (height, width, 2 * channels)
            out = b.codes((BATCH, *sides), grid.scale[0], int(grid.zeroPoint[0]))
            x = b.operator("CONCATENATION", (x, y), out, "ConcatenationOptions", axis=3)
    scale = b.graph.tensors[x].quantization.scale[0]
    pooled = b.codes((BATCH, sides[2]), scale / 2)
    x = b.operator("MEAN", (x, b.integers([1, 2])), pooled, "ReducerOptions")
    kernel, bias, out_scale = b.weights((5, sides[2]), sides[2], 0, True, scale / 2)
    x = b.operator(
        "FULLY_CONNECTED", (x, kernel, bias), b.codes((BATCH, 5), out_scale),
        "FullyConnectedOptions",
    )  # fmt: skip
    out = b.codes((BATCH, 5), 1 / 256, -128)
    b.operator("SOFTMAX", (x,), out, "SoftmaxOptions", beta=1.0)
    return b.file(out)


FAMILIES = {
    function.__name__: function
    for function in (
        conv, conv_grouped, conv_4_bits, conv_wrapping, depthwise, depthwise_4_bits,
        dense, dense_4_bits, dense_with_zero_point, dense_deep, add, add_all_pairs, mul,
        mul_all_pairs, max_pool, average_pool, mean, pad, concatenation, flatten,
        reshape, pack, strided_slice, relu, relu6, requantize, logistic, softmax,
        both_ends, chain,
    )
}  # fmt: skip
