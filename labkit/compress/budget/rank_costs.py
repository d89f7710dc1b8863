"""What a layer's parts cost at a rank, in MACs or bytes, before any are computed.

The *parameter ratio* is how many weights a layer's factors have, as a fraction of its
own: 1 is the break-even rank, whatever the method.
"""

from collections.abc import Hashable, Mapping, Sequence
from math import sqrt

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from labkit.common.cache import cached
from labkit.compress import factorized
from labkit.lowrank import parts as layer_parts
from labkit.lowrank.parts import ConvGeometry, FactorLayer
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
    shape = network.layer(layer).kernel_shape
    if method == "tucker":
        t = side_ratio(shape, parameter_ratio)
        p, q = (max(1, min(side, round(t * side))) for side in (shape[0], shape[-1]))
        taps = shape[1] * shape[2]
        return min(p, q * taps), min(q, p * taps)
    rank = max(1, round(parameter_ratio * break_even(shape, method)))
    return rank if method == "cp" else min(rank, full_rank(shape, method))


def break_even(shape: tuple[int, ...], method: str) -> float:
    """The rank whose parts have as many weights as the layer: mn / (m + n).

    shape: of the kernel. method: any but "tucker", which has two.

    >>> round(break_even((300, 784), "svd"), 1), break_even((16, 3, 3, 16), "spatial")
    (217.0, 24.0)
    >>> round(break_even((16, 3, 3, 16), "cp"), 1)    # 2304 / (16 + 3 + 3 + 16)
    60.6
    """
    size = int(np.prod(shape))
    return size / (sum(shape) if method == "cp" else sum(_sides(shape, method)))


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
    m, n = _sides(shape, method)
    return {"responses": m, "inputs": n}.get(method, min(m, n))


def side_ratio(shape: tuple[int, ...], parameter_ratio: float) -> float:
    """The fraction t of both sides at which Tucker's parts have this ratio of weights.

    Of a kernel (out, height, width, in): t^2 of its size for the core, and t (out^2 +
    in^2) for the projections.

    >>> round(side_ratio((16, 3, 3, 16), 1.0), 3)
    0.895
    """
    size, ends = float(np.prod(shape)), shape[0] ** 2 + shape[-1] ** 2
    return (sqrt(ends**2 + 4 * size**2 * parameter_ratio) - ends) / (2 * size)


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
        size = int(np.prod(found.kernel_shape))
        return found.macs if unit == "macs" else 4 * size
    if unit == "macs":
        return layer_parts.macs(parts, sides(network)[layer])
    zeros = sum(part.outputs for part in parts[:-1] if part.kernel.ndim == 4)
    return 4 * (sum(part.kernel.size for part in parts) + zeros)


def rank_cost(
    network: Network, layer: str, method: str, rank: Hashable, unit: str = "macs"
) -> int:
    """The cost of a layer at a rank, without computing its parts."""
    method = factorized.effective_method(network, layer, method)
    shape = network.layer(layer).kernel_shape
    parts = [
        FactorLayer(np.broadcast_to(np.float32(0), size), None, depthwise)
        for size, depthwise in _shapes(shape, method, rank)
    ]
    return cost(network, layer, parts, unit)


def sides(network: Network) -> Mapping[str, ConvGeometry | None]:
    """Layer -> the picture that a convolution walks over, and how; None if dense."""
    return _all_sides(network)


def check_unit(unit: str) -> None:
    """Raise ValueError for what is not one of UNITS."""
    if unit not in UNITS:
        raise ValueError(f"unit is {unit!r}: choose one of {', '.join(UNITS)}")


def _sides(shape: tuple[int, ...], method: str) -> tuple[int, int]:
    """What a method's matrix is: outputs by inputs."""
    if len(shape) == 2:
        return shape
    out, height, width, inputs = shape
    return {
        "inputs": (out * height * width, inputs),
        "spatial": (width * out, height * inputs),
    }.get(method, (out, height * width * inputs))


def _shapes(shape: tuple[int, ...], method: str, rank: Hashable) -> list[tuple]:
    """The parts' kernel shapes, and whether they are depthwise."""
    if len(shape) == 2:
        return [((rank, shape[1]), False), ((shape[0], rank), False)]
    out, height, width, inputs = shape
    if method == "cp":
        return [
            ((rank, 1, 1, inputs), False),
            ((1, height, 1, rank), True),
            ((1, 1, width, rank), True),
            ((out, 1, 1, rank), False),
        ]
    if method == "tucker":
        p, q = rank
        found = (q, 1, 1, inputs), (p, height, width, q), (out, 1, 1, p)
    else:
        found = {
            "spatial": ((rank, height, 1, inputs), (out, 1, width, rank)),
            "inputs": ((rank, 1, 1, inputs), (out, height, width, rank)),
        }.get(method, ((rank, height, width, inputs), (out, 1, 1, rank)))
    return [(size, False) for size in found]


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
