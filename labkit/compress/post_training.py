"""Weights and activations rounded after the training: nothing is learned any more.

This is what quantization-aware training is measured against, at the same bits, with the
same layers kept at 8 bits. It takes the better choices that need no gradients: a scale
for each output channel, and ranges with the least squared error for the weights and for
the activations, whose ranges come from some calibration images.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labkit.compress.activations import fake_quantize_activations
from labkit.compress.quantized import quantize_network
from labkit.model.network import Network
from labkit.packed.compressed import Compressed, pack

KEPT_BITS = 8
CALIBRATION_IMAGES = 100
RULE = "least_squares"


@dataclass(frozen=True)
class Setting:
    """Bits of the weights and of the activations, 2 to 8 each: W4A8 is Setting(4, 8).

    The first and the last layer are kept at 8 bits, as is usual; the first reads pixels
    of 8 bits, which need no rounding at all.

    >>> str(Setting(4, 8))
    'W4A8'
    """

    weights: int
    activations: int

    def __post_init__(self):
        if not {self.weights, self.activations} <= set(range(2, 9)):
            raise ValueError(
                f"{str(self)!r} is no setting: write W4A8, 2 to 8 bits each"
            )

    @classmethod
    def named(cls, name: str) -> "Setting":
        """The setting called `name`; ValueError if it is none.

        >>> Setting.named("W4A8")
        Setting(weights=4, activations=8)
        """
        match = re.fullmatch(r"W(\d+)A(\d+)", name)
        if not match:
            raise ValueError(f"{name!r} is no setting: write W4A8, 2 to 8 bits each")
        return cls(*map(int, match.groups()))

    def __str__(self) -> str:
        return f"W{self.weights}A{self.activations}"


def kept_layers(network: Network) -> tuple[str, str]:
    """The first and the last layer with a kernel: they keep 8 bits."""
    names = list(network.kernels)
    return names[0], names[-1]


def round_network(network: Network, images: np.ndarray, setting: Setting) -> Compressed:
    """The float network at a setting, rounded to the nearest points of its grids.

    images: some calibration images, uint8, for the ranges of the activations. Its
    network computes in float32, with kernels that lie on their grids and FAKE_QUANT
    operators where activations are rounded; `compressed.unpack` makes it from its
    packed file.
    """
    widths = setting.weights, setting.activations
    return round_in_graph(network, images, *widths, RULE, RULE, kept_layers(network))


def round_in_graph(
    network: Network,
    images: np.ndarray,
    weights: int | None,
    activations: int,
    rule: str = "minmax",
    weight_rule: str = "minmax",
    kept: Sequence[str] = (),
) -> Compressed:
    """The network with rounded weights and activations, computed in float32.

    images: some calibration images, uint8. weights: bits of the kernels, one scale for
    each output channel; None leaves them float32. activations: bits of what the layers
    read, 2 to 16. rule, weight_rule: of their ranges, see `activations.RULES` and
    `quantize.RANGES`. kept: layers with 8 bits for both. The ranges are those of the
    network with rounded weights. A first layer that reads pixels reads 8 bits anyway.
    """
    packed = {}
    if weights is not None:
        bits = dict.fromkeys(network.kernels, weights) | dict.fromkeys(kept, KEPT_BITS)
        rounded = quantize_network(network, bits, "channel", weight_rule)
        network, packed = rounded.network, rounded.quantized
    network = fake_quantize_activations(network, images, activations, rule, kept)
    return Compressed(network, pack(network, packed), packed)
