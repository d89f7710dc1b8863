"""Folding constant factors and offsets into the layer before: bytes in, bytes out."""

import numpy as np

from labkit.model.flatbuffer import (
    NO_ACTIVATION,
    add_constant,
    array,
    consumers,
    kind,
    pack,
    replace_input,
    unpack,
)
from labkit.model.graph import KERNEL_KINDS


def fold(content: bytes) -> bytes:
    """Fold constant per-channel multiplications and additions into the layer before.

    This is how batch normalization at inference, g·x + b per channel, costs nothing:
    the kernel is scaled by g, the bias becomes g·bias + b (Jacob et al. 2018,
    arXiv 1712.05877, Sec. 3.2). What is left computes the same but for float rounding;
    whatever else is multiplied or added, one number a row or an image, stays as it is.
    A file with nothing to fold comes back packed anew.
    """
    model = unpack(content)
    while _fold_one(model):
        pass
    return pack(model)


def _fold_one(model) -> bool:
    for operator in model.subgraphs[0].operators:
        follower = _only_reader(model, operator)
        if follower is None:
            continue
        constant = _channel_constant(model, operator, follower)
        if constant is not None and _absorb(model, operator, follower, constant):
            return True
    return False


def _only_reader(model, operator):
    """The only operator that reads a layer's bare sums, else None."""
    if kind(model, operator) not in KERNEL_KINDS:
        return None
    output = int(operator.outputs[0])
    readers = consumers(model, output)
    bare = operator.builtinOptions.fusedActivationFunction == NO_ACTIVATION
    shown = output in list(model.subgraphs[0].outputs)
    return readers[0] if len(readers) == 1 and bare and not shown else None


def _channel_constant(model, operator, follower) -> np.ndarray | None:
    """The follower's constant if it is one number, or one a channel of the operator."""
    if kind(model, follower) not in ("MUL", "ADD") or len(follower.inputs) != 2:
        return None
    shape = model.subgraphs[0].tensors[operator.outputs[0]].shape
    other = next((i for i in follower.inputs if i != operator.outputs[0]), None)
    values = None if other is None else array(model, other)
    if values is None or shape is None or values.ndim > len(shape):
        return None
    # Broadcast against the outputs (n, …, channels): all its sides but the last are 1.
    channels = int(shape[-1])
    per_channel = values.size in (1, channels)
    if not per_channel or values.shape[-1:] not in ((), (values.size,)):
        return None
    return np.broadcast_to(values.ravel(), channels)


def _absorb(model, operator, follower, constant: np.ndarray) -> bool:
    """Fold the follower away, or return False and change nothing.

    It stays where the layer's weights are computed in the graph, or where a product
    leaves float32's range.
    """
    kernel = array(model, operator.inputs[1])
    no_bias = len(operator.inputs) < 3 or operator.inputs[2] < 0
    bias = np.zeros_like(constant) if no_bias else array(model, operator.inputs[2])
    if kernel is None or bias is None:
        return False
    scales = kind(model, follower) == "MUL"
    with np.errstate(over="ignore", invalid="ignore"):
        if scales:
            depthwise = kind(model, operator) == "DEPTHWISE_CONV_2D"
            kernel, bias = kernel * _along(constant, kernel, depthwise), bias * constant
        else:
            bias = bias + constant
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        return False
    name = (model.subgraphs[0].tensors[operator.inputs[1]].name or b"").decode()
    if scales:
        replace_input(model, operator, 1, kernel)
    new = add_constant(model, f"{name.removesuffix('/kernel')}/bias", bias)
    operator.inputs = [*list(operator.inputs)[:2], new]
    operator.outputs = follower.outputs
    operator.builtinOptions.fusedActivationFunction = (
        follower.builtinOptions.fusedActivationFunction
    )
    model.subgraphs[0].operators.remove(follower)
    return True


def _along(constant: np.ndarray, kernel: np.ndarray, depthwise: bool) -> np.ndarray:
    """One number a channel, to multiply a kernel: its last axis, or its first."""
    return constant if depthwise else constant.reshape(-1, *[1] * (kernel.ndim - 1))
