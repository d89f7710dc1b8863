"""A model file of one of the zoo's architectures as a Keras model, weight for weight.

In the file batch normalization is folded into the convolutions. Gradients by the file's
weights need a Keras model that has just these weights: convolutions with biases, and no
batch normalization.
"""

import keras
import numpy as np

from labkit.model.network import Network
from labkit.train import architectures


def model_of(name: str, network: Network) -> keras.Model:
    """The architecture `name` with the weights of a file of it: the same logits.

    Raises ValueError where the file's layers are not those of the architecture.
    """
    make = getattr(architectures, name)
    model = make(batch_norm=None) if name.startswith("resnet") else make()
    layers = {layer.name: layer for layer in model.layers if hasattr(layer, "kernel")}
    if set(layers) != set(network.kernels):
        raise ValueError(
            f"the file has the layers {', '.join(network.kernels)}, {name} has "
            f"{', '.join(layers)}"
        )
    for layer, kernel in network.kernels.items():
        bias = network.weights[f"{layer}/bias"]
        layers[layer].set_weights([to_keras(kernel), bias])
    return model


def to_keras(kernel: np.ndarray) -> np.ndarray:
    """A kernel as Keras has it, outputs last: (out, …) -> (…, out)."""
    return np.moveaxis(kernel, 0, -1)


def to_file(kernel: np.ndarray) -> np.ndarray:
    """A kernel as the file has it, outputs first: (…, out) -> (out, …)."""
    return np.ascontiguousarray(np.moveaxis(kernel, -1, 0))
