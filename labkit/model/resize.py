"""A dense network's file with other weights, of other widths: a student's file.

The file of a network that was converted once serves as a mould, so that a network
trained elsewhere becomes a .tflite file without TensorFlow.
"""

from collections.abc import Mapping

import numpy as np

from labkit.model.flatbuffer import kind, pack, replace_input, unpack
from labkit.model.graph import NetworkError
from labkit.model.network import Network


def resize_dense(template: Network, weights: Mapping[str, np.ndarray]) -> Network:
    """`template` with these weights, whose widths may be others.

    mould: a network of dense layers alone. weights: "fc1/kernel" (out, in), "fc1/bias"
    (out,), … for each of its layers, float32; each layer reads what the one before it
    gives. Raises NetworkError for other layers, missing weights, or shapes that do not
    follow each other.
    """
    model = unpack(template.to_bytes())
    width = template.input_shape[-1]
    pairs = zip(template.layers, model.subgraphs[0].operators, strict=True)
    for layer, operator in pairs:
        if kind(model, operator) != "FULLY_CONNECTED":
            raise NetworkError(f"{layer.name} is not dense: take a dense network")
        kernel, bias = (
            _array(weights, layer.name, role) for role in ("kernel", "bias")
        )
        if kernel.shape != (len(bias), width):
            raise NetworkError(
                f"{layer.name}/kernel is {kernel.shape}, its bias {bias.shape}: "
                f"{width} inputs want ({len(bias)}, {width})"
            )
        replace_input(model, operator, 1, kernel)
        replace_input(model, operator, 2, bias)
        width = len(bias)
        _set_width(model.subgraphs[0].tensors[int(operator.outputs[0])], width)
    return Network.from_bytes(pack(model))


def _array(weights: Mapping[str, np.ndarray], layer: str, role: str) -> np.ndarray:
    name = f"{layer}/{role}"
    if name not in weights:
        raise NetworkError(f"{name} is missing: the weights are {', '.join(weights)}")
    return np.asarray(weights[name], np.float32)


def _set_width(tensor, width: int) -> None:
    tensor.shape = [*tensor.shape[:-1], width]
    if tensor.shapeSignature is not None and len(tensor.shapeSignature):
        tensor.shapeSignature = [*tensor.shapeSignature[:-1], width]
