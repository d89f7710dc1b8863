"""The same network in LiteRT, layer by layer, with any of its three sets of kernels.

"reference"  plain loops (OpResolverType.BUILTIN_REF): what the other sets are held to;
"optimized"  LiteRT's own fast kernels (BUILTIN_WITHOUT_DEFAULT_DELEGATES);
"xnnpack"    what an Interpreter uses by default (AUTO).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from labkit.integer.ends import as_inputs
from labkit.integer.load import load
from labkit.integer.program import Program
from labkit.model import flatbuffer
from labkit.model.graph import NetworkError

KERNELS = {
    "reference": OpResolverType.BUILTIN_REF,
    "optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "xnnpack": OpResolverType.AUTO,
}


class LiteRTNetwork:
    """A .tflite file run by LiteRT, with every layer's output kept."""

    def __init__(self, program: Program, interpreter: Interpreter):
        self._program = program
        self._interpreter = interpreter
        self._sizes = None

    @classmethod
    def from_bytes(
        cls, content: bytes, kernels: str = "reference", threads: int = 1
    ) -> "LiteRTNetwork":
        """Open a trusted .tflite file.

        kernels: one of KERNELS, else ValueError. threads: for its kernels. Raises
        NetworkError for a file that LiteRT refuses, here or in the first `run`.
        """
        if kernels not in KERNELS:
            known = ", ".join(KERNELS)
            raise ValueError(f"kernels is {kernels!r}: choose one of {known}")
        if kernels == "xnnpack":  # it keeps what the graph puts out, and nothing else
            content = with_every_output(content)
        with _refusals():
            interpreter = Interpreter(
                model_content=content,
                num_threads=threads,
                experimental_op_resolver_type=KERNELS[kernels],
                experimental_preserve_all_tensors=kernels != "xnnpack",
            )
        return cls(load(content, "reference"), interpreter)

    def run(self, *inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Layer name -> its output for all the images, as `IntegerNetwork.run`."""
        feed = as_inputs(self._program.inputs, inputs)
        with _refusals():
            self._invoke(feed)
        return {
            op.name: self._interpreter.get_tensor(op.output.index)
            for op in self._program.operations
        }

    def _invoke(self, feed: dict[int, np.ndarray]) -> None:
        sizes = {index: array.shape for index, array in feed.items()}
        if sizes != self._sizes:
            for index, shape in sizes.items():
                self._interpreter.resize_tensor_input(index, shape)
            self._interpreter.allocate_tensors()
            self._sizes = sizes
        for index, array in feed.items():
            self._interpreter.set_tensor(index, array)
        self._interpreter.invoke()


@contextmanager
def _refusals() -> Iterator[None]:
    """LiteRT's errors as a NetworkError of one line."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise NetworkError(f"LiteRT refuses the model: {first}") from error


def with_every_output(content: bytes) -> bytes:
    """The same file, with the output of each of its operators as an output."""
    model = flatbuffer.unpack(content)
    for buffer in model.buffers:  # what lies behind the flatbuffer moves into it
        buffer.data = np.frombuffer(flatbuffer.buffer_bytes(content, buffer), np.uint8)
        buffer.offset = buffer.size = 0
    graph = model.subgraphs[0]
    graph.outputs = [int(operator.outputs[0]) for operator in graph.operators]
    return flatbuffer.pack(model)
