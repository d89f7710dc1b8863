"""Folding constant factors and offsets into the layer before: bytes in, bytes out."""

import numpy as np

from labkit.graph import KERNEL_KINDS
from labkit.modelfile import (
    NO_ACTIVATION,
    add_constant,
    array,
    consumers,
    kind,
    pack,
    replace_input,
    unpack,
)


def fold(content: bytes) -> bytes:
    """Fold constant per-channel multiplications and additions into the layer before.

    This is how batch normalization at inference, g·x + b per channel, costs nothing:
    the kernel is scaled by g, the bias becomes g·bias + b (Jacob et al. 2018,
    arXiv 1712.05877, Sec. 3.2). A file with nothing to fold comes back packed anew.
    """
    model = unpack(content)
    while _fold_one(model):
        pass
    return pack(model)


def _fold_one(model) -> bool:
    for operator in model.subgraphs[0].operators:
        if kind(model, operator) not in KERNEL_KINDS:
            continue
        readers = consumers(model, int(operator.outputs[0]))
        options = operator.builtinOptions
        if len(readers) == 1 and options.fusedActivationFunction == NO_ACTIVATION:
            follower = readers[0]
            constant = _channel_constant(model, operator, follower)
            if constant is not None:
                _absorb(model, operator, follower, constant)
                return True
    return False


def _channel_constant(model, operator, follower) -> np.ndarray | None:
    """The follower's constant if it is one number, or one a channel of the operator."""
    if kind(model, follower) not in ("MUL", "ADD") or len(follower.inputs) != 2:
        return None
    channels = int(model.subgraphs[0].tensors[operator.outputs[0]].shape[-1])
    other = next((i for i in follower.inputs if i != operator.outputs[0]), None)
    values = None if other is None else array(model, other)
    if values is None or values.shape[-1:] not in ((), (1,), (channels,)):
        return None
    per_channel = values.size in (1, channels)
    return np.broadcast_to(values.ravel(), channels) if per_channel else None


def _absorb(model, operator, follower, constant: np.ndarray) -> None:
    kernel = array(model, operator.inputs[1])
    depthwise = kind(model, operator) == "DEPTHWISE_CONV_2D"
    no_bias = len(operator.inputs) < 3 or operator.inputs[2] < 0
    bias = (
        np.zeros(len(constant), np.float32)
        if no_bias
        else array(model, operator.inputs[2])
    )
    if kind(model, follower) == "MUL":
        shape = (1, -1) if depthwise else (-1, 1)
        flat = kernel.reshape((-1, len(constant)) if depthwise else (len(constant), -1))
        replace_input(
            model, operator, 1, (flat * constant.reshape(shape)).reshape(kernel.shape)
        )
        bias = bias * constant
    else:
        bias = bias + constant
    name = model.subgraphs[0].tensors[operator.inputs[1]].name.decode()
    new = add_constant(model, f"{name.removesuffix('/kernel')}/bias", bias)
    operator.inputs = [*list(operator.inputs)[:2], new]
    operator.outputs = follower.outputs
    operator.builtinOptions.fusedActivationFunction = (
        follower.builtinOptions.fusedActivationFunction
    )
    model.subgraphs[0].operators.remove(follower)
