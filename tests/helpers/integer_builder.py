"""Building an int8 model file operator by operator, straight through the schema."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = schema.TensorType
EXTREMES = (1, 1, 1, 100, 0.01)
_VERSIONS = {"FULLY_CONNECTED": 4, "CONV_2D": 4, "RESHAPE": 1, "SHAPE": 1}


class Builder:
    """A graph under construction; tensors are known by their indices."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.model = schema.ModelT()
        self.model.version, self.model.buffers = 3, [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs = [], [], []
        self.model.subgraphs, self.model.operatorCodes = [self.graph], []
        self.feeds = []

    def tensor(
        self, shape, type_name="INT8", scale=None, zero_point=None, axis=0, values=None
    ) -> int:
        """Add a tensor. values: its constant numbers; scale: one number or several."""
        tensor = schema.TensorT()
        tensor.name = f"t{len(self.graph.tensors)}".encode()
        tensor.shape, tensor.type = list(shape), getattr(TYPES, type_name)
        tensor.hasRank, tensor.buffer = True, 0
        if scale is not None:
            grid = schema.QuantizationParametersT()
            grid.scale = np.atleast_1d(np.float32(scale))
            zero = 0 if zero_point is None else zero_point
            grid.zeroPoint = np.full(grid.scale.size, zero, np.int64)
            grid.quantizedDimension = axis
            tensor.quantization = grid
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(_stored(values, type_name), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def codes(self, shape, scale=None, zero_point=None) -> int:
        """An int8 tensor on a random grid."""
        scale = self.scale() if scale is None else scale
        zero = self.zero_point() if zero_point is None else zero_point
        return self.tensor(shape, scale=scale, zero_point=zero)

    def input(self, shape, scale=None, zero_point=None) -> int:
        """An int8 input of the network, fed with random codes."""
        index = self.codes(shape, scale, zero_point)
        self.graph.inputs.append(index)
        self.feeds.append(self.rng.integers(-128, 128, shape).astype(np.int8))
        return index

    def float_input(self, values: np.ndarray) -> int:
        """A float32 input of the network, fed with `values`."""
        index = self.tensor(values.shape, "FLOAT32")
        self.graph.inputs.append(index)
        self.feeds.append(values.astype(np.float32))
        return index

    def integers(self, values) -> int:
        """A constant int32 tensor."""
        values = np.asarray(values, np.int32)
        return self.tensor(values.shape, "INT32", values=values)

    def operator(self, kind, inputs, output, options=None, **settings) -> int:
        """Add an operator; options: the name of its table. Returns `output`."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = _VERSIONS.get(kind, 2)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes)
        self.model.operatorCodes.append(code)
        operator.inputs, operator.outputs = list(inputs), [output]
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")()
            for name, value in settings.items():
                assert hasattr(operator.builtinOptions, name), name
                setattr(operator.builtinOptions, name, value)
        self.graph.operators.append(operator)
        return output

    def file(self, *outputs) -> tuple[bytes, list[np.ndarray]]:
        """The .tflite file and the arrays of its inputs."""
        self.graph.outputs = list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output()), self.feeds

    def scale(self) -> float:
        return float(2 ** self.rng.uniform(-7, 1))

    def zero_point(self) -> int:
        return int(self.rng.choice([-128, 127, 0, self.rng.integers(-128, 128)]))

    def sides(self, low=3, high=9) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width = self.rng.integers(low, high, 2)
        return int(height), int(width), int(self.rng.integers(1, 7))

    def weights(self, shape, inputs, axis, per_channel, input_scale, bits=8):
        """A kernel, its bias, and an output scale that uses most of the codes."""
        top = 2 ** (bits - 1) - 1
        kernel = self.rng.integers(-top, top + 1, shape)
        outputs = shape[axis]
        scales = 2 ** self.rng.uniform(-9, -4, outputs if per_channel else 1)
        bias = self.rng.integers(-5000, 5000, outputs)
        spread = np.sqrt(inputs) * top / 2 * 74 * input_scale * np.median(scales)
        # now and then a grid on which nearly all codes saturate, or nearly all are 0
        output_scale = spread / self.rng.uniform(10, 200) / self.rng.choice(EXTREMES)
        stored = f"INT{bits}"
        index = self.tensor(shape, stored, scales, axis=axis, values=kernel)
        bias = self.tensor([outputs], "INT32", scales * input_scale, values=bias)
        return index, bias, output_scale

    def fused(self) -> int:
        """A fused activation at random, none half of the time."""
        names = schema.ActivationFunctionType
        some = [names.RELU, names.RELU6, names.RELU_N1_TO_1]
        return int(self.rng.choice([names.NONE] * 3 + some))


def _stored(values, type_name: str) -> bytes:
    if type_name == "INT4":
        codes = np.asarray(values).reshape(-1) & 15
        codes = np.append(codes, np.zeros(len(codes) % 2, int)).reshape(-1, 2)
        return (codes[:, 0] | codes[:, 1] << 4).astype(np.uint8).tobytes()
    dtypes = {"INT8": np.int8, "INT32": np.int32, "FLOAT32": np.float32}
    return np.asarray(values).astype(dtypes[type_name]).tobytes()
