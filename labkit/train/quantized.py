"""A model trained with quantizing layers as files: folded, packed, run by LiteRT."""

import numpy as np

from labkit.model.fake_quant import ActivationGrid
from labkit.model.network import Network
from labkit.packed.compressed import pack
from labkit.quantize.symmetric import Quantized
from labkit.train import convert, fit
from labkit.train.fake_quant import QUANTIZED, Codes

FOLD_TOLERANCE = 1e-5


def as_file(name: str, trained) -> tuple[Network, bytes]:
    """The trained model -> the network that LiteRT runs, and its packed file.

    The network's kernels are scale * code in float32, its activations are rounded by
    FAKE_QUANT operators; `labkit.packed.unpack` makes it from the packed file again.
    """
    layers = [layer for layer in trained.layers if type(layer) in QUANTIZED.values()]
    folded = Network.from_bytes(convert.to_tflite(in_float32(name, trained)))
    kernels = {
        layer.name: rescaled(
            folded.kernels[layer.name], codes(layer), layer.weights_in.bits
        )
        for layer in layers
    }
    exact = {f"{key}/kernel": tensor.decode() for key, tensor in kernels.items()}
    grids = {layer.name: input_grid(layer) for layer in layers if layer.inputs_in}
    network = folded.with_weights(exact).fake_quantize_inputs(grids)
    return network, pack(network, kernels)


def in_float32(name: str, trained):
    """Keras' own float32 layers, with kernels that lie on their grids."""
    model = fit.build(name)
    for layer in model.layers:
        twin = trained.get_layer(layer.name)
        if type(twin) not in QUANTIZED.values():
            layer.set_weights(twin.get_weights())
            continue
        layer.kernel.assign(codes(twin) * np.asarray(twin.kernel_scale))
        if layer.use_bias:
            layer.bias.assign(twin.bias)
    return model


def codes(layer) -> np.ndarray:
    """The integer codes of a quantizing layer's kernel, int8 in Keras' layout."""
    grid: Codes = layer.weights_in
    ratio = np.asarray(layer.kernel) / np.asarray(layer.kernel_scale)
    return np.clip(np.rint(ratio), grid.low, grid.high).astype(np.int8)


def input_grid(layer) -> ActivationGrid:
    """The grid of a quantizing layer's inputs."""
    grid: Codes = layer.inputs_in
    scale = float(np.asarray(layer.input_scale))
    return ActivationGrid(grid.low * scale, grid.high * scale, grid.bits)


def rescaled(folded: np.ndarray, q: np.ndarray, bits: int) -> Quantized:
    """The codes with the scales that folding batch normalization left them.

    folded: (out, ...) as in the file, each output channel a multiple of its codes; a
    negative factor turns the codes round. Raises ValueError where it is no multiple:
    then the fold would have changed codes.
    """
    q = np.moveaxis(q, -1, 0)
    rows, its_codes = folded.reshape(len(q), -1), q.reshape(len(q), -1).astype(float)
    squares = np.sum(its_codes**2, axis=1)
    factor = np.sum(rows * its_codes, axis=1) / np.maximum(squares, 1)
    off = np.abs(rows - factor[:, None] * its_codes).max()
    if off > FOLD_TOLERANCE * np.abs(rows).max():
        raise ValueError(f"the folded kernel is off its codes by {off}: codes changed")
    sign = np.where(factor < 0, -1, 1).astype(np.int8)
    scale = np.where(factor == 0, 1, np.abs(factor)).astype(np.float32)
    q = q * sign.reshape(-1, *[1] * (q.ndim - 1))
    return Quantized(np.ascontiguousarray(q), scale, bits, "channel", 0)
