"""Edits that change a model file's graph: a layer in several, or the graph cut short.

Bytes in, bytes out. `position` is the operator's place in the order they run.
`labkit.model.Network` wraps these with layer names.
"""

from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from labkit.lowrank.parts import FactorLayer, assign_strides, output_length
from labkit.model.flatbuffer import (
    NO_ACTIVATION,
    add_activation,
    add_constant,
    array,
    operator_code,
    pack,
    unpack,
)
from labkit.model.graph import NetworkError


def truncate_before(content: bytes, position: int) -> bytes | None:
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


def expose_inputs(content: bytes, positions: Sequence[int]) -> tuple[bytes, list[int]]:
    """The network with what some operators read as its outputs, each tensor once.

    Returns the file, and for each position which output its operator reads. Raises
    NetworkError for an operator that reads the network's own input.
    """
    model = unpack(content)
    graph = model.subgraphs[0]
    wanted = [int(graph.operators[position].inputs[0]) for position in positions]
    if set(wanted) & {int(index) for index in graph.inputs}:
        raise NetworkError("a layer that reads the network's input reads the images")
    outputs = list(dict.fromkeys(wanted))
    graph.outputs = outputs
    graph.operators = graph.operators[: max(positions)]
    model.signatureDefs = []
    return pack(model), [outputs.index(index) for index in wanted]


def expose_outputs(content: bytes, positions: Sequence[int]) -> bytes:
    """The network with what some operators write as its outputs, in that order."""
    model = unpack(content)
    graph = model.subgraphs[0]
    graph.outputs = [int(graph.operators[k].outputs[0]) for k in positions]
    graph.operators = graph.operators[: max(positions) + 1]
    model.signatureDefs = []
    return pack(model)


def replace_layers(
    content: bytes, replaced: Mapping[int, tuple[str, Sequence[FactorLayer]]]
) -> bytes:
    """Run several layers of the same kind in place of one, for any number of layers.

    replaced: position -> the name that the parts are called after, and the parts in the
    order they run, each taking the outputs of the one before; a tuple (kernel, bias or
    None) is one too. A part of a convolution may be depthwise. The activation stays
    with the last part. A stride goes to the first part whose kernel spans the old one's
    height (width); all parts keep the padding rule. LiteRT wants a bias of every
    convolution: one of zeros where a part has none.
    """
    model = unpack(content)
    graph = model.subgraphs[0]
    for position in sorted(replaced, reverse=True):
        name, parts = replaced[position]
        new = _in_place_of(model, graph.operators[position], name, parts)
        graph.operators[position : position + 1] = new
    return pack(model)


def _in_place_of(model, operator, name: str, parts: Sequence) -> list:
    """The operators of the parts, their tensors added to the model."""
    parts = [FactorLayer(*part) for part in parts]
    kernel = array(model, operator.inputs[1])
    _check_parts(kernel, parts)
    strides = _strides(kernel, operator.builtinOptions, parts)
    new, source = [], int(operator.inputs[0])
    for k, (part, stride) in enumerate(zip(parts, strides, strict=True), 1):
        label = f"{name}_{k}"
        step = _step(model, operator, part, stride)
        constants = _constants(model, label, part)
        step.inputs = [source, *constants]
        if k < len(parts):
            step.builtinOptions.fusedActivationFunction = NO_ACTIVATION
            source = add_activation(model, label, operator.outputs[0], part.outputs)
            step.outputs = [source]
        else:
            model.subgraphs[0].tensors[operator.outputs[0]].name = label.encode()
        new.append(step)
    if kernel.ndim == 4:
        _update_sizes(model, new)
    return new


def _step(model, operator, part: FactorLayer, stride: tuple[int, int] | None):
    """A copy of the old operator for one part."""
    step = copy(operator)
    step.builtinOptions = copy(operator.builtinOptions)
    if part.depthwise:
        step.opcodeIndex = operator_code(model, "DEPTHWISE_CONV_2D")
        step.builtinOptionsType = schema.BuiltinOptions.DepthwiseConv2DOptions
        step.builtinOptions = schema.DepthwiseConv2DOptionsT()
        step.builtinOptions.depthMultiplier = 1
        step.builtinOptions.padding = operator.builtinOptions.padding
        step.builtinOptions.fusedActivationFunction = (
            operator.builtinOptions.fusedActivationFunction
        )
    if stride:
        step.builtinOptions.strideH, step.builtinOptions.strideW = stride
    return step


def _constants(model, label: str, part: FactorLayer) -> list[int]:
    """The tensors of a part's kernel and bias."""
    bias = part.bias
    if bias is None and part.kernel.ndim == 4:
        bias = np.zeros(part.outputs, np.float32)
    if bias is not None and np.shape(bias) != (part.outputs,):
        raise NetworkError(
            f"{label} has {part.outputs} outputs: its bias must have as many"
        )
    named = [("kernel", part.kernel)] + [("bias", bias)] * (bias is not None)
    return [
        add_constant(model, f"{label}/{role}", np.asarray(values, np.float32))
        for role, values in named
    ]


def _check_parts(kernel: np.ndarray, parts: Sequence[FactorLayer]) -> None:
    """The parts must lead from the old layer's inputs to its outputs."""
    if not parts:
        raise NetworkError(
            "a layer cannot be replaced by nothing: give at least one part"
        )
    width = kernel.shape[-1]
    for k, part in enumerate(parts, 1):
        shape = np.shape(part.kernel)
        if len(shape) != kernel.ndim or shape[-1] != width:
            raise NetworkError(
                f"part {k} has a kernel of shape {shape}: it must have "
                f"{kernel.ndim} axes and {width} inputs on the last"
            )
        if part.depthwise and (kernel.ndim != 4 or shape[0] != 1):
            raise NetworkError(
                f"part {k} is depthwise with a kernel of shape {shape}: it must be "
                "(1, height, width, channels)"
            )
        width = part.outputs
    if width != kernel.shape[0]:
        raise NetworkError(
            f"the last part has {width} outputs: the layer has {kernel.shape[0]}"
        )


def _strides(kernel, options, parts) -> list[tuple[int, int] | None]:
    if kernel.ndim != 4:
        return [None] * len(parts)
    try:
        window = kernel.shape[1:3]
        return assign_strides(window, (options.strideH, options.strideW), parts)
    except ValueError as error:
        raise NetworkError(str(error)) from error


def _update_sizes(model, operators) -> None:
    """Heights and widths between the parts, from each stride and padding."""
    tensors = model.subgraphs[0].tensors
    for operator in operators[:-1]:
        options, kernel = operator.builtinOptions, tensors[operator.inputs[1]].shape
        same = options.padding == schema.Padding.SAME
        source = tensors[operator.inputs[0]].shape
        sides = [
            output_length(int(source[axis]), int(kernel[axis]), stride, same)
            for axis, stride in ((1, options.strideH), (2, options.strideW))
        ]
        output = tensors[operator.outputs[0]]
        output.shape = [output.shape[0], *sides, output.shape[3]]
        if output.shapeSignature is not None:
            output.shapeSignature = [output.shapeSignature[0], *sides, output.shape[3]]
