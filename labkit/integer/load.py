"""Reading an int8 model file.

Everything that the integer arithmetic needs is read here, once: codes of the weights,
scales and zero points, options. Format: the TensorFlow Lite schema,
`ai_edge_litert.schema_py_generated`.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from labkit.integer.program import Operation, Program, Tensor
from labkit.model import flatbuffer
from labkit.model.flatbuffer import DTYPES, TYPE_NAMES, LayerNames, NetworkError


def load(content: bytes, rounding: str) -> Program:
    """Read a trusted .tflite file. Raises NetworkError for what is not one."""
    with flatbuffer.damage_is_an_error(content):
        return _read(content, rounding)


def _read(content: bytes, rounding: str) -> Program:
    model = flatbuffer.unpack(content)
    if len(model.subgraphs) != 1:
        raise NetworkError("the model has not exactly one subgraph: split it first")
    graph = model.subgraphs[0]
    tensors = [_tensor(content, model, k) for k in range(len(graph.tensors))]
    operations, names = [], LayerNames()
    for operator in graph.operators:
        kind = flatbuffer.kind(model, operator)
        output = tensors[operator.outputs[0]]
        operations.append(
            Operation(
                name=names.name(kind, output.name),
                kind=kind,
                options=operator.builtinOptions,
                inputs=tuple(tensors[i] if i >= 0 else None for i in operator.inputs),
                output=output,
                rounding=rounding,
            )
        )
    return Program(
        tuple(operations),
        tuple(tensors[i] for i in graph.inputs),
        tuple(tensors[i] for i in graph.outputs),
    )


def _tensor(content: bytes, model: schema.ModelT, index: int) -> Tensor:
    stored = model.subgraphs[0].tensors[index]
    shape = _sides(stored.shape)
    grid = stored.quantization
    type_name = TYPE_NAMES[stored.type]
    data = flatbuffer.buffer_bytes(content, model.buffers[stored.buffer])
    return Tensor(
        index=index,
        name=(stored.name or b"").decode(),
        type=type_name,
        shape=shape,
        signature=_sides(stored.shapeSignature) or shape,
        scales=_numbers(grid and grid.scale, np.float32),
        zero_points=_numbers(grid and grid.zeroPoint, np.int64),
        axis=grid.quantizedDimension if grid else 0,
        values=_values(data, type_name, shape) if len(data) else None,
        sparse=stored.sparsity is not None,
    )


def _sides(stored) -> tuple[int, ...]:
    return () if stored is None else tuple(int(side) for side in stored)


def _numbers(stored, dtype: type) -> np.ndarray:
    return np.asarray([] if stored is None else stored, dtype)


def _values(data: bytes, type_name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    if type_name == "INT4":
        return unpack_4_bits(data, int(np.prod(shape))).reshape(shape)
    if type_name not in DTYPES:
        return None
    return np.frombuffer(data, DTYPES[type_name]).reshape(shape)


def unpack_4_bits(data: bytes, count: int) -> np.ndarray:
    """int8 codes from -8 to 7, two to the byte, the first one in the low half.

    >>> unpack_4_bits(bytes([0x2F, 0x08]), 3).tolist()
    [-1, 2, -8]
    """
    pairs = np.frombuffer(data, np.uint8)
    codes = np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1)[:count]
    return ((codes ^ 8).astype(np.int8)) - np.int8(8)
