"""A model file as a tree of objects, and the tree as a file again.

The one place that knows the TensorFlow Lite schema's names
(`ai_edge_litert.schema_py_generated`), where a buffer's bytes lie, and how layers are
named; and what the edits of the graph share: unpack, look at constants, add some, pack.
Packing leaves out what nothing refers to any more.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from labkit.common.children import one_line

KERNEL_KINDS = {
    "FULLY_CONNECTED": "fc",
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "dwconv",
}
DTYPES = {
    "FLOAT32": "<f4",
    "FLOAT16": "<f2",
    "INT32": "<i4",
    "INT64": "<i8",
    "INT16": "<i2",
    "INT8": "<i1",
    "UINT8": "<u1",
    "BOOL": "?",
}
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,63}")


def _names(enum: type) -> dict[int, str]:
    return {value: key for key, value in vars(enum).items() if isinstance(value, int)}


_KIND_NAMES = _names(schema.BuiltinOperator)
TYPE_NAMES = _names(schema.TensorType)
ACTIVATION_NAMES = _names(schema.ActivationFunctionType)
NO_ACTIVATION = schema.ActivationFunctionType.NONE


class NetworkError(Exception):
    """A model file that cannot be used, or an edit that does not fit: the text says."""


@contextmanager
def damage_is_an_error(content: bytes) -> Iterator[None]:
    """NetworkError for bytes that are no LiteRT model, and for all that reading raises.

    content: the file that is read within.
    """
    if content[4:8] != b"TFL3":
        raise NetworkError(
            f"these {len(content):,} bytes are not a LiteRT model (no TFL3 "
            "identifier): give a .tflite file"
        )
    try:
        yield
    except NetworkError:
        raise
    except Exception as error:  # whatever a damaged flatbuffer makes its reader do
        raise NetworkError(
            "the LiteRT model is damaged (its graph cannot be followed: "
            f"{one_line(error)}): get the file anew"
        ) from error


class LayerNames:
    """Names for operators in the order they run, each once."""

    def __init__(self):
        self._taken = {"input"}  # what the layers that read the images name
        self._counts: dict[str, int] = {}

    def name(self, kind: str, output: bytes | str | None) -> str:
        """The output tensor's name, where that is a plain identifier of at most 64
        characters and new; else the kind and the next free number.

        >>> names = LayerNames()
        >>> [names.name("CONV_2D", name) for name in (b"conv1", b"conv1\\n", b"conv1")]
        ['conv1', 'conv2', 'conv3']
        """
        name = output.decode(errors="replace") if isinstance(output, bytes) else output
        if not name or not _IDENTIFIER.fullmatch(name) or name in self._taken:
            name = self._numbered(KERNEL_KINDS.get(kind, kind.lower()))
        self._taken.add(name)
        return name

    def _numbered(self, prefix: str) -> str:
        while True:
            self._counts[prefix] = self._counts.get(prefix, 0) + 1
            name = f"{prefix}{self._counts[prefix]}"
            if name not in self._taken:
                return name


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
    return kind_name(code.builtinCode, code.deprecatedBuiltinCode)


def kind_name(code: int, deprecated: int) -> str | None:
    """The name of an operator's code, None for one that the schema has not.

    Newer files have it in the first field, older ones in the deprecated one.

    >>> kind_name(0, 3), kind_name(9, 9)
    ('CONV_2D', 'FULLY_CONNECTED')
    """
    return _KIND_NAMES.get(max(code, deprecated))


def buffer_bytes(content: bytes, buffer: schema.BufferT) -> bytes:
    """A buffer's bytes: inside the flatbuffer or, in newer files, behind it."""
    if buffer.data is not None and len(buffer.data):
        return np.asarray(buffer.data, np.uint8).tobytes()
    return content[buffer.offset : buffer.offset + buffer.size]


def operator_code(model: schema.ModelT, name: str) -> int:
    """The place of a kind of operator in the model's list; added where it is not."""
    wanted = getattr(schema.BuiltinOperator, name)
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == wanted:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = wanted
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def array(model: schema.ModelT, index: int) -> np.ndarray | None:
    """A constant tensor, float32 or int32, as an array; None where it is computed."""
    tensor = model.subgraphs[0].tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0:
        return None
    dtypes = {schema.TensorType.FLOAT32: "<f4", schema.TensorType.INT32: "<i4"}
    if tensor.type not in dtypes:
        raise NetworkError(
            "only float32 networks can be edited: start from the float file"
        )
    shape = [] if tensor.shape is None else [int(side) for side in tensor.shape]
    return np.asarray(data, np.uint8).view(dtypes[tensor.type]).reshape(shape)


def add_constant(model: schema.ModelT, name: str, values: np.ndarray) -> int:
    """Append a constant tensor with its buffer; returns the tensor's index."""
    is_float = values.dtype.kind == "f"
    with np.errstate(over="ignore"):
        values = np.asarray(values, "<f4" if is_float else "<i4", order="C")
    if not np.isfinite(values).all():
        raise NetworkError(
            f"the new {name} contains NaN or infinity in float32: give finite weights"
        )
    tensor = schema.TensorT()
    tensor.name, tensor.shape = name.encode(), list(values.shape)
    tensor.type = schema.TensorType.FLOAT32 if is_float else schema.TensorType.INT32
    tensor.buffer, tensor.hasRank = len(model.buffers), True
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def replace_input(model, operator, position: int, values: np.ndarray) -> None:
    """Give one operator a changed copy of a constant; other users keep the old one."""
    old = model.subgraphs[0].tensors[operator.inputs[position]]
    inputs = [int(i) for i in operator.inputs]
    inputs[position] = add_constant(model, old.name.decode(), values)
    operator.inputs = inputs


def consumers(model: schema.ModelT, index: int) -> list[schema.OperatorT]:
    """The operators that read a tensor."""
    return [op for op in model.subgraphs[0].operators if index in list(op.inputs)]


def add_activation(model, name: str, like: int, channels: int) -> int:
    """Append the tensor that holds a new layer's output."""
    graph = model.subgraphs[0]
    old, tensor = graph.tensors[like], schema.TensorT()
    tensor.name, tensor.type, tensor.buffer, tensor.hasRank = (
        name.encode(),
        old.type,
        0,
        True,
    )
    tensor.shape = [*old.shape[:-1], channels]
    if old.shapeSignature is not None:
        tensor.shapeSignature = [*old.shapeSignature[:-1], channels]
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
