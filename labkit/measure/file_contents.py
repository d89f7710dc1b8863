"""What a model file stores for its weights, whatever their type: the ledger's source.

`labkit.model.graph` knows float weights that can be edited. This reads any file that
LiteRT runs, 8-, 4- and 2-bit weights among them, and counts: numbers, zeros, bytes.
Format: the TensorFlow Lite schema, `ai_edge_litert.schema_py_generated`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from labkit.model.graph import KERNEL_KINDS

_KINDS = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
_TYPES = {v: k for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
BITS = {
    "FLOAT32": 32, "FLOAT16": 16, "INT32": 32, "INT64": 64, "INT16": 16, "INT8": 8,
    "INT4": 4, "INT2": 2,
}  # fmt: skip
SCALE_BYTES, ZERO_POINT_BYTES = 4, 8


@dataclass(frozen=True)
class Stored:
    """One weight array in a file.

    role: "kernel" or "bias". type: LiteRT's name of the number type. count: how many
    numbers. nonzeros: how many of them are not zero. bits: a number's width.
    payload_bytes: numbers, scales and zero points. buffer: the file's buffer that holds
    it; layers that share an array name the same one. decoded: whether the file turns
    the array back into floats before a layer multiplies with it.
    """

    role: str
    type: str
    count: int
    nonzeros: int
    bits: int
    payload_bytes: int
    buffer: int
    decoded: bool


def stored_weights(content: bytes) -> tuple[Stored, ...]:
    """The kernels and biases of a trusted .tflite file, in the order they are used."""
    return tuple(_Reader(content).weights())


def byte_parts(content: bytes) -> dict[str, int]:
    """What a trusted .tflite file spends its bytes on; the parts add up to its length.

    An array that several layers share is counted once. "graph and names" is all that
    is neither a weight nor its grid.
    """
    parts = {"kernels": 0, "biases": 0, "scales and zero points": 0}
    for weight in {
        weight.buffer: weight for weight in stored_weights(content)
    }.values():
        numbers = -(-weight.count * weight.bits // 8)
        parts["kernels" if weight.role == "kernel" else "biases"] += numbers
        parts["scales and zero points"] += weight.payload_bytes - numbers
    return parts | {"graph and names": len(content) - sum(parts.values())}


class _Reader:
    def __init__(self, content: bytes):
        self.content = content
        self.model = schema.Model.GetRootAs(content, 0)
        self.subgraph = self.model.Subgraphs(0)
        self.operators = [
            self.subgraph.Operators(k) for k in range(self.subgraph.OperatorsLength())
        ]

    def kind(self, operator: schema.Operator) -> str:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        return _KINDS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]

    def weights(self) -> Iterator[Stored]:
        decoded_from = {
            operator.Outputs(0): operator.Inputs(0)
            for operator in self.operators
            if self.kind(operator) == "DEQUANTIZE"
        }
        for operator in self.operators:
            if self.kind(operator) not in KERNEL_KINDS:
                continue
            inputs = [operator.Inputs(k) for k in range(operator.InputsLength())]
            for role, index in zip(("kernel", "bias"), inputs[1:], strict=False):
                if index >= 0:
                    source = decoded_from.get(index, index)
                    yield self.stored(role, source, decoded=source != index)

    def stored(self, role: str, index: int, decoded: bool) -> Stored:
        tensor = self.subgraph.Tensors(index)
        type_name = _TYPES[tensor.Type()]
        count = prod(tensor.Shape(k) for k in range(tensor.ShapeLength()))
        numbers = self.data(tensor.Buffer())
        return Stored(
            role=role,
            type=type_name,
            count=count,
            nonzeros=_nonzeros(numbers, type_name, count),
            bits=BITS[type_name],
            payload_bytes=len(numbers) + self.grid_bytes(tensor.Quantization()),
            buffer=tensor.Buffer(),
            decoded=decoded,
        )

    def data(self, buffer: int) -> bytes:
        """A buffer's bytes: inside the flatbuffer or, in newer files, behind it."""
        entry = self.model.Buffers(buffer)
        if entry.DataLength():
            return entry.DataAsNumpy().tobytes()
        return self.content[entry.Offset() : entry.Offset() + entry.Size()]

    def grid_bytes(self, grid: schema.QuantizationParameters | None) -> int:
        """The bytes of the scales and zero points of one array."""
        if grid is None:
            return 0
        size = grid.ScaleLength() * SCALE_BYTES
        size += grid.ZeroPointLength() * ZERO_POINT_BYTES
        if grid.DetailsType() == schema.QuantizationDetails.BlockwiseQuantization:
            blocks = schema.BlockwiseQuantization()
            blocks.Init(grid.Details().Bytes, grid.Details().Pos)
            for index in (blocks.Scales(), blocks.ZeroPoints()):
                if index >= 0:
                    size += len(self.data(self.subgraph.Tensors(index).Buffer()))
        return size


def _nonzeros(numbers: bytes, type_name: str, count: int) -> int:
    """How many of the packed numbers are not zero.

    >>> _nonzeros(bytes([0x10, 0x00]), "INT4", 3)     # the 4-bit codes 0, 1, 0
    1
    """
    bits = BITS[type_name]
    if bits >= 8:
        dtype = f"<{'f' if type_name.startswith('FLOAT') else 'i'}{bits // 8}"
        return int(np.count_nonzero(np.frombuffer(numbers, dtype)))
    digits = np.unpackbits(np.frombuffer(numbers, np.uint8), bitorder="little")
    return int(digits.reshape(-1, bits)[:count].any(axis=1).sum())
