"""Both ends of a network: images as its inputs, its outputs as real numbers."""

from collections.abc import Sequence
from math import prod

import numpy as np

from labkit.integer.fixed_point import round_half_away, saturate
from labkit.integer.program import Tensor
from labkit.model.graph import NetworkError
from labkit.model.inputs import divisor, numbers


def as_inputs(
    tensors: Sequence[Tensor], arrays: Sequence[np.ndarray]
) -> dict[int, np.ndarray]:
    """Tensor index -> array, for the network's inputs in their order.

    arrays: uint8 pixels or floats as `labkit.model.inputs.numbers` takes them, or int8
    codes, for an int8 input. Their first axis counts the images. Raises NetworkError
    for another number of arrays, or of images where the file fixes it; ValueError for
    numbers of another type, NaN and infinity.
    """
    if len(arrays) != len(tensors):
        raise NetworkError(
            f"the network has {len(tensors)} inputs: {len(arrays)} arrays are given"
        )
    pairs = zip(tensors, arrays, strict=True)
    return {tensor.index: _as_input(tensor, np.asarray(x)) for tensor, x in pairs}


def _as_input(tensor: Tensor, x: np.ndarray) -> np.ndarray:
    sides = tensor.signature[1:]
    if -1 not in sides and (x.ndim == 0 or prod(x.shape[1:]) != prod(sides)):
        raise NetworkError(f"an input has shape {sides}: images {x.shape} do not fit")
    if -1 not in sides:
        x = x.reshape(len(x), *sides)
    if tensor.signature[0] >= 0 and len(x) != tensor.shape[0]:
        raise NetworkError(
            f"the file runs {tensor.shape[0]} images at a time, not {len(x)}: use "
            "predict, or make the file with a batch of any size"
        )
    if x.dtype == np.int8 and tensor.type == "INT8":
        return x
    x = numbers(x)
    real = x / divisor(x)
    if tensor.type == "FLOAT32":
        return real
    return saturate(round_half_away(real / tensor.scale), tensor.zero_point)


def as_real(tensor: Tensor, out: np.ndarray) -> np.ndarray:
    """An output as float32 numbers: codes are decoded."""
    if tensor.type != "INT8":
        return out.astype(np.float32)
    return tensor.scale * (out.astype(np.float32) - np.float32(tensor.zero_point))
