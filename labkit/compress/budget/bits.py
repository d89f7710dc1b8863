"""A budget of bytes for a whole packed file, turned into a network of mixed bits.

`labkit.common.knapsack` shares bytes out over layers by the losses that
`labkit.compress.budget.sensitivity` has measured. Here the budget is the file's length:
the graph, the header, the biases and the layers that keep their bits take their part of
it first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labkit.common.knapsack import Frontier, exact, greedy
from labkit.common.reading import read_json
from labkit.common.registries import Row, chosen, registry
from labkit.compress.budget import sensitivity
from labkit.compress.budget.sensitivity import Sensitivity
from labkit.compress.quantized import quantize_network
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.packed.bit_packing import packed_size
from labkit.packed.compressed import Compressed
from labkit.quantize.granularity import BLOCK, Granularity
from labkit.zoo import datasets

METHODS = registry(
    Row("exact", "exact", "The least sum of losses for each number of bytes.", exact),
    Row("greedy", "greedy", "The best loss for the bytes, one step at a time.", greedy),
)
_RUN = {
    **{"method": str, "budget_bytes": object, "bits": {str: int}},
    **dict.fromkeys(("payload_bytes", "size_bytes"), int),
    **dict.fromkeys(("predicted_loss_increase", "loss_increase"), float),
    **dict.fromkeys(("validation_accuracy", "test_accuracy"), float),
}
_SHAPE = {"networks": [{"digest": str, "assignments": [_RUN]}]}
_NOTHING_FREE = Frontier(np.zeros((1, 0), np.int8), np.zeros(1, int), np.zeros(1))


@dataclass(frozen=True, eq=False)
class BitOptions:
    """What each budget buys, by one method.

    found: the map that the losses are taken from. free: the layers whose bits are
    chosen; the others have the map's widest. frontier: of the free layers alone.
    fixed_bytes: what a file takes beside the free kernels. kept_loss: the loss increase
    of the other layers. granularity: of the files; the losses are those of the map's.
    """

    found: Sensitivity
    free: tuple[str, ...]
    frontier: Frontier
    fixed_bytes: int
    kept_loss: float
    granularity: str

    @property
    def size_bytes(self) -> np.ndarray:
        """The files' lengths, ascending, but for some bytes of the deflated header."""
        return self.frontier.size_bytes + self.fixed_bytes

    @property
    def loss(self) -> np.ndarray:
        """The loss increase that the map predicts for each file: the layers' sum."""
        return self.frontier.loss + self.kept_loss

    def bits_at(self, index: int) -> dict[str, int]:
        """Layer -> bits at one index of the frontier, in the network's order."""
        bit_widths = (self.found.bits[k] for k in self.frontier.choice[index])
        chosen = dict(zip(self.free, bit_widths, strict=True))
        return {
            layer: chosen.get(layer, self.found.bits[-1]) for layer in self.found.layers
        }

    def index_for(self, budget_bytes: float) -> int:
        """The largest file that fits, by `size_bytes`; ValueError where none does."""
        index = int(np.searchsorted(self.size_bytes, budget_bytes, side="right")) - 1
        if index < 0:
            raise ValueError(
                f"a budget of {budget_bytes:,.0f} bytes is too small: the fewest bits "
                f"of all layers make a file of {self.size_bytes[0]:,} bytes"
            )
        return index


@dataclass(frozen=True, eq=False)
class MixedPrecision:
    """A network whose layers have different bits.

    predicted_loss: the loss increase, in nats, that the map predicts.
    """

    bits: Mapping[str, int]
    compressed: Compressed
    predicted_loss: float


@dataclass(frozen=True)
class Run:
    """One assignment of data/results/sensitivity.json, predicted and measured.

    method: "uniform", "exact", "greedy" or "random". budget_bytes: of all kernels, None
    where there was none. bits: layer -> bits. Losses: increases, nats. The loss and
    validation_accuracy are those of the validation images.
    """

    method: str
    budget_bytes: int | None
    bits: Mapping[str, int]
    payload_bytes: int
    size_bytes: int
    predicted_loss_increase: float
    loss_increase: float
    validation_accuracy: float
    test_accuracy: float
    test_interval: tuple[float, float]


def kernel_bytes(
    network: Network, layers: Sequence[str], bits: Sequence[int], granularity: str
) -> np.ndarray:
    """What each kernel takes at each width, codes and scales, int (layers, bit widths).

    It is counted, not made: equal to `codec.payload_bytes` of the quantized kernels.
    """
    return np.array(
        [[_bytes_of(network, name, b, granularity) for b in bits] for name in layers]
    )


def bit_options(
    network: Network,
    found: Sensitivity,
    method: str = "exact",
    granularity: str = "channel",
    free: Sequence[str] | None = None,
) -> BitOptions:
    """All assignments of bits that `method` finds, from the smallest file on.

    method: one of METHODS. granularity: of the files to make. free: the layers whose
    bits are chosen, None for all. Raises ValueError for a method or layer that there
    is not.
    """
    frontier_of = chosen("method", method, METHODS)
    layers, free = found.layers, found.layers if free is None else tuple(free)
    unknown = [name for name in free if name not in layers]
    if unknown:
        raise ValueError(
            f"there is no layer {unknown[0]!r}: choose from {', '.join(layers)}"
        )
    loss = found.table("loss_increase")
    sizes = kernel_bytes(network, layers, found.bits, granularity)
    narrowed = np.array([name in free for name in layers])
    narrow = quantize_network(network, found.bits[0], granularity).size_bytes
    return BitOptions(
        found=found,
        free=tuple(name for name in layers if name in free),
        frontier=frontier_of(loss[narrowed], sizes[narrowed])
        if free
        else _NOTHING_FREE,
        fixed_bytes=int(narrow - sizes[:, 0].sum() + sizes[~narrowed, -1].sum()),
        kept_loss=float(loss[~narrowed, -1].sum()),
        granularity=granularity,
    )


def mixed_precision(
    network: Network, offered: BitOptions, budget_bytes: float
) -> MixedPrecision:
    """The best file of at most so many bytes: as long as `packed`, not as estimated.

    Raises ValueError where not even the smallest one fits.
    """
    rule, index = offered.found.rule, offered.index_for(budget_bytes)
    while True:
        bits = offered.bits_at(index)
        made = quantize_network(network, bits, offered.granularity, rule)
        if made.size_bytes <= budget_bytes:
            return MixedPrecision(bits, made, float(offered.loss[index]))
        index = offered.index_for(offered.size_bytes[index] - 1)


def committed_runs(network: Network) -> tuple[Run, ...]:
    """The assignments of a network of the lab that were run, see `Run`.

    They are found by the network's digest, as `sensitivity.committed_sensitivity` finds
    its map. NetworkError where there are none, FileError for a damaged file.
    """
    file = sensitivity.FILE
    for entry in read_json(file, _SHAPE, datasets.made_again(file))["networks"]:
        if entry["digest"] == network.digest:
            return tuple(Run(**row) for row in entry["assignments"])
    raise NetworkError(
        f"{sensitivity.FILE.name} has no assignments of this network: run `python -m "
        "experiments.quantize.sensitivity`"
    )


def _bytes_of(network: Network, layer: str, bits: int, granularity: str) -> int:
    shape = network.kernels[layer].shape
    axis = 3 if network.layer(layer).kind == "DEPTHWISE_CONV_2D" else 0
    groups = Granularity(shape, granularity, axis, BLOCK)
    return packed_size(bits, int(np.prod(shape))) + 4 * int(np.prod(groups.scale_shape))
