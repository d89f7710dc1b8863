"""Two ways to run one network: where do their codes differ, and by how much?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labkit.integer.litert import KERNELS, LiteRTNetwork
from labkit.integer.network import ROUNDINGS, IntegerNetwork

WAYS = (*ROUNDINGS, *(f"litert-{kernels}" for kernels in KERNELS))


@dataclass(frozen=True)
class Difference:
    """One layer, run in two ways.

    codes: how many were compared. differing: how many of them differ. largest: the
    largest difference of two codes, in steps of the layer's grid.
    """

    layer: str
    kind: str
    codes: int
    differing: int
    largest: int


class Tally:
    """Counts the differences of two ways, over any number of batches."""

    def __init__(self, network: IntegerNetwork):
        self._layers = [layer for layer in network.layers if layer.writes_codes]
        self._counts = {layer.name: (0, 0, 0) for layer in self._layers}

    def add(self, a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> None:
        """One batch: layer name -> codes (int8), of the one way and of the other."""
        for name, (codes, differing, largest) in self._counts.items():
            apart = np.abs(np.subtract(a[name], b[name], dtype=np.int16))
            self._counts[name] = (
                codes + apart.size,
                differing + int(np.count_nonzero(apart)),
                max(largest, int(apart.max(initial=0))),
            )

    def differences(self) -> tuple[Difference, ...]:
        """Every layer that puts out codes, in the order they run."""
        return tuple(
            Difference(layer.name, layer.kind, *self._counts[layer.name])
            for layer in self._layers
        )


def open_network(content: bytes, way: str) -> IntegerNetwork | LiteRTNetwork:
    """The file, ready to run in one of WAYS (else ValueError)."""
    if way not in WAYS:
        raise ValueError(f"{way!r} is no way to run: choose one of {', '.join(WAYS)}")
    if way in ROUNDINGS:
        return IntegerNetwork.from_bytes(content, way)
    return LiteRTNetwork.from_bytes(content, way.removeprefix("litert-"))


def compare(
    content: bytes,
    images: np.ndarray,
    first: str = "reference",
    second: str = "litert-reference",
    alone: bool = False,
    batch_size: int = 25,
) -> tuple[Difference, ...]:
    """How two ways differ, for every layer that puts out codes.

    content: a trusted int8 .tflite file with one input. images: as for
    `IntegerNetwork.run`. first, second: two of WAYS (else ValueError): this package
    with one of its ROUNDINGS, or LiteRT with one of its KERNELS. alone: each layer of
    the second way reads what the first way computed, so that only the layer's own
    rounding shows; the second must be this package's then. batch_size: how many images
    run at a time, all their codes being kept.
    """
    one, other = open_network(content, first), open_network(content, second)
    if alone and second not in ROUNDINGS:
        raise ValueError(f"alone needs one of {', '.join(ROUNDINGS)}, not {second!r}")
    network = IntegerNetwork.from_bytes(content)
    tally, step = Tally(network), network.batch or batch_size
    for k in range(0, len(images), step):
        a = one.run(images[k : k + step])
        forced = {"given": a} if alone else {}
        tally.add(a, other.run(images[k : k + step], **forced))
    return tally.differences()
