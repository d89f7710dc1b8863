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

from labkit.model import flatbuffer
from labkit.model.flatbuffer import KERNEL_KINDS, TYPE_NAMES

BITS = {
    "FLOAT32": 32, "FLOAT16": 16, "INT32": 32, "INT64": 64, "INT16": 16, "INT8": 8,
    "INT4": 4, "INT2": 2,
}  # fmt: skip
SCALE_BYTES, ZERO_POINT_BYTES = 4, 8


@dataclass(frozen=True)
class StoredArray:
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


def stored_weights(content: bytes) -> tuple[StoredArray, ...]:
    """The kernels and biases of a trusted .tflite file, in the order they are used."""
    return tuple(_weights(content, flatbuffer.unpack(content)))


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


def _weights(content: bytes, model: schema.ModelT) -> Iterator[StoredArray]:
    operators = model.subgraphs[0].operators
    decoded_from = {
        operator.outputs[0]: operator.inputs[0]
        for operator in operators
        if flatbuffer.kind(model, operator) == "DEQUANTIZE"
    }
    for operator in operators:
        if flatbuffer.kind(model, operator) not in KERNEL_KINDS:
            continue
        for role, index in zip(("kernel", "bias"), operator.inputs[1:], strict=False):
            if index >= 0:
                source = decoded_from.get(index, index)
                yield _stored(content, model, role, source, source != index)


def _stored(
    content: bytes, model: schema.ModelT, role: str, index: int, decoded: bool
) -> StoredArray:
    tensor = model.subgraphs[0].tensors[index]
    type_name = TYPE_NAMES[tensor.type]
    count = 1 if tensor.shape is None else prod(map(int, tensor.shape))
    numbers = _data(content, model, index)
    return StoredArray(
        role=role,
        type=type_name,
        count=count,
        nonzeros=_nonzeros(numbers, type_name, count),
        bits=BITS[type_name],
        payload_bytes=len(numbers) + _grid_bytes(content, model, index),
        buffer=tensor.buffer,
        decoded=decoded,
    )


def _data(content: bytes, model: schema.ModelT, index: int) -> bytes:
    """The bytes of one tensor."""
    tensor = model.subgraphs[0].tensors[index]
    return flatbuffer.buffer_bytes(content, model.buffers[tensor.buffer])


def _grid_bytes(content: bytes, model: schema.ModelT, index: int) -> int:
    """The bytes of the scales and zero points of one tensor."""
    grid = model.subgraphs[0].tensors[index].quantization
    if grid is None:
        return 0
    size = SCALE_BYTES * _length(grid.scale) + ZERO_POINT_BYTES * _length(
        grid.zeroPoint
    )
    if grid.detailsType == schema.QuantizationDetails.BlockwiseQuantization:
        blocks = grid.details
        for tensor in (blocks.scales, blocks.zeroPoints):
            if tensor >= 0:
                size += len(_data(content, model, tensor))
    return size


def _length(values) -> int:
    return 0 if values is None else len(values)


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
