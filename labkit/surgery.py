"""Edits that change a model file's graph: bytes in, bytes out.

Each function unpacks the flatbuffer into objects, changes them, drops what nothing
refers to any more and packs the file anew. `position` is the operator's place in the
order they run. `labkit.network.Network` wraps these with layer names.
"""

from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from labkit.graph import KERNEL_KINDS, NetworkError

_KINDS = {
    value: key for key, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}
_SAME_CHANNELS = {
    "RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH",
    "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN",
}
_NO_ACTIVATION = schema.ActivationFunctionType.NONE


class _AlignedBuilder(flatbuffers.Builder):
    """Weights start at multiples of 16 bytes, as LiteRT's schema demands."""

    def CreateNumpyVector(self, x):  # noqa: N802 (flatbuffers' name)
        if x.dtype != np.uint8:
            return super().CreateNumpyVector(x)
        self.StartVector(1, x.size, 16)
        self.head = self.Head() - x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        self.vectorNumElems = x.size
        return self.EndVector()


def unpack(content: bytes) -> schema.ModelT:
    """The file as a tree of objects."""
    return schema.ModelT.InitFromPackedBuf(content, 0)


def pack(model: schema.ModelT) -> bytes:
    """The tree as a file; unreferenced tensors and buffers are left out."""
    _compact(model)
    builder = _AlignedBuilder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _compact(model: schema.ModelT) -> None:
    graph = model.subgraphs[0]
    used = {int(i) for ends in (graph.inputs, graph.outputs) for i in ends}
    for operator in graph.operators:
        used |= {int(i) for i in (*operator.inputs, *operator.outputs) if i >= 0}
    new = {old: k for k, old in enumerate(sorted(used))}
    graph.tensors = [graph.tensors[old] for old in sorted(used)]
    graph.inputs = [new[int(i)] for i in graph.inputs]
    graph.outputs = [new[int(i)] for i in graph.outputs]
    for operator in graph.operators:
        operator.inputs = [new.get(int(i), -1) for i in operator.inputs]
        operator.outputs = [new[int(i)] for i in operator.outputs]
    for definition in model.signatureDefs or []:
        for entry in definition.inputs + definition.outputs:
            entry.tensorIndex = new.get(entry.tensorIndex, entry.tensorIndex)
    _compact_buffers(model)


def _compact_buffers(model: schema.ModelT) -> None:
    """Buffer 0 is the empty one; every tensor without data points to it."""
    holders = [*model.subgraphs[0].tensors, *(model.metadata or [])]
    buffers, new = [schema.BufferT()], {0: 0}
    for holder in holders:
        old = holder.buffer
        data = model.buffers[old].data
        if old not in new:
            new[old] = 0 if data is None or len(data) == 0 else len(buffers)
            if new[old]:
                buffers.append(model.buffers[old])
        holder.buffer = new[old]
    model.buffers = buffers


def kind(model: schema.ModelT, operator: schema.OperatorT) -> str:
    """LiteRT's name of an operator."""
    code = model.operatorCodes[operator.opcodeIndex]
    return _KINDS[max(code.builtinCode, code.deprecatedBuiltinCode)]


def array(model: schema.ModelT, index: int) -> np.ndarray | None:
    """A constant tensor as an array (float32 or int32), or None where it is computed."""
    tensor = model.subgraphs[0].tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0:
        return None
    dtypes = {schema.TensorType.FLOAT32: "<f4", schema.TensorType.INT32: "<i4"}
    if tensor.type not in dtypes:
        raise NetworkError("only float32 networks can be edited: start from the float file")
    shape = [] if tensor.shape is None else [int(side) for side in tensor.shape]
    return np.asarray(data, np.uint8).view(dtypes[tensor.type]).reshape(shape)


def _add_constant(model: schema.ModelT, name: str, values: np.ndarray) -> int:
    """Append a constant tensor with its buffer; returns the tensor's index."""
    if not np.isfinite(values).all():
        raise NetworkError(f"the new {name} has values that are not finite: mend them first")
    is_float = values.dtype.kind == "f"
    values = np.asarray(values, "<f4" if is_float else "<i4", order="C")
    tensor = schema.TensorT()
    tensor.name, tensor.shape = name.encode(), list(values.shape)
    tensor.type = schema.TensorType.FLOAT32 if is_float else schema.TensorType.INT32
    tensor.buffer, tensor.hasRank = len(model.buffers), True
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def _replace_input(model, operator, position: int, values: np.ndarray) -> None:
    """Give one operator a changed copy of a constant, leaving other users of it alone."""
    old = model.subgraphs[0].tensors[operator.inputs[position]]
    inputs = [int(i) for i in operator.inputs]
    inputs[position] = _add_constant(model, old.name.decode(), values)
    operator.inputs = inputs


def _set_last_side(model, index: int, side: int) -> None:
    tensor = model.subgraphs[0].tensors[index]
    tensor.shape = [*tensor.shape[:-1], side]
    if tensor.shapeSignature is not None and len(tensor.shapeSignature):
        tensor.shapeSignature = [*tensor.shapeSignature[:-1], side]


def _consumers(model, index: int) -> list[schema.OperatorT]:
    return [op for op in model.subgraphs[0].operators if index in list(op.inputs)]


def ending_before(content: bytes, position: int) -> bytes | None:
    """The network up to the input of one operator; None where that is the network's."""
    model = unpack(content)
    graph = model.subgraphs[0]
    wanted = int(graph.operators[position].inputs[0])
    if wanted in [int(i) for i in graph.inputs]:
        return None
    graph.operators = graph.operators[:position]
    graph.outputs = [wanted]
    model.signatureDefs = []
    return pack(model)


Part = tuple[np.ndarray, np.ndarray | None]


def replace_layer(content: bytes, position: int, name: str, parts: Sequence[Part]) -> bytes:
    """Run several layers of the same kind in place of one.

    parts: (kernel, bias or None) in the order they run, each taking the outputs of the
    one before. The activation stays with the last part. A stride goes to the first part
    whose kernel spans the old one's height (width); all parts keep the padding rule.
    """
    model = unpack(content)
    operator = model.subgraphs[0].operators[position]
    kernel = array(model, operator.inputs[1])
    _check_parts(kernel, parts)
    strides = _share_strides(kernel, operator.builtinOptions, parts)
    new, source = [], int(operator.inputs[0])
    for k, ((part, bias), stride) in enumerate(zip(parts, strides, strict=True), 1):
        step = _copy_of(content, position)
        label = f"{name}_{k}"
        bias = np.zeros(len(part), np.float32) if bias is None else np.asarray(bias)
        if bias.shape != (len(part),):
            raise NetworkError(f"{label} has {len(part)} outputs: its bias must have as many")
        constants = (("kernel", part), ("bias", bias))
        added = [_add_constant(model, f"{label}/{role}", values) for role, values in constants]
        step.inputs = [source, *added]
        if stride:
            step.builtinOptions.strideH, step.builtinOptions.strideW = stride
        if k < len(parts):
            step.builtinOptions.fusedActivationFunction = _NO_ACTIVATION
            source = _add_activation(model, label, operator.outputs[0], len(part))
            step.outputs = [source]
        else:
            model.subgraphs[0].tensors[operator.outputs[0]].name = label.encode()
        new.append(step)
    model.subgraphs[0].operators[position : position + 1] = new
    if "strideH" in vars(operator.builtinOptions):
        _update_sizes(model, new)
    return pack(model)


def _copy_of(content: bytes, position: int) -> schema.OperatorT:
    return unpack(content).subgraphs[0].operators[position]


def _check_parts(kernel: np.ndarray, parts: Sequence[Part]) -> None:
    """The parts must lead from the old layer's inputs to its outputs."""
    if not parts:
        raise NetworkError("a layer cannot be replaced by nothing: give at least one part")
    widths = [kernel.shape[-1]]
    for k, (part, _) in enumerate(parts, 1):
        if part.ndim != kernel.ndim or part.shape[-1] != widths[-1]:
            raise NetworkError(
                f"part {k} has a kernel of shape {part.shape}: it must have {kernel.ndim} "
                f"axes and {widths[-1]} inputs on the last"
            )
        widths.append(part.shape[0])
    if widths[-1] != kernel.shape[0]:
        raise NetworkError(
            f"the last part has {widths[-1]} outputs: the layer has {kernel.shape[0]}"
        )


def _share_strides(kernel, options, parts) -> list[tuple[int, int] | None]:
    if kernel.ndim != 4:
        return [None] * len(parts)
    sides = []
    for axis, stride in ((1, options.strideH), (2, options.strideW)):
        spans = [part.shape[axis] == kernel.shape[axis] for part, _ in parts]
        if not any(spans):
            raise NetworkError(f"no part spans the kernel's side of {kernel.shape[axis]}")
        sides.append([stride if k == spans.index(True) else 1 for k in range(len(parts))])
    return list(zip(*sides, strict=True))


def _add_activation(model, name: str, like: int, channels: int) -> int:
    """Append the tensor that holds a new layer's output."""
    graph = model.subgraphs[0]
    old, tensor = graph.tensors[like], schema.TensorT()
    tensor.name, tensor.type, tensor.buffer, tensor.hasRank = name.encode(), old.type, 0, True
    tensor.shape = [*old.shape[:-1], channels]
    if old.shapeSignature is not None:
        tensor.shapeSignature = [*old.shapeSignature[:-1], channels]
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _update_sizes(model, operators) -> None:
    """Heights and widths between the parts of a convolution, from stride and padding."""
    tensors = model.subgraphs[0].tensors
    for operator in operators[:-1]:
        options, kernel = operator.builtinOptions, tensors[operator.inputs[1]].shape
        sides = []
        for axis, stride in ((1, options.strideH), (2, options.strideW)):
            side = int(tensors[operator.inputs[0]].shape[axis])
            if options.padding == schema.Padding.VALID:
                side -= int(kernel[axis]) - 1
            sides.append(-(-side // stride))
        output = tensors[operator.outputs[0]]
        output.shape = [output.shape[0], *sides, output.shape[3]]
        if output.shapeSignature is not None:
            output.shapeSignature = [output.shapeSignature[0], *sides, output.shape[3]]


def remove_units(content: bytes, position: int, units: Sequence[int]) -> bytes:
    """Take output units out of a layer, and their inputs out of the layers that read it.

    The removed units' outputs must not matter: where they are masked to zero, and the
    bias with them, the smaller network computes the same. Raises NetworkError where a
    residual addition or the network's output reads the units.
    """
    model = unpack(content)
    operator = model.subgraphs[0].operators[position]
    kernel = array(model, operator.inputs[1])
    if kind(model, operator) == "DEPTHWISE_CONV_2D":
        raise NetworkError("a depthwise layer has its inputs' channels: remove those")
    removed = np.unique(np.asarray(units, dtype=int))
    if len(removed) and not (0 <= removed[0] and removed[-1] < len(kernel)):
        raise NetworkError(f"units go from 0 to {len(kernel) - 1}: got {list(units)}")
    keep = np.setdiff1d(np.arange(len(kernel)), removed)
    if len(keep) == 0:
        raise NetworkError("a layer must keep at least one unit")
    _keep_outputs(model, operator, keep)
    _keep_channels(model, int(operator.outputs[0]), keep, len(kernel))
    return pack(model)


def _keep_outputs(model, operator, keep: np.ndarray, axis: int = 0) -> None:
    kernel = array(model, operator.inputs[1])
    _replace_input(model, operator, 1, np.take(kernel, keep, axis))
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        _replace_input(model, operator, 2, array(model, operator.inputs[2])[keep])


def _keep_channels(model, index: int, keep: np.ndarray, channels: int) -> None:
    """Carry a shorter last axis of tensor `index` through everything that reads it."""
    if index in [int(i) for i in model.subgraphs[0].outputs]:
        raise NetworkError("these units are the network's output: they cannot be removed")
    for operator in _consumers(model, index):
        name, output = kind(model, operator), int(operator.outputs[0])
        if name in ("CONV_2D", "FULLY_CONNECTED"):
            kernel = array(model, operator.inputs[1])
            flat = _flat(keep, channels, kernel.shape[-1])
            _replace_input(model, operator, 1, np.take(kernel, flat, axis=-1))
        elif name == "DEPTHWISE_CONV_2D" and array(model, operator.inputs[1]).shape[3] == channels:
            _keep_outputs(model, operator, keep, axis=3)
            _keep_channels(model, output, keep, channels)
        elif name == "RESHAPE":
            width = int(model.subgraphs[0].tensors[output].shape[-1])
            flat = _flat(keep, channels, width)
            _set_width(model, operator, width, len(flat))
            _keep_channels(model, output, flat, width)
        elif name in _SAME_CHANNELS:
            _keep_channels(model, output, keep, channels)
        elif name != "SHAPE":
            raise NetworkError(
                f"the units are read by {name}, which needs all of them: choose a layer "
                "that only layers with weights read"
            )
    _set_last_side(model, index, len(keep))


def _flat(keep: np.ndarray, channels: int, width: int) -> np.ndarray:
    """Positions of the kept channels in an axis that lists all pixels' channels.

    >>> _flat(np.array([0, 2]), 3, 6)
    array([0, 2, 3, 5])
    """
    if width % channels:
        raise NetworkError(f"{channels} units do not divide an axis of {width}")
    return (np.arange(width // channels)[:, None] * channels + keep).ravel()


def _set_width(model, reshape, old: int, new: int) -> None:
    """Change the width that a RESHAPE asks for, given as a constant or packed."""
    options = reshape.builtinOptions
    if options is not None and options.newShape is not None:
        options.newShape = [new if side == old else int(side) for side in options.newShape]
    target = int(reshape.inputs[1])
    sources = [reshape]
    sources += [op for op in model.subgraphs[0].operators if target in list(op.outputs)]
    for source in sources:
        for position, index in enumerate(source.inputs):
            values = None if source is reshape and position == 0 else array(model, index)
            if values is not None and old in values:
                _replace_input(model, source, position, np.where(values == old, new, values))


def fold(content: bytes) -> bytes:
    """Fold constant per-channel multiplications and additions into the layer before.

    This is how batch normalization at inference, g·x + b per channel, costs nothing:
    the kernel is scaled by g, the bias becomes g·bias + b (Jacob et al. 2018,
    arXiv 1712.05877, Sec. 3.2). A file with nothing to fold comes back packed anew.
    """
    model = unpack(content)
    while _fold_one(model):
        pass
    return pack(model)


def _fold_one(model) -> bool:
    for operator in model.subgraphs[0].operators:
        if kind(model, operator) not in KERNEL_KINDS:
            continue
        readers = _consumers(model, int(operator.outputs[0]))
        options = operator.builtinOptions
        if len(readers) == 1 and options.fusedActivationFunction == _NO_ACTIVATION:
            follower = readers[0]
            constant = _channel_constant(model, operator, follower)
            if constant is not None:
                _absorb(model, operator, follower, constant)
                return True
    return False


def _channel_constant(model, operator, follower) -> np.ndarray | None:
    """The follower's constant if it is one number a channel of the operator."""
    if kind(model, follower) not in ("MUL", "ADD") or len(follower.inputs) != 2:
        return None
    channels = int(model.subgraphs[0].tensors[operator.outputs[0]].shape[-1])
    other = [i for i in follower.inputs if i != operator.outputs[0]]
    values = array(model, other[0]) if other else None
    if values is None or values.size not in (1, channels) or values.shape[-1:] == (1,):
        return np.broadcast_to(values.ravel(), channels) if _is_scalar(values) else None
    return values.reshape(channels)


def _is_scalar(values: np.ndarray | None) -> bool:
    return values is not None and values.size == 1


def _absorb(model, operator, follower, constant: np.ndarray) -> None:
    kernel = array(model, operator.inputs[1])
    depthwise = kind(model, operator) == "DEPTHWISE_CONV_2D"
    no_bias = len(operator.inputs) < 3 or operator.inputs[2] < 0
    bias = np.zeros(len(constant), np.float32) if no_bias else array(model, operator.inputs[2])
    if kind(model, follower) == "MUL":
        shape = (1, -1) if depthwise else (-1, 1)
        flat = kernel.reshape((-1, len(constant)) if depthwise else (len(constant), -1))
        _replace_input(model, operator, 1, (flat * constant.reshape(shape)).reshape(kernel.shape))
        bias = bias * constant
    else:
        bias = bias + constant
    name = model.subgraphs[0].tensors[operator.inputs[1]].name.decode()
    new = _add_constant(model, f"{name.removesuffix('/kernel')}/bias", bias)
    operator.inputs = [*list(operator.inputs)[:2], new]
    operator.outputs = follower.outputs
    operator.builtinOptions.fusedActivationFunction = (
        follower.builtinOptions.fusedActivationFunction
    )
    model.subgraphs[0].operators.remove(follower)
