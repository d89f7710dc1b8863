"""Small float32 model files, built operator by operator without a converter."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from integer_builder import Builder

from labkit.model import flatbuffer

ACTIVATIONS = schema.ActivationFunctionType


class FloatBuilder(Builder):
    """A graph of float32 tensors with one input and a batch of any size."""

    def image(self, *sides: int) -> int:
        """The network's input."""
        self.graph.inputs.append(self.computed(*sides))
        return self.graph.inputs[0]

    def computed(self, *sides: int) -> int:
        """What an operator writes."""
        index = self.tensor((1, *sides), "FLOAT32")
        self.graph.tensors[index].shapeSignature = [-1, *sides]
        return index

    def constant(self, values) -> int:
        values = np.asarray(values, np.float32)
        return self.tensor(values.shape, "FLOAT32", values=values)

    def dense(self, x: int, kernel, bias, relu: bool) -> int:
        fused = ACTIVATIONS.RELU if relu else ACTIVATIONS.NONE
        return self.operator(
            "FULLY_CONNECTED",
            (x, self.constant(kernel), self.constant(bias)),
            self.computed(len(kernel)),
            "FullyConnectedOptions",
            fusedActivationFunction=fused,
        )

    def network(self, output: int) -> bytes:
        """The .tflite file, with a signature."""
        self.graph.outputs = [output]
        definition = schema.SignatureDefT()
        definition.signatureKey, definition.subgraphIndex = b"serving_default", 0
        ends = ("inputs", self.graph.inputs[0]), ("outputs", output)
        for name, index in ends:
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name[:-1].encode(), index
            setattr(definition, name, [entry])
        self.model.signatureDefs = [definition]
        return flatbuffer.pack(self.model)


def dense_file(layers) -> bytes:
    """(kernel (out, in), bias) of dense layers, with ReLU between them."""
    b = FloatBuilder(np.random.default_rng(0))
    x = b.image(np.shape(layers[0][0])[1])
    for place, (kernel, bias) in enumerate(layers):
        x = b.dense(x, kernel, bias, relu=place < len(layers) - 1)
    return b.network(x)
