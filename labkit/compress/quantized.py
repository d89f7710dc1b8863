"""A whole network compressed: the packed file, and the network that it decodes to.

What no runtime has a format for (5 bits, a scale for each block of a convolution) is
measured in two files of the same weights: the decoded float file is run for its
accuracy, the packed file is counted for its bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from labkit.common.cache import cached
from labkit.common.registries import Row, chosen
from labkit.model.network import Network
from labkit.packed import codec
from labkit.packed.compressed import Compressed, pack
from labkit.quantize.codebook import CodebookTensor, quantize_to_levels
from labkit.quantize.granularity import BLOCK
from labkit.quantize.level_grids import EVEN, GRIDS
from labkit.quantize.symmetric import Quantized, quantize

UNIFORM = codec.UNIFORM
GRID_NAMES = (UNIFORM, *GRIDS)


def grids() -> dict[str, Row]:
    """Name -> the row of every grid that a network can have, even steps first."""
    return {UNIFORM: EVEN, **GRIDS}


def quantize_network(
    network: Network,
    bits: int | Mapping[str, int],
    granularity: str = "tensor",
    rule: str = "minmax",
    layers: tuple[str, ...] | None = None,
    *,
    grid: str = UNIFORM,
    block: int = BLOCK,
) -> Compressed:
    """Quantize the kernels of some layers, or of all where `layers` is None.

    bits, granularity, rule, block: as for `labkit.quantize.quantize`; bits may also be
    a mapping, layer name -> its bits (mixed precision), and then `layers` is its names
    where it is None. layers: names as in `network.kernels`; the others stay float32.
    grid: "uniform" or a name of `labkit.quantize.GRIDS`, which has its own widths and
    its own way to a scale: `rule` is "minmax" then. Results are cached by content: the
    network's digest and the settings, for the whole network and for each tensor. Raises
    ValueError for an unknown layer, a layer without bits, a setting out of range, or
    kernels that are not float32.
    """
    chosen("grid", grid, grids())
    if grid != UNIFORM and rule != "minmax":
        raise ValueError(
            f"rule is {rule!r}, but the grid {grid!r} finds its scales in its own way: "
            "leave rule at 'minmax'"
        )
    plan = _plan(tuple(network.kernels), bits, layers)
    how = _How(granularity, rule, grid, block)
    return _compressed(network, plan, how)


def _plan(
    names: tuple[str, ...],
    bits: int | Mapping[str, int],
    layers: tuple[str, ...] | None,
) -> tuple[tuple[str, int], ...]:
    """(layer, bits) of each layer to quantize, in the network's order."""
    widths = bits if isinstance(bits, Mapping) else dict.fromkeys(names, bits)
    chosen = tuple(widths) if layers is None else layers
    for name in (*widths, *chosen):
        if name not in names:
            raise ValueError(
                f"there is no layer {name!r} with a kernel: choose from "
                f"{', '.join(names)}"
            )
    missing = [name for name in chosen if name not in widths]
    if missing:
        raise ValueError(f"bits has no entry for {missing[0]!r}: add one")
    return tuple((name, widths[name]) for name in names if name in chosen)


@dataclass(frozen=True)
class _How:
    """Settings shared by all layers."""

    granularity: str
    rule: str
    grid: str
    block: int


@cached
def _compressed(
    network: Network, plan: tuple[tuple[str, int], ...], how: _How
) -> Compressed:
    quantized = {name: _quantized(network, name, bits, how) for name, bits in plan}
    decoded = {f"{name}/kernel": tensor.decode() for name, tensor in quantized.items()}
    return Compressed(
        network=network.with_weights(decoded),
        packed=pack(network, quantized),
        quantized=MappingProxyType(quantized),
    )


@cached
def _quantized(
    network: Network, layer: str, bits: int, how: _How
) -> Quantized | CodebookTensor:
    kernel = network.kernels[layer]
    if kernel.dtype != np.float32:
        raise ValueError(
            f"the kernel of {layer} is {kernel.dtype}: quantize the float32 network"
        )
    depthwise = network.layer(layer).kind == "DEPTHWISE_CONV_2D"
    where = {"axis": 3 if depthwise else 0, "block": how.block}
    if how.grid == UNIFORM:
        return quantize(kernel, bits, how.granularity, how.rule, **where)
    return quantize_to_levels(kernel, how.grid, bits, how.granularity, **where)
