"""What the positions of all panels have in common."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from labkit import zoo
from labkit.common.split import Split
from labkit.measure.correctness import Accuracy
from labkit.measure.quick import is_quick
from labkit.measure.timing import Latency
from labkit.model.network import Network
from labkit.panels import measuring
from labkit.panels.controls import Settings
from labkit.panels.worker import Cancelled
from labkit.plots.costs import Costs
from labkit.plots.plane import Point

FIRST = 250
STAGES = (FIRST, 1000, 2500, 5000, None)
# Where the accuracy axis ends, by data set: above what its networks can reach.
BEST = {"mnist": 0.997, "cifar10": 0.965}


@dataclass(frozen=True, eq=False)
class NetworkPosition:
    """One setting of a network of the zoo; a panel's own adds what is measured there.

    network: the float32 one. total: how many test images there are.
    """

    settings: Settings
    network: Network
    total: int

    @property
    def best(self) -> float:
        """The accuracy at the top of the plane."""
        return BEST[zoo.dataset(self.settings["network"]).name]

    @property
    def group(self) -> str:
        """Which points share a trail: those of one file of a network."""
        return f"{self.settings['network']} {self.network.digest}"

    def point(
        self,
        kind: str,
        name: str,
        accuracy: Accuracy,
        size_bytes: int,
        of: type[Point] = Point,
        **more,
    ) -> Point:
        """A file on the plane. of, more: another class of points, its own fields."""
        low, high = accuracy.interval
        return of(
            name=name,
            group=self.group,
            kind=kind,
            accuracy=accuracy.value,
            low=low,
            high=high,
            n=accuracy.n,
            size_bytes=size_bytes,
            exact=accuracy.n == self.total,
            **more,
        )


@dataclass(frozen=True, eq=False)
class SmallerPosition(NetworkPosition):
    """A position whose file is a smaller network, which a runtime takes as it is.

    A panel's own has `small`, that network, and its NAME. base_accuracy, accuracy: of
    the float32 and the smaller network. deflated, latency: "float32" and NAME -> bytes
    after zlib, and Latency. What is not measured yet is None.
    """

    NAME: ClassVar[str]
    base_accuracy: Accuracy | None = field(default=None, kw_only=True)
    accuracy: Accuracy | None = field(default=None, kw_only=True)
    deflated: dict[str, int] | None = field(default=None, kw_only=True)
    latency: dict[str, Latency] | None = field(default=None, kw_only=True)

    @property
    def costs(self) -> Costs:
        """Bytes, MACs and latency, as fractions of the float network's."""
        now, before, times = self.small, self.network, self.latency
        faster = times and times[self.NAME].median_us / times["float32"].median_us
        return Costs(len(now) / len(before), now.macs / before.macs, faster)

    def slow_figures(self) -> dict:
        """Deflated bytes and latency, which come last."""
        runs = {"float32": self.network, self.NAME: self.small}
        files = {name: run.to_bytes() for name, run in runs.items()}
        return measuring.slow_figures(files, runs)


def to_the_end(
    position,
    other,
    slow_figures: Callable[[Any], dict],
    cancelled: Cancelled,
) -> Iterator:
    """The position with better and better figures; the last has all.

    other: what is compared with the float network on the same test images: its
    `base_accuracy` and `accuracy`. slow_figures: position -> the fields that come last.
    """
    base, split = position.network, test_images(position.settings)
    both = {"base_accuracy": base, "accuracy": other}
    for found in measuring.together(both, split, stages(base), cancelled):
        position = replace(position, **found)
        yield position
    if not cancelled():
        yield replace(position, **slow_figures(position))


def stages(network: Network) -> tuple[int | None, ...]:
    """On how many test images to measure, one after the other; None: on all."""
    return (FIRST, None) if is_quick(network) else STAGES


def test_images(settings: Settings) -> Split:
    """What every panel will need, for `PanelSpec.prepare`."""
    return zoo.dataset(settings["network"]).test


def layer_names(settings: Settings) -> tuple[str, ...]:
    """The layers with kernels, for a control's values."""
    return tuple(zoo.load(settings["network"]).kernels)


def largest_layer(settings: Settings) -> str:
    """The layer with the most weights, for a control's default."""
    kernels = zoo.load(settings["network"]).kernels
    return max(kernels, key=lambda name: kernels[name].size)
