"""Rounding put into a model's graph: FAKE_QUANT operators in front of layers.

FAKE_QUANT reads floats and writes the nearest points of an affine grid, as floats. It
stands in a real file and LiteRT runs it, but it saves nothing: it shows what a grid of
few bits does to the activations where no kernel multiplies such integers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from labkit.model.flatbuffer import add_activation, kind, operator_code, pack, unpack
from labkit.model.graph import NetworkError


@dataclass(frozen=True)
class ActivationGrid:
    """2**bits points, evenly spaced from lo to hi (2 to 16 bits), 0 among them.

    LiteRT moves both ends by less than half a step so that 0 is a point of the grid.
    """

    lo: float
    hi: float
    bits: int

    def __post_init__(self):
        if not (self.lo <= 0 <= self.hi and 0 < self.hi - self.lo < np.inf):
            raise NetworkError(
                f"{self.lo} .. {self.hi} is no range: lo <= 0 <= hi, not both 0"
            )
        if self.bits not in range(2, 17):
            raise NetworkError(f"bits is {self.bits}: choose 2 to 16")

    @property
    def scale(self) -> float:
        """The real size of one step.

        >>> ActivationGrid(lo=0.0, hi=3.0, bits=2).scale
        1.0
        """
        return (self.hi - self.lo) / (2**self.bits - 1)


def fake_quantize_inputs(content: bytes, grids: Mapping[int, ActivationGrid]) -> bytes:
    """Round what some operators read, by their position in the order they run."""
    model = unpack(content)
    graph = model.subgraphs[0]
    code = operator_code(model, "FAKE_QUANT")
    operators = []
    for position, operator in enumerate(graph.operators):
        if position in grids:
            name = graph.tensors[operator.outputs[0]].name.decode()
            source = int(operator.inputs[0])
            channels = int(graph.tensors[source].shape[-1])
            target = add_activation(model, f"{name}_grid", source, channels)
            operators.append(_fake_quant(code, source, target, grids[position]))
            operator.inputs = [target, *operator.inputs[1:]]
        operators.append(operator)
    graph.operators = operators
    return pack(model)


def inserted_grids(content: bytes) -> dict[str, ActivationGrid]:
    """The grids in a file: name of the FAKE_QUANT layer, such as "fc1_grid" -> grid."""
    model = unpack(content)
    graph = model.subgraphs[0]
    return {
        graph.tensors[operator.outputs[0]].name.decode(): _grid(operator)
        for operator in graph.operators
        if kind(model, operator) == "FAKE_QUANT"
    }


def _grid(operator: schema.OperatorT) -> ActivationGrid:
    options = operator.builtinOptions
    return ActivationGrid(options.min, options.max, options.numBits)


def _fake_quant(code: int, source: int, target: int, grid: ActivationGrid):
    operator, options = schema.OperatorT(), schema.FakeQuantOptionsT()
    options.min, options.max, options.numBits = grid.lo, grid.hi, grid.bits
    operator.opcodeIndex = code
    operator.inputs, operator.outputs = [source], [target]
    operator.builtinOptionsType = schema.BuiltinOptions.FakeQuantOptions
    operator.builtinOptions = options
    return operator
