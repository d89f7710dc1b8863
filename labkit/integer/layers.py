"""The layers of a file, each with its arithmetic: what a lesson looks into."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from labkit.integer import elementwise, linear, nonlinear, pooling, shapes
from labkit.integer.program import Operation, Program, Tensor
from labkit.integer.rescaling import Arithmetic, Multiplier
from labkit.model.graph import NetworkError

OPERATORS = {
    **elementwise.OPERATORS,
    **linear.OPERATORS,
    **nonlinear.OPERATORS,
    **pooling.OPERATORS,
    **shapes.OPERATORS,
}


@dataclass(frozen=True, eq=False)
class Layer:
    """One operator of an IntegerNetwork.

    inputs: the layers whose outputs it reads, "input" for the network's own.
    operation: what the file says. arithmetic: what is made of it.
    """

    inputs: tuple[str, ...]
    operation: Operation = field(repr=False)
    arithmetic: Arithmetic = field(repr=False)

    def __repr__(self) -> str:
        return f"<Layer {self.name}: {self.kind} of {', '.join(self.inputs)}>"

    @property
    def name(self) -> str:
        """The layer's name, as in `labkit.model.graph`."""
        return self.operation.name

    @property
    def kind(self) -> str:
        """LiteRT's name of the operator."""
        return self.operation.kind

    @property
    def activation(self) -> str:
        """The fused activation, "NONE" for none."""
        fuses = hasattr(self.operation.options, "fusedActivationFunction")
        return self.operation.activation if fuses else "NONE"

    @property
    def output(self) -> Tensor:
        """The tensor that it writes."""
        return self.operation.output

    @property
    def writes_codes(self) -> bool:
        """Whether its output are int8 codes on one grid."""
        return self.output.type == "INT8" and self.output.scales.size == 1

    @property
    def scale(self) -> float | None:
        """Of its output's grid, r = scale * (q - zero_point); None without codes."""
        return float(self.output.scale) if self.writes_codes else None

    @property
    def zero_point(self) -> int | None:
        """Of its output's grid; None without codes."""
        return self.output.zero_point if self.writes_codes else None

    @property
    def multipliers(self) -> tuple[Multiplier, ...]:
        """M, m0 and n of each rescaling in it: mostly one, none in MAX_POOL_2D."""
        return self.arithmetic.multipliers

    @property
    def kernel(self) -> np.ndarray | None:
        """Its weights' int8 codes in LiteRT's layout; None without weights."""
        return self.arithmetic.kernel

    @property
    def bias(self) -> np.ndarray | None:
        """Its int32 bias, in steps of input scale * kernel scale."""
        return self.arithmetic.bias

    @property
    def reads(self) -> tuple[Tensor, ...]:
        """The tensors that its arithmetic takes, in their order."""
        return tuple(self.operation.inputs[k] for k in self.arithmetic.reads)


def layers(program: Program) -> Iterator[Layer]:
    """The operators with their arithmetic; NetworkError says what is lacking."""
    lacking = sorted({op.kind for op in program.operations} - set(OPERATORS))
    if lacking:
        raise NetworkError(
            f"labkit.integer has no {', '.join(lacking)}: it runs files made of "
            f"{', '.join(sorted(OPERATORS))}"
        )
    producers = {
        tensor.index: "input" if k == 0 else f"input{k + 1}"
        for k, tensor in enumerate(program.inputs)
    }
    for op in program.operations:
        read = [tensor for tensor in op.inputs if tensor is not None]
        inputs = [producers[t.index] for t in read if t.index in producers]
        yield Layer(tuple(inputs), op, OPERATORS[op.kind](op))
        producers[op.output.index] = op.name
