"""A trained network as an editable model file: no TensorFlow, every edit a real file.

`Network` is an immutable view of a LiteRT (.tflite) model. `with_weights` keeps the
file's layout and overwrites the bytes of the weights, so a new file costs about a copy
of the old one. Edits that change the graph itself are in
`labkit.model.replace`, `labkit.model.remove`, `labkit.model.branches` and
`labkit.model.folding`.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from labkit.common.files import write_bytes
from labkit.common.keys import sha256
from labkit.lowrank.parts import FactorLayer
from labkit.model import branches, fake_quant, folding, probe, remove, replace
from labkit.model.fake_quant import ActivationGrid
from labkit.model.graph import Graph, Layer, NetworkError, Span, read_graph
from labkit.model.inputs import as_inputs
from labkit.model.runtime import THREADS, Runner


class Network:
    """An immutable LiteRT model: its layers, its weights, its bytes, its outputs.

    Weights are named "fc1/kernel", "fc1/bias", "conv1/kernel", … and lie as LiteRT has
    them: dense (out, in), convolution (out, height, width, in), depthwise
    (1, height, width, channels). Every edit returns a new Network or raises
    NetworkError and changes nothing.
    """

    def __init__(self, content: bytes, graph: Graph):
        self._content = content
        self._graph = graph

    @classmethod
    def from_bytes(cls, content: bytes) -> "Network":
        """View the bytes of a trusted .tflite file (`load` is for any other)."""
        return cls(bytes(content), read_graph(content))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Network":
        """Open a .tflite file of unknown origin.

        It is read and run on a few images in a child process, alone and in a batch, so
        that a damaged file ends in a NetworkError and not in a dead kernel. What this
        process has checked before, or has from the zoo, is opened at once.
        """
        content = probe.read(path)
        if complaint := probe.complaint(content):
            raise NetworkError(f"{Path(path).name} was not opened: {complaint}")
        return cls.from_bytes(content)

    def save(self, path: str | os.PathLike) -> Path:
        """Write the file, whole or not at all, and return its path."""
        return write_bytes(path, self._content)

    def to_bytes(self) -> bytes:
        """The .tflite file."""
        return self._content

    @cached_property
    def digest(self) -> str:
        """The file's sha256 in hexadecimal: what a result of it is cached under."""
        return sha256(self._content)

    def __eq__(self, other) -> bool:
        """Whether both are the same file, byte for byte."""
        if not isinstance(other, Network):
            return NotImplemented
        return self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __len__(self) -> int:
        return len(self._content)

    def __repr__(self) -> str:
        kinds = ", ".join(layer.name for layer in self.layers if layer.kernel_shape)
        return f"<Network {self.parameters:,} parameters, {len(self):,} bytes: {kinds}>"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The operators in the order they run."""
        return self._graph.layers

    def layer(self, name: str) -> Layer:
        """The layer called `name`; NetworkError names the ones there are."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        raise NetworkError(f"there is no layer {name!r}: the layers are {known}")

    @property
    def parameters(self) -> int:
        """Kernels and biases, counted in numbers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one image, without the batch."""
        return self._graph.input_shape

    @cached_property
    def weights(self) -> Mapping[str, np.ndarray]:
        """Name -> read-only array, a view into the file."""
        return MappingProxyType(
            {
                name: np.frombuffer(
                    self._content,
                    span.dtype,
                    span.size_bytes // span.dtype.itemsize,
                    span.offset,
                ).reshape(span.shape)
                for name, span in self._graph.spans.items()
            }
        )

    @property
    def kernels(self) -> dict[str, np.ndarray]:
        """Layer name -> its kernel, the biases left out."""
        return {
            name.removesuffix("/kernel"): array
            for name, array in self.weights.items()
            if name.endswith("/kernel")
        }

    def with_weights(self, changes: Mapping[str, np.ndarray]) -> "Network":
        """The same network with some weights replaced.

        changes: weight name -> array of the same shape, of numbers that the file's
        dtype holds: floats are rounded to it, into integers only whole numbers in range
        fit. Raises NetworkError for others, NaN and infinity, an unknown name, another
        shape, or for one array that two layers share and only one of them changes.
        """
        content = bytearray(self._content)
        for name, array in changes.items():
            span = self._span(name, changes)
            values = _fitting(name, np.asarray(array), span.shape, span.dtype)
            content[span.offset : span.offset + span.size_bytes] = values.tobytes()
        return Network(bytes(content), self._graph)

    def _span(self, name: str, changes: Mapping[str, np.ndarray]) -> Span:
        spans = self._graph.spans
        if name not in spans:
            raise NetworkError(
                f"there is no weight {name!r}: the weights are {', '.join(spans)}"
            )
        for other, span in spans.items():
            same = other in changes and np.array_equal(changes[other], changes[name])
            if other != name and span.offset == spans[name].offset and not same:
                raise NetworkError(
                    f"{name} and {other} are one array in this file: change both alike"
                )
        return spans[name]

    def skeleton(self) -> bytes:
        """The same file with every weight set to zero: what remains is the graph."""
        content = bytearray(self._content)
        for span in self._graph.spans.values():
            content[span.offset : span.offset + span.size_bytes] = bytes(
                span.size_bytes
            )
        return bytes(content)

    @classmethod
    def from_skeleton(
        cls, skeleton: bytes, weights: Mapping[str, np.ndarray]
    ) -> "Network":
        """Put weights into a skeleton: byte for byte the file it was made from."""
        return cls.from_bytes(skeleton).with_weights(weights)

    def predict(
        self, images: np.ndarray, batch_size: int = 125, threads: int = THREADS
    ) -> np.ndarray:
        """Logits, float32 (n, classes), of images as `labkit.model.inputs` takes them:
        uint8 pixels (n, …), which it divides by 255, or floats as they are.
        """
        runner = Runner(self._content, min(batch_size, max(len(images), 1)), threads)
        step = runner.batch_size
        batches = [
            runner.run(images[k : k + step]) for k in range(0, len(images), step)
        ]
        return np.concatenate(batches) if batches else np.empty((0, 0), np.float32)

    def activations(
        self, images: np.ndarray, layer: str, batch_size: int = 125
    ) -> np.ndarray:
        """The input of `layer` for each image, float32 (n, …)."""
        before = replace.truncate_before(self._content, self._position(layer))
        if before is None:
            return self.as_inputs(images)
        return Network.from_bytes(before).predict(images, batch_size)

    def inner_activations(
        self, images: np.ndarray, layers: Sequence[str], batch_size: int = 125
    ) -> dict[str, np.ndarray]:
        """Layer -> its input for each image, of several layers in one run.

        layers: some that read another layer's output, not the images; at least one.
        """
        positions = [self._position(name) for name in layers]
        content, which = replace.expose_inputs(self._content, positions)
        outputs = _all_outputs(content, images, batch_size)
        return {name: outputs[k] for name, k in zip(layers, which, strict=True)}

    def outputs(
        self, images: np.ndarray, layers: Sequence[str], batch_size: int = 125
    ) -> dict[str, np.ndarray]:
        """Layer -> its output for each image, float32 (n, …), of several in one run.

        Behind the fused activation function. layers: at least one.
        """
        positions = [self._position(name) for name in layers]
        content = replace.expose_outputs(self._content, positions)
        outputs = _all_outputs(content, images, batch_size)
        return dict(zip(layers, outputs, strict=True))

    def as_inputs(self, images: np.ndarray) -> np.ndarray:
        """What the network reads: `labkit.model.inputs.as_inputs`, (n,
        *input_shape)."""
        return as_inputs(images, self.input_shape)

    def replace_layer(self, name: str, parts: Sequence[FactorLayer]) -> "Network":
        """Run several layers in place of one, called `name`_1, `name`_2, …

        parts: (kernel, bias or None) in the order they run: two dense layers for a
        dense one, convolutions for a convolution, some of them depthwise if they are
        `FactorLayer`s that say so. The activation stays with the last.
        """
        return self.replace_layers({name: parts})

    def replace_layers(
        self, replaced: Mapping[str, Sequence[FactorLayer]]
    ) -> "Network":
        """`replace_layer` for each name -> parts, in one go."""
        for name in replaced:
            self._weighted(name)
        content = replace.replace_layers(
            self._content,
            {self._position(name): (name, parts) for name, parts in replaced.items()},
        )
        return Network.from_bytes(content)

    def remove_units(
        self, name: str, units: Sequence[int], coupled: bool = False
    ) -> "Network":
        """Take output units (neurons, filters) out of a layer, and the inputs that read
        them out of the following ones. Nothing compensates for what they computed.

        coupled: take the units of other layers that add to the same channels out too;
        without it NetworkError names one of them.
        """
        self._weighted(name)
        position = self._position(name)
        return Network.from_bytes(
            remove.remove_units(self._content, {position: units}, coupled)
        )

    def remove_branch(self, name: str) -> "Network":
        """Take the branch of a residual addition out; the shortcut alone goes on.

        name: of the addition, a layer of kind ADD.
        """
        content = branches.remove_branch(self._content, self._position(name))
        return Network.from_bytes(content)

    def fake_quantize_inputs(self, grids: Mapping[str, ActivationGrid]) -> "Network":
        """Round what some layers read to a grid each, in the graph.

        grids: layer name -> the grid of its first input.
        """
        positions = {self._position(name): grid for name, grid in grids.items()}
        content = fake_quant.fake_quantize_inputs(self._content, positions)
        return Network.from_bytes(content)

    def fold(self) -> "Network":
        """Fold constant per-channel factors and offsets into the layers before them."""
        return Network.from_bytes(folding.fold(self._content))

    def _position(self, name: str) -> int:
        return self.layers.index(self.layer(name))

    def _weighted(self, name: str) -> None:
        if self.layer(name).kernel_shape is None:
            raise NetworkError(
                f"layer {name} has no weights: choose {', '.join(self.kernels)}"
            )


def _all_outputs(content: bytes, images: np.ndarray, batch_size: int) -> list:
    """Every output of a file, each float32 (n, …)."""
    runner = Runner(content, min(batch_size, len(images)))
    step = runner.batch_size
    batches = [
        runner.run_all(images[k : k + step]) for k in range(0, len(images), step)
    ]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def _fitting(name: str, array: np.ndarray, shape: tuple, dtype: np.dtype) -> np.ndarray:
    if array.shape != shape:
        raise NetworkError(
            f"{name} has shape {shape}: an array of {array.shape} does not fit"
        )
    if array.dtype.kind in "cOSTUMm":
        raise NetworkError(f"the new {name} is {array.dtype}: give real numbers")
    if not np.isfinite(array).all():
        raise NetworkError(
            f"the new {name} contains NaN or infinity: give finite numbers"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        values = array.astype(dtype)
    lost = _lost(array, values)
    if lost.any():
        raise NetworkError(
            f"{name} is stored as {dtype.name}, which cannot hold {array[lost][0]}: "
            "give numbers that it holds"
        )
    return values


def _lost(array: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where a cast lost the number: more than a float's rounding."""
    if values.dtype.kind == "f":
        return ~np.isfinite(values)
    with np.errstate(invalid="ignore"):
        back = values.astype(array.dtype)
    return (back != array) | ((values < 0) != (array < 0))
