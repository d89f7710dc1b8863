"""Structured pruning of a model file: which units go together, masked or removed.

A unit that is masked to zero still costs its bytes and its multiplications; a removed
one does not, and the logits are the same. In a residual network the units of several
layers add to one channel: they are one group, and go together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from labkit.model import remove
from labkit.model.network import Network
from labkit.prune import units

_IMAGES_AT_ONCE = 50

Score = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class ChannelGroup:
    """Channels that the same layers write.

    layers: their names, in the order they run; one, but where layers are added to each
    other. units: int (channels, layers), which unit of each layer writes the channel.
    """

    layers: tuple[str, ...]
    units: np.ndarray

    def __len__(self) -> int:
        return len(self.units)


def channel_groups(network: Network) -> dict[str, ChannelGroup]:
    """Name -> group, of all channels that can be removed.

    Named as their first layer; "conv1_2" is a second group of the same first layer.
    The network's output is in none.
    """
    names = [layer.name for layer in network.layers]
    channels: dict[tuple[str, ...], list[list[int]]] = {}
    for coupled in remove.coupled_units(network.to_bytes()):
        layers = tuple(names[position] for position in coupled)
        channels.setdefault(layers, []).append(list(coupled.values()))
    found: dict[str, ChannelGroup] = {}
    for layers, numbers in channels.items():
        same = sum(group.layers[0] == layers[0] for group in found.values())
        name = f"{layers[0]}_{same + 1}" if same else layers[0]
        found[name] = ChannelGroup(layers, np.array(numbers))
    return found


def weight_norms(network: Network, order: int = 1) -> dict[str, np.ndarray]:
    """Layer -> `labkit.prune.unit_norms` of its units."""
    return kernel_scores(network, lambda kernel: units.unit_norms(kernel, order))


def kernel_scores(network: Network, score: Score) -> dict[str, np.ndarray]:
    """Layer -> what `score` gives its units for the kernel, units on the first axis."""
    return {
        name: score(_units_first(network, name, kernel))
        for name, kernel in network.kernels.items()
    }


def mean_activations(
    network: Network, images: np.ndarray, score: Score = units.unit_activations
) -> dict[str, np.ndarray]:
    """Layer -> what `score` gives its units for its outputs, a mean over the images.

    images: calibration images, at least one (else ValueError). Behind the layer's own
    activation function; the ReLU behind a residual addition is not the layer's. score:
    itself a mean over images; batches are averaged.
    """
    layers, totals = list(network.kernels), {}
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        batch = images[start : start + _IMAGES_AT_ONCE]
        for name, outputs in network.outputs(batch, layers).items():
            mean = score(outputs) * len(batch)
            totals[name] = totals.get(name, 0.0) + mean
    if not totals:
        raise ValueError("there are no images to observe: give at least one")
    return {name: total / len(images) for name, total in totals.items()}


def group_scores(
    found: Mapping[str, ChannelGroup], scores: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Group -> the sum of its layers' scores for each channel, float64 (channels,).

    found: as `channel_groups` returns it. scores: layer -> (units,).

    >>> found = {"conv1": ChannelGroup(("conv1", "conv2"), np.array([[0, 2], [1, 0]]))}
    >>> scores = {"conv1": np.array([1.0, 2.0]), "conv2": np.array([30.0, 20.0, 10.0])}
    >>> group_scores(found, scores)["conv1"].tolist()
    [11.0, 32.0]
    """
    return {
        name: sum(
            np.asarray(scores[layer], np.float64)[column]
            for layer, column in zip(group.layers, group.units.T, strict=True)
        )
        for name, group in found.items()
    }


def removed_units(
    found: Mapping[str, ChannelGroup], kept: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Layer -> the numbers of its units that go, ascending.

    kept: group -> bool (channels,), True = kept; a group that is not in it keeps all.
    Raises ValueError for an unknown group or another shape.

    >>> found = {"conv1": ChannelGroup(("conv1", "conv2"), np.array([[0, 2], [1, 0]]))}
    >>> gone = removed_units(found, {"conv1": np.array([False, True])})
    >>> {layer: units.tolist() for layer, units in gone.items()}
    {'conv1': [0], 'conv2': [2]}
    """
    gone: dict[str, list[int]] = {}
    for name, stay in kept.items():
        if name not in found:
            raise ValueError(
                f"there is no group {name!r}: choose from {', '.join(found)}"
            )
        group, stay = found[name], np.asarray(stay)
        if stay.dtype != bool or stay.shape != (len(group),):
            raise ValueError(
                f"{name} has {len(group)} channels: give as many bools, True = kept, "
                f"not {stay.dtype} {stay.shape}"
            )
        for layer, column in zip(group.layers, group.units[~stay].T, strict=True):
            gone.setdefault(layer, []).extend(column.tolist())
    return {layer: np.array(sorted(numbers), int) for layer, numbers in gone.items()}


def mask_units(network: Network, kept: Mapping[str, np.ndarray]) -> Network:
    """The network with the kernels and biases of the removed units set to 0.

    kept: as for `removed_units`. Shapes, bytes and costs stay.
    """
    changes = {}
    for layer, gone in removed_units(channel_groups(network), kept).items():
        kernel = network.kernels[layer].copy()
        _units_first(network, layer, kernel)[gone] = 0
        changes[f"{layer}/kernel"] = kernel
        if f"{layer}/bias" in network.weights:
            bias = network.weights[f"{layer}/bias"].copy()
            bias[gone] = 0
            changes[f"{layer}/bias"] = bias
    return network.with_weights(changes)


def remove_units(network: Network, kept: Mapping[str, np.ndarray]) -> Network:
    """The network without the removed units: it computes what `mask_units`' computes.

    kept: as for `removed_units`. Raises NetworkError where a layer would lose all.
    """
    gone = removed_units(channel_groups(network), kept)
    positions = {
        network.layers.index(network.layer(layer)): numbers.tolist()
        for layer, numbers in gone.items()
        if network.layer(layer).kind != "DEPTHWISE_CONV_2D"
    }
    content = remove.remove_units(network.to_bytes(), positions, coupled=True)
    return Network.from_bytes(content)


def _units_first(network: Network, layer: str, kernel: np.ndarray) -> np.ndarray:
    """A view with the units on the first axis: the last one of a depthwise kernel."""
    depthwise = network.layer(layer).kind == "DEPTHWISE_CONV_2D"
    return np.moveaxis(kernel, -1, 0) if depthwise else kernel
