"""A layer's errors over the clip, and where each range rule ends the grid.

All is exact for the layer's weights, from their tail moments
(`labkit.quantize.clipping`), and kept under the network's digest: a slider only looks
it up.
"""

import numpy as np

from labkit.common.cache import cached
from labkit.model.network import Network
from labkit.panels.clipping.plot import OPTIMUM, Choice, Curves, Errors
from labkit.quantize import clipping
from labkit.quantize.affine import largest_code
from labkit.quantize.range_rules import RANGES, range_rule

CLIPS = range(1, 101)  # per cent of the largest weight
STEP, FINE = 0.01, 161  # the slider's; how many clips between its positions are tried


class LayerWeights:
    """One layer's weights as `clipping` takes them, sorted once."""

    def __init__(self, w: np.ndarray):
        self.groups = w.reshape(1, 1, -1)
        self.peak = float(np.abs(w).max())
        self.source = clipping.measured(w)
        self.energy = float(self.source(np.zeros(()))[2])

    def errors(self, share: float, bits: int) -> Errors:
        """The errors of a grid that ends at a share of the largest weight."""
        noise = clipping.noise(self.source, share * self.peak, 2**bits - 1)
        return Errors(noise.roundoff / self.energy, noise.clip / self.energy)

    def beyond(self, share: float) -> int:
        """How many weights lie beyond a clip."""
        return int((np.abs(self.groups) > share * self.peak).sum())

    def sqnr_db(self, share: float, bits: int) -> float:
        """The SQNR of that grid."""
        return clipping.grid_sqnr_db(self.source, share * self.peak, 2**bits - 1)


def layer_weights(network: Network, layer: str) -> LayerWeights:
    """The weights of a layer; ValueError for one without a kernel, or all zeros."""
    kernels = network.kernels
    if layer not in kernels:
        raise ValueError(
            f"there is no layer {layer!r}: choose from {', '.join(kernels)}"
        )
    if not kernels[layer].any():
        raise ValueError(f"all weights of {layer} are 0: choose another layer")
    return _layer_weights(network, layer)


@cached
def _layer_weights(network: Network, layer: str) -> LayerWeights:
    return LayerWeights(network.kernels[layer])


@cached
def curves(network: Network, layer: str, bits: int) -> Curves:
    """The errors at each position of the slider, and the clips that rules choose."""
    weights = layer_weights(network, layer)
    clips = tuple(percent / 100 for percent in CLIPS)
    errors = tuple(weights.errors(clip, bits) for clip in clips)
    near = clips[int(np.argmin([error.total for error in errors]))]
    return Curves(layer, bits, clips, errors, _choices(weights, bits, near))


def _choices(weights: LayerWeights, bits: int, near: float) -> tuple[Choice, ...]:
    """The best clip, which is about `near`, then the rules', the best rule first."""
    ends = {rule: _share(weights, rule, bits) for rule in RANGES}
    rules = [
        Choice(RANGES[rule].text, share, weights.sqnr_db(share, bits))
        for rule, share in ends.items()
    ]
    rules.sort(key=lambda choice: -choice.sqnr_db)
    fine = np.linspace(near - 0.99 * STEP, near + STEP, FINE)
    tried = [*map(float, fine), near, *ends.values()]
    best = min(tried, key=lambda share: weights.errors(share, bits).total)
    return (Choice(OPTIMUM, best, weights.sqnr_db(best, bits)), *rules)


def _share(weights: LayerWeights, rule: str, bits: int) -> float:
    """Where a rule ends the grid, as a share of the largest weight."""
    qmax = largest_code(bits)
    return float(range_rule(rule)(weights.groups, qmax)[0, 0]) * qmax / weights.peak
