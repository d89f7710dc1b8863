"""Coupled channels: which channels of a model must be pruned together.

Every channel of every activation gets a label, followed through the graph. A pooling
layer hands its input's labels on; a flatten repeats them; where two activations are
added, the labels of their channels become one. So the units with one label are all that
feeds one channel: a single neuron of a plain network, and in a residual network the
filters of all layers that add to that channel.
"""

import numpy as np

from labkit.model.flatbuffer import array, kind
from labkit.model.graph import NetworkError

# They keep the channel axis, and a channel of zeros as it is.
_SAME_CHANNELS = set(
    "RELU RELU6 RELU_N1_TO_1 LEAKY_RELU HARD_SWISH TANH MAX_POOL_2D AVERAGE_POOL_2D "
    "FAKE_QUANT".split()
)


class DependencyGraph:
    """The labels of a model's channels.

    The channel axis is the last one of every activation (NHWC).
    """

    def __init__(self, model):
        self._parents: list[int] = []
        self._reasons: dict[int, str] = {}
        self._tensors: dict[int, np.ndarray] = {}
        graph = model.subgraphs[0]
        for index in map(int, graph.inputs):
            self._tensors[index] = self._new(_width(model, index))
            self._fix(index, "are the network's input")
        for operator in graph.operators:
            self._follow(model, operator)
        for index in map(int, graph.outputs):
            self._fix(index, "are the network's output")

    def __contains__(self, tensor: int) -> bool:
        return tensor in self._tensors

    def of(self, tensor: int) -> np.ndarray:
        """The labels of a tensor's last axis, int (channels,)."""
        return np.array([self._root(label) for label in self._tensors[tensor]], int)

    def obstacle(self, label: int) -> str | None:
        """Why the channels of a label cannot be removed: "are the network's output"."""
        return self._reasons.get(self._root(label))

    def _new(self, count: int) -> np.ndarray:
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    def _root(self, label: int) -> int:
        while self._parents[label] != label:
            label = self._parents[label]
        return int(label)

    def _join(self, a: np.ndarray, b: np.ndarray) -> None:
        for one, other in zip(map(self._root, a), map(self._root, b), strict=True):
            keep, drop = sorted((one, self._root(other)))
            self._parents[drop] = keep
            if drop in self._reasons:
                self._reasons[keep] = self._reasons[drop]

    def _fix(self, tensor: int, reason: str) -> None:
        for label in self._tensors.get(tensor, ()):
            self._reasons[self._root(label)] = reason

    def _follow(self, model, operator) -> None:
        """Give the operator's output its labels."""
        name, source = kind(model, operator), int(operator.inputs[0])
        output = int(operator.outputs[0])
        width = _width(model, output)
        labels = self._tensors.get(source)
        if name in ("CONV_2D", "FULLY_CONNECTED"):
            self._tensors[output] = self._new(width)
        elif labels is None or name == "SHAPE":
            return
        elif self._keeps_channels(model, operator, name, width):
            self._tensors[output] = labels
        elif name == "RESHAPE" and width % len(labels) == 0:
            self._tensors[output] = np.tile(labels, width // len(labels))
        elif name == "ADD" and self._adds_channels(operator):
            self._join(labels, self._tensors[int(operator.inputs[1])])
            self._tensors[output] = labels
        elif name == "PAD":
            before, after = array(model, operator.inputs[1])[-1]
            parts = [self._new(int(before)), labels, self._new(int(after))]
            self._tensors[output] = np.concatenate(parts)
        else:
            self._tensors[output] = self._new(width)
            for index in (*map(int, operator.inputs), output):
                self._fix(index, f"are read by {name}, which needs all of them")

    def _keeps_channels(self, model, operator, name: str, width: int) -> bool:
        if name == "DEPTHWISE_CONV_2D":  # one filter for each channel
            return width == len(self._tensors[int(operator.inputs[0])])
        if name == "MEAN":
            shape = model.subgraphs[0].tensors[operator.inputs[0]].shape
            axes = array(model, operator.inputs[1]).ravel() % len(shape)
            return len(shape) - 1 not in axes
        return name in _SAME_CHANNELS

    def _adds_channels(self, operator) -> bool:
        """Whether two activations with as many channels are added."""
        found = [self._tensors.get(int(index)) for index in operator.inputs]
        return all(f is not None and len(f) == len(found[0]) for f in found)


def _width(model, index: int) -> int:
    shape = model.subgraphs[0].tensors[index].shape
    return int(shape[-1]) if shape is not None and len(shape) else 1


def check_removable(channels: DependencyGraph, labels: set[int], what: str) -> None:
    """Raise NetworkError if channels of these labels cannot be removed."""
    for label in labels:
        reason = channels.obstacle(label)
        if reason:
            raise NetworkError(f"{what} {reason}: they cannot be removed")
