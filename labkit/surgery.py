"""Edits that change a model file's graph: a layer in several, or the graph cut short.

Bytes in, bytes out. `position` is the operator's place in the order they run.
`labkit.network.Network` wraps these with layer names.
"""

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from labkit.graph import NetworkError
from labkit.modelfile import (
    NO_ACTIVATION,
    add_activation,
    add_constant,
    array,
    pack,
    unpack,
)

Part = tuple[np.ndarray, np.ndarray | None]


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


def reading(content: bytes, positions: Sequence[int]) -> tuple[bytes, list[int]]:
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


def writing(content: bytes, positions: Sequence[int]) -> bytes:
    """The network with what some operators write as its outputs, in that order."""
    model = unpack(content)
    graph = model.subgraphs[0]
    graph.outputs = [int(graph.operators[k].outputs[0]) for k in positions]
    graph.operators = graph.operators[: max(positions) + 1]
    model.signatureDefs = []
    return pack(model)


def replace_layer(
    content: bytes, position: int, name: str, parts: Sequence[Part]
) -> bytes:
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
            raise NetworkError(
                f"{label} has {len(part)} outputs: its bias must have as many"
            )
        constants = (("kernel", part), ("bias", bias))
        added = [
            add_constant(model, f"{label}/{role}", values) for role, values in constants
        ]
        step.inputs = [source, *added]
        if stride:
            step.builtinOptions.strideH, step.builtinOptions.strideW = stride
        if k < len(parts):
            step.builtinOptions.fusedActivationFunction = NO_ACTIVATION
            source = add_activation(model, label, operator.outputs[0], len(part))
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
        raise NetworkError(
            "a layer cannot be replaced by nothing: give at least one part"
        )
    widths = [kernel.shape[-1]]
    for k, (part, _) in enumerate(parts, 1):
        if part.ndim != kernel.ndim or part.shape[-1] != widths[-1]:
            raise NetworkError(
                f"part {k} has a kernel of shape {part.shape}: it must have "
                f"{kernel.ndim} axes and {widths[-1]} inputs on the last"
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
            raise NetworkError(
                f"no part spans the kernel's side of {kernel.shape[axis]}"
            )
        sides.append(
            [stride if k == spans.index(True) else 1 for k in range(len(parts))]
        )
    return list(zip(*sides, strict=True))


def _update_sizes(model, operators) -> None:
    """Heights and widths between the parts, from each stride and padding."""
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
