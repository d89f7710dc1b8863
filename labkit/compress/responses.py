"""What the layers of a network read and answer on some images, as their moments.

The answers are w x + b, before the activation function. All layers are observed in one
run: beside each layer with a fused activation a copy without it is put into the graph.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from labkit.common.keys import key_of, sha256
from labkit.lowrank.covariance import Moments, Sums
from labkit.model import flatbuffer
from labkit.model.network import Network
from labkit.model.runtime import Runner

_IMAGES_AT_ONCE = 50  # of resnet20's answers of all layers: 38 MB


WHAT = ("inputs", "responses")


@dataclass(frozen=True, eq=False)
class ObservedMoments:
    """what: "inputs" or "responses". moments: by layer, of that.

    A dense layer's rows are images. A convolution's are all places of all images, each
    a row of as many numbers as there are channels.
    """

    what: str
    moments: Mapping[str, Moments]

    @cached_property
    def digest(self) -> str:
        """The sha256 of all numbers: what a result of them is cached under."""
        numbers = [self.what]
        for layer, found in self.moments.items():
            numbers += [layer, found.n, key_of(found.mean), key_of(found.covariance)]
        return sha256(repr(numbers).encode())


def observe(
    network: Network, images: np.ndarray, what: str = "responses"
) -> ObservedMoments:
    """The moments of all dense layers and convolutions on at least one image.

    images: of calibration, as the network takes them. what: one of WHAT. Raises
    ValueError for another word, or no images.
    """
    if what not in WHAT:
        raise ValueError(f"what is {what!r}: choose one of {', '.join(WHAT)}")
    layers = [name for name in network.kernels if _is_matrix(network, name)]
    sums = {name: Sums() for name in layers}
    for inputs, outputs in _batches(network, images, layers):
        for name in layers:
            if what == "inputs":
                width = network.kernels[name].shape[-1]
                sums[name].add(inputs[name].reshape(-1, width))
            else:
                sums[name].add(outputs[name])
    found = {name: gathered.moments() for name, gathered in sums.items()}
    return ObservedMoments(what, MappingProxyType(found))


def answers(network: Network, images: np.ndarray, layer: str) -> np.ndarray:
    """w x + b of one layer for each image, float32 (n, …, channels)."""
    found = [outputs[layer] for _, outputs in _batches(network, images, [layer])]
    return np.concatenate(found)


def _is_matrix(network: Network, layer: str) -> bool:
    return network.layer(layer).kind in ("FULLY_CONNECTED", "CONV_2D")


def _batches(network: Network, images: np.ndarray, layers: list[str]) -> Iterator:
    """Layer -> its inputs, and layer -> its answers, of some images at a time."""
    if not len(images):
        raise ValueError("there are no images to observe: give at least one")
    content, read = _observing(network, layers)
    runner = Runner(content, min(_IMAGES_AT_ONCE, len(images)))
    for start in range(0, len(images), runner.batch_size):
        batch = images[start : start + runner.batch_size]
        found = runner.run_all(batch)
        pixels = network.as_inputs(batch)
        inputs = {
            name: pixels if place is None else found[place]
            for name, place in zip(layers, read, strict=True)
        }
        outputs = dict(zip(layers, found[-len(layers) :], strict=True))
        yield inputs, outputs


def _observing(network: Network, layers: list[str]) -> tuple[bytes, list[int | None]]:
    """A file whose outputs are what the layers read, then what they answer.

    Also, for each layer, which output it reads; None for the network's input.
    """
    model = flatbuffer.unpack(network.to_bytes())
    graph = model.subgraphs[0]
    own = {int(index) for index in graph.inputs}
    positions = [network.layers.index(network.layer(name)) for name in layers]
    operators = [graph.operators[position] for position in positions]
    sources = [int(operator.inputs[0]) for operator in operators]
    shown = [index for index in dict.fromkeys(sources) if index not in own]
    copies = [_without_activation(model, operator) for operator in operators]
    graph.operators = [*graph.operators[: max(positions) + 1], *copies]
    graph.outputs = [*shown, *(int(step.outputs[0]) for step in copies)]
    model.signatureDefs = []
    places = [shown.index(index) if index not in own else None for index in sources]
    return flatbuffer.pack(model), places


def _without_activation(model, operator):
    """A copy of an operator that writes what it computes before the activation."""
    step = copy(operator)
    step.builtinOptions = copy(operator.builtinOptions)
    step.builtinOptions.fusedActivationFunction = flatbuffer.NO_ACTIVATION
    output = int(operator.outputs[0])
    channels = int(model.subgraphs[0].tensors[output].shape[-1])
    step.outputs = [flatbuffer.add_activation(model, "answers", output, channels)]
    return step
