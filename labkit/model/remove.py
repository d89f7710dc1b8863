"""Taking units out of layers, and their inputs out of the layers that read them.

Bytes in, bytes out. `labkit.model.dependency` says which units are one channel: in a
residual network those of all layers that add to it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from labkit.model.dependency import DependencyGraph, check_removable
from labkit.model.flatbuffer import array, kind, pack, replace_input, unpack
from labkit.model.graph import KERNEL_KINDS, NetworkError, read_graph


def remove_units(
    content: bytes, units: Mapping[int, Sequence[int]], coupled: bool = False
) -> bytes:
    """Take output units out of layers, and their inputs out of the layers behind.

    units: a layer's position in the order of running -> numbers of its units. coupled:
    take the units of other layers that add to the same channels out as well. Where the
    removed units are masked to zero, and the biases with them, the smaller network
    computes the same. Raises NetworkError for units that the network's input or output
    consists of, that an operator reads which needs all of them, or, unless
    coupled, that other layers' units are added to.
    """
    model = unpack(content)
    channels = DependencyGraph(model)
    names = [layer.name for layer in read_graph(content).layers]
    removed: set[int] = set()
    for position, numbers in units.items():
        labels = _labels(model, channels, position, numbers)
        check_removable(channels, labels, f"these units of {names[position]}")
        removed |= labels
    if not coupled:
        _check_alone(model, channels, removed, units, names)
    kept = {
        index: ~np.isin(channels.of(index), list(removed))
        for index in range(len(model.subgraphs[0].tensors))
        if index in channels
    }
    for operator in model.subgraphs[0].operators:
        _shorten(model, operator, kept)
    _set_widths(model, kept)
    return pack(model)


def coupled_units(content: bytes) -> list[dict[int, int]]:
    """Every channel that can be removed: a layer's place -> the number of its unit.

    In the order of the first layer's place, then its unit. Layers are those with a
    kernel; a depthwise one is there beside the layer before it.
    """
    model = unpack(content)
    channels, found = DependencyGraph(model), {}
    for position, operator in enumerate(model.subgraphs[0].operators):
        if kind(model, operator) in KERNEL_KINDS:
            for unit, label in enumerate(
                channels.of(int(operator.outputs[0])).tolist()
            ):
                if channels.obstacle(label) is None:
                    found.setdefault(label, {})[position] = unit
    return list(found.values())


def _labels(
    model, channels: DependencyGraph, position: int, units: Sequence[int]
) -> set[int]:
    operator = model.subgraphs[0].operators[position]
    if kind(model, operator) == "DEPTHWISE_CONV_2D":
        raise NetworkError("a depthwise layer has its inputs' channels: remove those")
    labels = channels.of(int(operator.outputs[0]))
    units = np.unique(np.asarray(units, dtype=int))
    if len(units) and (units[0] < 0 or units[-1] >= len(labels)):
        raise NetworkError(
            f"units go from 0 to {len(labels) - 1}: got {units.tolist()}"
        )
    return set(labels[units].tolist())


def _check_alone(model, channels: DependencyGraph, removed, units, names) -> None:
    """Raise NetworkError if a layer loses units that were not asked for."""
    for position, operator in enumerate(model.subgraphs[0].operators):
        if kind(model, operator) in ("CONV_2D", "FULLY_CONNECTED"):
            labels = channels.of(int(operator.outputs[0]))
            gone = np.flatnonzero(np.isin(labels, list(removed)))
            others = np.setdiff1d(gone, units.get(position, ()))
            if others.size:
                raise NetworkError(
                    f"unit {others[0]} of {names[position]} adds to a channel of these "
                    "units: pass coupled=True to remove it with them"
                )


def _shorten(model, operator, kept: Mapping[int, np.ndarray]) -> None:
    """Take the removed channels out of an operator's constants.

    kept: tensor -> which of its channels stay, bool (channels,).
    """
    name, source = kind(model, operator), int(operator.inputs[0])
    output = int(operator.outputs[0])
    if source not in kept or output not in kept:
        return
    read, written = kept[source], kept[output]
    if name in KERNEL_KINDS:
        if not written.any():
            raise NetworkError("a layer must keep at least one unit")
        kernel = array(model, operator.inputs[1])
        if name == "DEPTHWISE_CONV_2D":
            kernel = kernel[..., written]
        else:
            inputs = np.tile(read, kernel.shape[-1] // len(read))
            kernel = kernel[written][..., inputs]
        replace_input(model, operator, 1, kernel)
        if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
            replace_input(model, operator, 2, array(model, operator.inputs[2])[written])
    elif name == "PAD":
        paddings = array(model, operator.inputs[1]).copy()
        before = int(paddings[-1, 0])
        ends = written[:before], written[before + len(read) :]
        paddings[-1] = [int(end.sum()) for end in ends]
        replace_input(model, operator, 1, paddings)
    elif name == "RESHAPE" and not written.all():
        _set_reshape(model, operator, len(written), int(written.sum()))


def _set_reshape(model, reshape, old: int, new: int) -> None:
    """Change the width that a RESHAPE asks for, given as a constant or packed."""
    options = reshape.builtinOptions
    if options is not None and options.newShape is not None:
        options.newShape = [
            new if side == old else int(side) for side in options.newShape
        ]
    target = int(reshape.inputs[1])
    sources = [reshape]
    sources += [op for op in model.subgraphs[0].operators if target in list(op.outputs)]
    for source in sources:
        for position, index in enumerate(source.inputs):
            values = (
                None if source is reshape and position == 0 else array(model, index)
            )
            if values is not None and old in values:
                replace_input(
                    model, source, position, np.where(values == old, new, values)
                )


def _set_widths(model, kept: Mapping[int, np.ndarray]) -> None:
    """Give every activation its new last side."""
    for index, stay in kept.items():
        tensor, side = model.subgraphs[0].tensors[index], int(stay.sum())
        tensor.shape = [*tensor.shape[:-1], side]
        if tensor.shapeSignature is not None and len(tensor.shapeSignature):
            tensor.shapeSignature = [*tensor.shapeSignature[:-1], side]
