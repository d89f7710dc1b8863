"""What a layer's parts cost at a rank, in MACs or bytes, before any are computed.

The *parameter ratio* is how many weights a layer's factors have, as a fraction of its
own: 1 is the break-even rank, whatever the method.
"""

from collections.abc import Hashable, Mapping, Sequence
from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from labkit.common.cache import cached
from labkit.compress import factorized
from labkit.compress.factorized import FACTORIZATIONS
from labkit.lowrank import parts as layer_parts
from labkit.lowrank.parts import ConvGeometry, FactorLayer, outline
from labkit.model import flatbuffer
from labkit.model.network import Network

UNITS = ("macs", "bytes")


def rank_for(
    network: Network, layer: str, method: str, parameter_ratio: float
) -> Hashable:
    """The rank, 1 or more, whose parts come nearest to this ratio of weights.

    parameter_ratio: above 0; 1 is the break-even rank. An int, for Tucker the pair
    (outputs, inputs) in the proportion of the layer's sides. Not above the full rank.
    Raises ValueError for a ratio of 0 or less.
    """
    if not parameter_ratio > 0:
        raise ValueError(f"parameter_ratio is {parameter_ratio}: give a number above 0")
    method = factorized.effective_method(network, layer, method)
    row, shape = FACTORIZATIONS[method], network.layer(layer).kernel_shape
    if row.ranks_for is not None:
        return row.ranks_for(shape, parameter_ratio)
    rank = max(1, round(parameter_ratio * break_even(shape, method)))
    return rank if row.full_rank is None else min(rank, full_rank(shape, method))


def break_even(shape: tuple[int, ...], method: str) -> float:
    """The rank whose parts have as many weights as the layer: mn / (m + n).

    shape: of the kernel. method: any but "tucker", which has two.

    >>> round(break_even((300, 784), "svd"), 1), break_even((16, 3, 3, 16), "spatial")
    (217.0, 24.0)
    >>> round(break_even((16, 3, 3, 16), "cp"), 1)    # 2304 / (16 + 3 + 3 + 16)
    60.6
    """
    return prod(shape) / sum(part.kernel.size for part in parts_of(shape, method, 1))


def measured_break_even(
    ranks: Sequence[float], values: Sequence[float], whole: float
) -> float | None:
    """The rank where something measured is first as large as of the whole layer.

    ranks: ascending. values: one for each, such as microseconds. whole: the same of the
    layer as it is. On a straight line between two ranks; None where all lie below.

    >>> measured_break_even([10, 20, 40], [3.0, 5.0, 9.0], 7.0)
    30.0
    >>> measured_break_even([10, 20], [3.0, 5.0], 7.0) is None
    True
    """
    above = np.flatnonzero(np.asarray(values) >= whole)
    if not above.size:
        return None
    end = int(above[0])
    if end == 0:
        return float(ranks[0])
    around = slice(end - 1, end + 1)
    return float(np.interp(whole, values[around], ranks[around]))


def full_rank(shape: tuple[int, ...], method: str) -> int:
    """How many terms a method's decomposition has: any but "tucker" and "cp".

    >>> full_rank((300, 784), "svd"), full_rank((300, 784), "inputs")
    (300, 784)
    """
    first, second = parts_of(shape, method, 1)
    return FACTORIZATIONS[method].full_rank(second.kernel.size, first.kernel.size)


def parts_of(
    shape: tuple[int, ...], method: str, rank: Hashable
) -> tuple[FactorLayer, ...]:
    """A layer's parts at a rank, without their numbers, by its kernel's shape.

    >>> [part.kernel.shape for part in parts_of((300, 784), "svd", 9)]
    [(9, 784), (300, 9)]
    """
    if len(shape) == 2:
        return outline(rank, shape[1]), outline(shape[0], rank)
    return FACTORIZATIONS[method].outline(shape, rank)


def cost(
    network: Network, layer: str, parts: Sequence[FactorLayer] | None, unit: str
) -> int:
    """What a layer's parts cost, or the layer as it is where `parts` is None.

    unit: "macs", for one image, or "bytes", of kernels and of the zeros that LiteRT
    wants for a convolution's bias; the layer's own bias is left out. Raises ValueError
    for another unit.
    """
    check_unit(unit)
    found = network.layer(layer)
    if parts is None:
        return found.macs if unit == "macs" else 4 * prod(found.kernel_shape)
    if unit == "macs":
        return layer_parts.macs(parts, sides(network)[layer])
    zeros = sum(part.outputs for part in parts[:-1] if part.kernel.ndim == 4)
    return 4 * (sum(part.kernel.size for part in parts) + zeros)


def rank_cost(
    network: Network, layer: str, method: str, rank: Hashable, unit: str = "macs"
) -> int:
    """The cost of a layer at a rank, without computing its parts."""
    method = factorized.effective_method(network, layer, method)
    parts = parts_of(network.layer(layer).kernel_shape, method, rank)
    return cost(network, layer, parts, unit)


def sides(network: Network) -> Mapping[str, ConvGeometry | None]:
    """Layer -> the picture that a convolution walks over, and how; None if dense."""
    return _all_sides(network)


def check_unit(unit: str) -> None:
    """Raise ValueError for what is not one of UNITS."""
    if unit not in UNITS:
        raise ValueError(f"unit is {unit!r}: choose one of {', '.join(UNITS)}")


@cached
def _all_sides(network: Network) -> dict[str, ConvGeometry | None]:
    found = {}
    graph = flatbuffer.unpack(network.to_bytes()).subgraphs[0]
    for layer, operator in zip(network.layers, graph.operators, strict=True):
        if layer.kernel_shape is None:
            continue
        options = operator.builtinOptions
        if len(layer.kernel_shape) == 2:
            found[layer.name] = None
            continue
        shape = graph.tensors[operator.inputs[0]].shape
        found[layer.name] = ConvGeometry(
            int(shape[1]),
            int(shape[2]),
            (options.strideH, options.strideW),
            options.padding == schema.Padding.SAME,
        )
    return found
