"""A layer's spectrum, and the first layer's filters rebuilt, for the picture."""

import numpy as np

from labkit.compress import factorized
from labkit.compress.budget.low_rank import LowRank
from labkit.compress.budget.rank_costs import break_even, rank_for
from labkit.lowrank.parts import reconstruct_kernel
from labkit.lowrank.tucker2 import mode_energies
from labkit.model.network import Network
from labkit.panels.rank.plot import Filters, Line, Spectrum

SHOWN = 8  # filters, from the first on


def spectrum(network: Network, layer: str, method: str, low: LowRank) -> Spectrum:
    """The sizes of a layer's terms, the rank that is kept and the break-even rank.

    Of SVD and spatial the singular values; of PCA deviations; of Tucker the singular
    values by outputs and by inputs; of CP the sizes of the terms at this rank.
    """
    own = factorized.effective_method(network, layer, method)
    rank = low.ranks.get(layer)
    if own == "tucker":
        pays = rank_for(network, layer, method, 1.0)
        sides = zip(mode_energies(network.kernels[layer]), pays, strict=True)
        kept = rank or (None, None)
        lines = tuple(
            Line(name, np.sqrt(energies), one, float(even))
            for name, (energies, even), one in zip(
                ("outputs", "inputs"), sides, kept, strict=True
            )
        )
        return Spectrum(layer, "singular values", lines)
    even = break_even(network.layer(layer).kernel_shape, own)
    if own == "cp":
        sizes = _term_sizes(low, layer)
        return Spectrum(layer, "sizes of its terms", (Line("", sizes, rank, even),))
    found = factorized.decomposition(network, layer, own, low.observed)
    text = "deviations" if own in factorized.DATA_AWARE else "singular values"
    line = Line("", np.sqrt(found.energies), rank, even)
    return Spectrum(layer, text, (line,))


def _term_sizes(low: LowRank, layer: str) -> np.ndarray:
    """The norms of CP's terms, descending; one of 0 where the layer is whole."""
    if layer not in low.parts:
        return np.zeros(1)
    inputs, down, across, outputs = (part.kernel for part in low.parts[layer])
    lengths = [
        np.linalg.norm(inputs.reshape(len(inputs), -1), axis=1),
        *(np.linalg.norm(k.reshape(-1, k.shape[-1]), axis=0) for k in (down, across)),
        np.linalg.norm(outputs.reshape(len(outputs), -1), axis=0),
    ]
    return np.sort(np.prod(lengths, axis=0))[::-1]


def filters(network: Network, low: LowRank) -> Filters:
    """The first layer's filters as pictures: before, and multiplied back now."""
    layer = next(iter(network.kernels))
    kernel = network.kernels[layer]
    parts = low.parts.get(layer)
    now = kernel if parts is None else reconstruct_kernel(parts)
    return Filters(layer, _pictures(kernel), _pictures(now), low.ranks.get(layer))


def _pictures(kernel: np.ndarray) -> np.ndarray:
    """The first filters, (n, height, width, channels)."""
    if kernel.ndim == 4:
        return np.asarray(kernel[:SHOWN], np.float64)
    side = round(kernel.shape[1] ** 0.5)
    return np.asarray(kernel[:SHOWN], np.float64).reshape(-1, side, side, 1)
