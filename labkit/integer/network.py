"""An int8 network that runs on whole numbers, and every layer's numbers to look at."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from labkit.integer.ends import as_inputs, as_real
from labkit.integer.layers import Layer, layers
from labkit.integer.load import load
from labkit.integer.program import Program
from labkit.model.graph import NetworkError

ROUNDINGS = ("reference", "double", "single")
BATCH = 125


class IntegerNetwork:
    """An int8 .tflite file, run in numpy: int8 codes, int32 sums, int64 products.

    With rounding "reference" every layer's codes equal those of LiteRT's reference
    kernels (OpResolverType.BUILTIN_REF). "double" and "single" do every rescaling in
    integers, FULLY_CONNECTED's too, and round twice or once (see `fixed_point`).
    Sources: Jacob et al. 2018, arXiv:1712.05877, sec. 2; gemmlowp.
    """

    def __init__(self, program: Program, rounding: str):
        self.rounding = rounding
        self.layers: tuple[Layer, ...] = tuple(layers(program))
        self._program = program
        self._spent = _spent(self.layers)

    @classmethod
    def from_bytes(
        cls, content: bytes, rounding: str = "reference"
    ) -> "IntegerNetwork":
        """Read a trusted .tflite file made of the operators in `layers.OPERATORS`.

        rounding: one of ROUNDINGS, else ValueError. Raises NetworkError that names the
        operator or attribute that this package lacks, before anything runs.
        """
        if rounding not in ROUNDINGS:
            raise ValueError(
                f"rounding is {rounding!r}: choose one of {', '.join(ROUNDINGS)}"
            )
        return cls(load(content, rounding), rounding)

    @property
    def batch(self) -> int | None:
        """How many images the file takes at a time; None for any number."""
        first = self._program.inputs[0]
        return None if first.signature[0] < 0 else first.shape[0]

    def layer(self, name: str) -> Layer:
        """The layer called `name`; NetworkError names the ones there are."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        raise NetworkError(f"there is no layer {name!r}: the layers are {known}")

    def run(
        self, *inputs: np.ndarray, given: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """Layer name -> its output for all the images: codes where they are codes.

        inputs: an array for each input of the network: uint8 images (n, …), taken as
        pixels / 255, float32 numbers, or int8 codes for an int8 input. given: outputs
        to hand on in place of those computed here, so that a layer's own rounding is
        seen apart from what the layers before it did. Keeps everything: a few hundred
        images at most.
        """
        feed = as_inputs(self._program.inputs, inputs)
        return {layer.name: out for layer, out in self._steps(feed, given or {})}

    def predict(
        self, *inputs: np.ndarray, batch_size: int = BATCH
    ) -> np.ndarray | tuple[np.ndarray, ...]:
        """The network's output as float32 numbers (n, …); a tuple if it has several.

        inputs: as for `run`, any number of images. Keeps what is still to be read.
        """
        step = self.batch or batch_size
        batches = [
            self._outputs([array[k : k + step] for array in inputs])
            for k in range(0, len(inputs[0]), step)
        ]
        if not batches:
            return np.empty((0, 0), np.float32)
        outputs = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _outputs(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The float32 outputs of one batch."""
        n, ends = len(inputs[0]), self._program.outputs
        missing = (self.batch or n) - n  # filled with copies of the last image
        whole = [np.concatenate([x, x[-1:].repeat(missing, 0)]) for x in inputs]
        feed = as_inputs(self._program.inputs, whole)
        found = {
            layer.output.index: out
            for layer, out in self._steps(feed, {})
            if layer.output in ends
        }
        return [as_real(tensor, found[tensor.index])[:n] for tensor in ends]

    def _steps(
        self, feed: Mapping[int, np.ndarray], given: Mapping[str, np.ndarray]
    ) -> Iterator[tuple[Layer, np.ndarray]]:
        """Run layer by layer; what no later layer reads is forgotten."""
        values = dict(feed)
        for layer in self.layers:
            arrays = [
                values[tensor.index] if tensor.values is None else tensor.values
                for tensor in layer.reads
            ]
            out = layer.arithmetic.compute(*arrays)
            yield layer, out
            values[layer.output.index] = given.get(layer.name, out)
            for index in self._spent[layer.name]:
                values.pop(index, None)


def _spent(layers: Sequence[Layer]) -> dict[str, list[int]]:
    """Layer name -> the tensors that no layer reads after it."""
    last = {}
    for layer in layers:
        last |= {tensor.index: layer.name for tensor in (*layer.reads, layer.output)}
    spent = {layer.name: [] for layer in layers}
    for index, name in last.items():
        spent[name].append(index)
    return spent
