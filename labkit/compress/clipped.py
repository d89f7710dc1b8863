"""Weights clipped where one says, not where a rule does: a slider on the clip.

The symmetric grid ends at the clip, qmax * scale = clip, and weights beyond it go to
its ends. `labkit.quantize.clipping` tells the error of that without rounding anything.
"""

from types import MappingProxyType

import numpy as np

from labkit.common.arguments import positive
from labkit.model.network import Network
from labkit.packed.compressed import Compressed, pack
from labkit.quantize.affine import code_type, largest_code
from labkit.quantize.granularity import checked
from labkit.quantize.symmetric import Quantized


def quantize_clipped(w: np.ndarray, bits: int, share: float) -> Quantized:
    """Weights -> their codes on a symmetric grid that ends at share * max|w|.

    w: any shape, not empty, magnitudes at most 1e38, used as float32. bits: 2 to 16.
    share: above 0 and at most 1, where it is `quantize`'s rule "minmax". One scale
    serves the tensor; it is 1 where all weights are 0. Raises ValueError outside these.

    >>> quantized = quantize_clipped([[1.5, -4.0, 0.25]], bits=3, share=0.75)
    >>> quantized.q.tolist(), quantized.scale.tolist()
    ([[2, -3, 0]], [1.0])
    """
    if positive("share", share) > 1:
        raise ValueError(f"share is {share}: give a number above 0, at most 1")
    qmax, w = largest_code(bits), checked(w)
    scale = np.float32(share) * np.abs(w).max() / np.float32(qmax)
    scale = np.full(1, scale if scale > 0 else 1, np.float32)
    q = np.clip(np.rint(w / scale), -qmax, qmax).astype(code_type(bits))
    q.flags.writeable = scale.flags.writeable = False
    return Quantized(q, scale, int(bits), "tensor")


def clip_network(
    network: Network, bits: int, share: float, layers: tuple[str, ...] | None = None
) -> Compressed:
    """Each kernel on a grid that ends at the same share of its own largest weight.

    layers: names as in `network.kernels`, None for all; the others stay float32. bits,
    share: as for `quantize_clipped`. Raises ValueError for an unknown layer.
    """
    kernels = network.kernels
    for name in layers or ():
        if name not in kernels:
            raise ValueError(
                f"there is no layer {name!r} with a kernel: choose from "
                f"{', '.join(kernels)}"
            )
    quantized = {
        name: quantize_clipped(kernel, bits, share)
        for name, kernel in kernels.items()
        if layers is None or name in layers
    }
    decoded = {f"{name}/kernel": tensor.decode() for name, tensor in quantized.items()}
    return Compressed(
        network=network.with_weights(decoded),
        packed=pack(network, quantized),
        quantized=MappingProxyType(quantized),
    )
