"""A file as a program: operators in the order they run, each with its tensors.

`Operation` is also the gate: what an operator's arithmetic asks of its inputs, weights
and options is asked through it, and what is not there ends in an error that names the
operator.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from labkit.model.graph import DTYPES, NetworkError

ACTIVATIONS = {
    value: name
    for name, value in vars(schema.ActivationFunctionType).items()
    if isinstance(value, int)
}


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of the file: its type, its grid, and its values if it is a constant.

    type: LiteRT's name, such as "INT8". shape: the file's; signature: the same with -1
    for a side that may change. scales: float32, one, one for each channel along `axis`,
    or none. zero_points: int64, as many. values: the codes (int8, also of packed 4-bit
    weights), int32 or float32 numbers; None if an operator or the user supplies them.
    sparse: whether the file leaves its zeros out.
    """

    index: int
    name: str
    type: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    scales: np.ndarray
    zero_points: np.ndarray
    axis: int
    values: np.ndarray | None
    sparse: bool

    @property
    def scale(self) -> np.float32:
        """The real size of one step, for a tensor with one grid."""
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The code of the real 0.0, for a tensor with one grid."""
        return int(self.zero_points[0])


@dataclass(frozen=True, eq=False)
class Operation:
    """One operator of the file. inputs: None where an optional one is left out."""

    name: str
    kind: str
    options: object
    inputs: tuple[Tensor | None, ...]
    output: Tensor
    rounding: str

    def refusal(self, reason: str) -> NetworkError:
        """The error that names this operator."""
        return NetworkError(
            f"labkit.integer cannot run {self.kind} {self.name}: {reason}"
        )

    @property
    def integer_rounding(self) -> str:
        """How this operator's integers are shifted: LiteRT's kernels round twice."""
        return "single" if self.rounding == "single" else "double"

    def codes(self, position: int) -> Tensor:
        """The input at `position`, which must be int8 on one grid."""
        return self._checked(self.inputs[position])

    def output_codes(self) -> Tensor:
        """The output, which must be int8 on one grid."""
        return self._checked(self.output)

    def _checked(self, tensor: Tensor) -> Tensor:
        if tensor.type != "INT8":
            raise self.refusal(
                f"tensor {tensor.name!r} is {tensor.type.lower()}, not int8: make the "
                'file with 8-bit activations, as deploy.deployable(…, 8, "static") does'
            )
        if len(tensor.scales) != 1 or len(tensor.zero_points) != 1:
            raise self.refusal(f"tensor {tensor.name!r} has not exactly one scale")
        return tensor

    def constant(self, position: int) -> Tensor | None:
        """The constant input at `position`; None where it is left out."""
        if position >= len(self.inputs) or self.inputs[position] is None:
            return None
        tensor = self.inputs[position]
        if tensor.type not in (*DTYPES, "INT4"):
            kind = tensor.type.lower()
            raise self.refusal(f"tensor {tensor.name!r} holds {kind}: make it int8")
        if tensor.values is None:
            raise self.refusal(f"tensor {tensor.name!r} is computed, not a constant")
        return tensor

    def option(self, name: str):
        """An option of the operator, whose table must be in the file."""
        if self.options is None:
            raise self.refusal("it has no options in the file: make the file anew")
        return getattr(self.options, name)

    @cached_property
    def activation(self) -> str:
        """The name of the fused activation, "NONE" for none."""
        return ACTIVATIONS[self.option("fusedActivationFunction")]


@dataclass(frozen=True, eq=False)
class Program:
    """The operators in the order they run, and the tensors at both ends."""

    operations: tuple[Operation, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
