"""What a LiteRT model file says of its graph: the layers, and where the weights lie.

`read_graph` reads the flatbuffer in place, checks every index it follows, and copies
no weights. Format: the TensorFlow Lite schema, `ai_edge_litert.schema_py_generated`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from labkit.model.flatbuffer import (
    ACTIVATION_NAMES,
    DTYPES,
    KERNEL_KINDS,
    TYPE_NAMES,
    LayerNames,
    NetworkError,
    damage_is_an_error,
    kind_name,
)

OTHER_KINDS = set(
    "ADD SUB MUL DIV AVERAGE_POOL_2D MAX_POOL_2D MEAN SUM PAD PADV2 CONCATENATION "
    "RESHAPE SHAPE PACK SQUEEZE EXPAND_DIMS STRIDED_SLICE SLICE TRANSPOSE RELU RELU6 "
    "RELU_N1_TO_1 LEAKY_RELU HARD_SWISH SOFTMAX LOGISTIC TANH QUANTIZE DEQUANTIZE "
    "CAST MAXIMUM MINIMUM RSQRT SQUARED_DIFFERENCE FAKE_QUANT".split()
)
# Far above any network of the lab's kind: what a small file may make its reader do.
MOST_OPERATORS, MOST_INPUTS, MOST_AXES = 4096, 256, 8


@dataclass(frozen=True)
class Layer:
    """One operator of the graph.

    kind: LiteRT's operator name. inputs: the layers whose outputs it reads ("input" for
    the network's own). output_shape: without the batch. kernel_shape: LiteRT's layout,
    dense (out, in), conv (out, height, width, in), depthwise (1, height, width,
    channels); None for a layer without weights. parameters: kernel and bias.
    macs: multiply-accumulates for one image. activation: the fused one, or "NONE".
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    output_shape: tuple[int, ...]
    kernel_shape: tuple[int, ...] | None
    parameters: int
    macs: int
    activation: str


@dataclass(frozen=True)
class Span:
    """Where a weight array lies in the file: its first byte, its shape and dtype."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype
    tensor: int

    @property
    def size_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Graph:
    """The layers in the order they run, and the spans of their kernels and biases."""

    layers: tuple[Layer, ...]
    spans: dict[str, Span]
    input_shape: tuple[int, ...]


def read_graph(content: bytes) -> Graph:
    """The graph of a LiteRT model file. Raises NetworkError for anything else."""
    with damage_is_an_error(content):
        return _Reader(content).graph()


_OPTIONS = {
    "FULLY_CONNECTED": schema.FullyConnectedOptions,
    "CONV_2D": schema.Conv2DOptions,
    "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptions,
    "ADD": schema.AddOptions,
}


class _Reader:
    """Reads one file. Every length is checked against the file's before it is used."""

    def __init__(self, content: bytes):
        self.content = content
        self.model = schema.Model.GetRootAs(content, 0)
        if self._count(self.model.SubgraphsLength()) != 1:
            raise NetworkError(
                f"the model has {self.model.SubgraphsLength()} subgraphs: split it "
                "into files of one each"
            )
        self.subgraph = self.model.Subgraphs(0)
        self.tensors = self._count(self.subgraph.TensorsLength())
        self.names = list(self._layer_names())

    def _count(self, length: int, most: int | None = None) -> int:
        """A list's length, if the file can have so many entries and there may be."""
        if not 0 <= length <= len(self.content):
            raise NetworkError(
                f"the LiteRT model is damaged: a list of length {length}"
            )
        if most is not None and length > most:
            raise NetworkError(
                f"the model has a list of {length:,} entries where this lab reads at "
                f"most {most:,}: give a smaller network"
            )
        return length

    def _operators(self) -> Iterator[schema.Operator]:
        for k in range(self._count(self.subgraph.OperatorsLength(), MOST_OPERATORS)):
            yield self.subgraph.Operators(k)

    def _kind(self, operator: schema.Operator) -> str:
        index = operator.OpcodeIndex()
        if index >= self._count(self.model.OperatorCodesLength()):
            raise NetworkError(f"the LiteRT model is damaged: operator code {index}")
        code = self.model.OperatorCodes(index)
        kind = kind_name(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if kind not in KERNEL_KINDS and kind not in OTHER_KINDS:
            raise NetworkError(
                f"the model has an operator {kind} that this lab does not know: give a "
                "network of dense and convolution layers, poolings, additions and "
                "activation functions"
            )
        return kind

    def _tensor(self, index: int) -> schema.Tensor:
        if not 0 <= index < self.tensors:
            raise NetworkError(f"the LiteRT model is damaged: no tensor {index}")
        return self.subgraph.Tensors(index)

    def _shape(self, tensor: schema.Tensor) -> tuple[int, ...]:
        axes = self._count(tensor.ShapeLength(), MOST_AXES)
        shape = tuple(tensor.Shape(k) for k in range(axes))
        if any(side < 0 for side in shape) or prod(shape) > 2**31:
            raise NetworkError(
                f"the LiteRT model is damaged: a tensor of shape {shape}"
            )
        return shape

    def _layer_names(self) -> Iterator[str]:
        names = LayerNames()
        for operator in self._operators():
            kind = self._kind(operator)
            if self._count(operator.OutputsLength()) < 1:
                raise NetworkError(
                    f"the LiteRT model is damaged: {kind} without output"
                )
            yield names.name(kind, self._tensor(operator.Outputs(0)).Name())

    def graph(self) -> Graph:
        producers = {self._input_tensor(): "input"}
        layers, spans = [], {}
        for name, operator in zip(self.names, self._operators(), strict=True):
            weights = self._weights(name, operator)
            layers.append(self._layer(name, operator, weights, producers))
            spans |= weights
            for k in range(self._count(operator.OutputsLength(), MOST_INPUTS)):
                producers[operator.Outputs(k)] = name
        input_shape = self._shape(self._tensor(self._input_tensor()))[1:]
        _check_apart(spans)
        return Graph(tuple(layers), spans, input_shape)

    def _input_tensor(self) -> int:
        inputs, outputs = self.subgraph.InputsLength(), self.subgraph.OutputsLength()
        if (inputs, outputs) != (1, 1):
            raise NetworkError(
                f"the model has {inputs} inputs and {outputs} outputs: this lab takes "
                "networks with one of each, images in and logits out"
            )
        self._tensor(self.subgraph.Outputs(0))
        self._tensor(self.subgraph.Inputs(0))
        return self.subgraph.Inputs(0)

    def _weights(self, name: str, operator: schema.Operator) -> dict[str, Span]:
        if self._kind(operator) not in KERNEL_KINDS:
            return {}
        roles = zip(("kernel", "bias"), (1, 2), strict=True)
        found = {}
        for role, position in roles:
            index = (
                operator.Inputs(position) if position < operator.InputsLength() else -1
            )
            span = self._span(index) if index >= 0 else None
            if span:
                found[f"{name}/{role}"] = span
        if f"{name}/kernel" not in found:
            raise NetworkError(
                f"layer {name} has no kernel inside the graph: such a file can be run, "
                "not edited; start from the float32 file"
            )
        return found

    def _span(self, index: int) -> Span | None:
        tensor = self._tensor(index)
        if tensor.Buffer() >= self._count(self.model.BuffersLength()):
            raise NetworkError(
                f"the LiteRT model is damaged: no buffer {tensor.Buffer()}"
            )
        data = self.model.Buffers(tensor.Buffer())
        if self._count(data.DataLength()) == 0:
            return None
        type_name = TYPE_NAMES.get(tensor.Type())
        if type_name not in DTYPES:
            raise NetworkError(
                f"the model stores weights as {type_name}: they can be run, not edited"
            )
        table = data._tab
        span = Span(
            table.Vector(table.Offset(4)),
            self._shape(tensor),
            np.dtype(DTYPES[type_name]),
            index,
        )
        inside = span.offset + span.size_bytes <= len(self.content)
        if span.size_bytes != data.DataLength() or not inside:
            raise NetworkError(
                "the LiteRT model is damaged: a weight of the wrong size"
            )
        return span

    def _layer(self, name, operator, weights, producers) -> Layer:
        kind = self._kind(operator)
        count = self._count(operator.InputsLength(), MOST_INPUTS)
        indices = [operator.Inputs(k) for k in range(count)]
        for index in indices:
            if index != -1:
                self._tensor(index)
        output_shape = self._shape(self._tensor(operator.Outputs(0)))[1:]
        kernel = weights.get(f"{name}/kernel")
        shape = kernel.shape if kernel else None
        return Layer(
            name=name,
            kind=kind,
            inputs=tuple(producers[index] for index in indices if index in producers),
            output_shape=output_shape,
            kernel_shape=shape,
            parameters=sum(prod(span.shape) for span in weights.values()),
            macs=_macs(kind, shape, output_shape),
            activation=self._activation(kind, operator),
        )

    def _activation(self, kind: str, operator: schema.Operator) -> str:
        table = operator.BuiltinOptions()
        if kind not in _OPTIONS or table is None:
            return "NONE"
        options = _OPTIONS[kind]()
        options.Init(table.Bytes, table.Pos)
        return ACTIVATION_NAMES.get(options.FusedActivationFunction(), "NONE")


def _check_apart(spans: dict[str, Span]) -> None:
    """Raise NetworkError where two arrays overlap and are not one that is shared."""
    places = sorted({(span.offset, span.size_bytes) for span in spans.values()})
    for (start, size), (following, _) in pairwise(places):
        if start + size > following:
            raise NetworkError("the LiteRT model is damaged: two weights overlap")


def _macs(kind: str, kernel: tuple[int, ...] | None, output: tuple[int, ...]) -> int:
    """Multiply-accumulates of one layer for one image.

    >>> _macs("FULLY_CONNECTED", (300, 784), (300,))
    235200
    >>> _macs("CONV_2D", (20, 5, 5, 1), (24, 24, 20))
    288000
    """
    if kernel is None:
        return 0
    if kind == "DEPTHWISE_CONV_2D":
        return prod(output[:2]) * prod(kernel)
    return prod(output[:-1]) * prod(kernel)
