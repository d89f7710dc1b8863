"""Taking units out of a layer, and their inputs out of the layers that read them.

Bytes in, bytes out. The channel axis is the last one of every activation (NHWC).
"""

from collections.abc import Sequence

import numpy as np

from labkit.graph import NetworkError
from labkit.modelfile import array, consumers, kind, pack, replace_input, unpack

_SAME_CHANNELS = {
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "LEAKY_RELU",
    "HARD_SWISH",
    "LOGISTIC",
    "TANH",
    "MAX_POOL_2D",
    "AVERAGE_POOL_2D",
    "MEAN",
}


def remove_units(content: bytes, position: int, units: Sequence[int]) -> bytes:
    """Take output units out of a layer, and their inputs out of the layers behind it.

    The removed units' outputs must not matter: where they are masked to zero, and the
    bias with them, the smaller network computes the same. Raises NetworkError where a
    residual addition or the network's output reads the units.
    """
    model = unpack(content)
    operator = model.subgraphs[0].operators[position]
    kernel = array(model, operator.inputs[1])
    if kind(model, operator) == "DEPTHWISE_CONV_2D":
        raise NetworkError("a depthwise layer has its inputs' channels: remove those")
    removed = np.unique(np.asarray(units, dtype=int))
    if len(removed) and (removed[0] < 0 or removed[-1] >= len(kernel)):
        raise NetworkError(f"units go from 0 to {len(kernel) - 1}: got {list(units)}")
    keep = np.setdiff1d(np.arange(len(kernel)), removed)
    if len(keep) == 0:
        raise NetworkError("a layer must keep at least one unit")
    _keep_outputs(model, operator, keep)
    _keep_channels(model, int(operator.outputs[0]), keep, len(kernel))
    return pack(model)


def _keep_outputs(model, operator, keep: np.ndarray, axis: int = 0) -> None:
    kernel = array(model, operator.inputs[1])
    replace_input(model, operator, 1, np.take(kernel, keep, axis))
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        replace_input(model, operator, 2, array(model, operator.inputs[2])[keep])


def _keep_channels(model, index: int, keep: np.ndarray, channels: int) -> None:
    """Carry a shorter last axis of tensor `index` through everything that reads it."""
    if index in [int(i) for i in model.subgraphs[0].outputs]:
        raise NetworkError(
            "these units are the network's output: they cannot be removed"
        )
    for operator in consumers(model, index):
        name, output = kind(model, operator), int(operator.outputs[0])
        if name in ("CONV_2D", "FULLY_CONNECTED"):
            kernel = array(model, operator.inputs[1])
            flat = _flat(keep, channels, kernel.shape[-1])
            replace_input(model, operator, 1, np.take(kernel, flat, axis=-1))
        elif (
            name == "DEPTHWISE_CONV_2D"
            and array(model, operator.inputs[1]).shape[3] == channels
        ):
            _keep_outputs(model, operator, keep, axis=3)
            _keep_channels(model, output, keep, channels)
        elif name == "RESHAPE":
            width = int(model.subgraphs[0].tensors[output].shape[-1])
            flat = _flat(keep, channels, width)
            _set_width(model, operator, width, len(flat))
            _keep_channels(model, output, flat, width)
        elif name in _SAME_CHANNELS:
            _keep_channels(model, output, keep, channels)
        elif name != "SHAPE":
            raise NetworkError(
                f"the units are read by {name}, which needs all of them: choose a "
                "layer that only layers with weights read"
            )
    _set_last_side(model, index, len(keep))


def _flat(keep: np.ndarray, channels: int, width: int) -> np.ndarray:
    """Positions of the kept channels in an axis that lists all pixels' channels.

    >>> _flat(np.array([0, 2]), 3, 6)
    array([0, 2, 3, 5])
    """
    if width % channels:
        raise NetworkError(f"{channels} units do not divide an axis of {width}")
    return (np.arange(width // channels)[:, None] * channels + keep).ravel()


def _set_width(model, reshape, old: int, new: int) -> None:
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


def _set_last_side(model, index: int, side: int) -> None:
    tensor = model.subgraphs[0].tensors[index]
    tensor.shape = [*tensor.shape[:-1], side]
    if tensor.shapeSignature is not None and len(tensor.shapeSignature):
        tensor.shapeSignature = [*tensor.shapeSignature[:-1], side]
