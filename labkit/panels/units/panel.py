"""The panel of removed units: neurons and filters taken out of the model file.

Nothing is masked and nothing is packed: every position is a smaller .tflite file, which
a runtime takes as it is, with fewer bytes, fewer MACs and a latency of its own.

    layer kind          units                                   removed
    FULLY_CONNECTED     neurons                                 not the last layer's
    CONV_2D             filters                                 yes
    ADD (residual)      filters of all layers that it adds      together, one channel
    ADD (residual)      the whole branch                        yes, its shortcut stays
    pooling, flatten    –                                       follow their input
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from labkit import zoo
from labkit.compress.budget import units
from labkit.compress.budget.units import SCOPES, UnitPruned
from labkit.model.network import Network
from labkit.panels.base import constructor
from labkit.panels.controls import Control, Settings
from labkit.panels.explained import MEASURED
from labkit.panels.positions import SmallerPosition, test_images, to_the_end
from labkit.panels.spec import PanelSpec, told_by
from labkit.panels.units import plot, report
from labkit.panels.words import CHANNELS, RE_ESTIMATED, fraction_text
from labkit.panels.worker import Cancelled, never
from labkit.plots.plane import Point
from labkit.plots.showing import LOCK
from labkit.prune import masking
from labkit.prune.units import UNIT_CRITERIA

PER_CENT = (*range(0, 50, 5), *range(50, 95, 5), 95)
FRACTIONS = tuple(p / 100 for p in PER_CENT)


@dataclass(frozen=True, eq=False)
class Position(SmallerPosition):
    """One setting, as far as it is measured.

    smaller: the network without the units, and which ones are left.
    """

    NAME: ClassVar[str] = "smaller"
    smaller: UnitPruned

    @property
    def small(self) -> Network:
        """The network without the units."""
        return self.smaller.network

    @property
    def points(self) -> tuple[Point, ...]:
        """What is on the plane: float32 and the smaller file."""
        name, size = report.name(self.settings), len(self.smaller.network)
        return (
            self.point("float", name, self.base_accuracy, len(self.network)),
            self.point("deployable", name, self.accuracy, size),
        )

    @property
    def widths(self) -> plot.Widths:
        """The units of each layer, before and now."""
        before = {name: len(w) for name, w in self.network.kernels.items()}
        left = {name: len(w) for name, w in self.smaller.network.kernels.items()}
        return plot.Widths(before, {name: left.get(name, 0) for name in before})


def compute(settings: Settings, cancelled: Cancelled = never) -> Iterator[Position]:
    """Better and better measurements of one setting; the last has every figure.

    Of the settings: criterion and scope are those of `budget.units`. fraction: of the
    units to remove, 0 to 1. blocks: the residual additions whose branches stay, None
    for all. layers: groups to take units from, None for all. channels: whether each
    channel left gets its mean and deviation back.
    """
    name = settings["network"]
    base, split = zoo.load(name), zoo.dataset(name).test
    with LOCK:
        smaller = units.prune_units(
            settings["network"],
            settings["criterion"],
            settings["fraction"],
            settings["scope"],
            layers=settings["layers"],
            blocks=settings["blocks"],
            repaired=settings["channels"] == RE_ESTIMATED,
        )
    position = Position(settings, base, len(split), smaller)
    yield from to_the_end(position, position.small, Position.slow_figures, cancelled)


def _channel_groups(settings: Settings) -> tuple[str, ...]:
    return units.group_names(settings["network"], settings["blocks"])


SPEC = PanelSpec(
    title="units",
    controls=(
        Control("network", "Network", zoo.NAMES),
        Control("criterion", "Rank by", UNIT_CRITERIA, texts=UNIT_CRITERIA),
        Control(
            "fraction",
            "Remove",
            FRACTIONS,
            default=0.5,
            texts={f: fraction_text(f) for f in FRACTIONS},
        ),
        Control("scope", "Ranked", SCOPES, texts=masking.SCOPES),
        Control(
            "blocks",
            "Residual branches that stay",
            lambda settings: units.block_names(settings["network"]),
            several=True,
            advanced=True,
        ),
        Control(
            "layers",
            "Layers to take units from",
            _channel_groups,
            several=True,
            advanced=True,
        ),
        Control("channels", "Channels' mean and deviation", CHANNELS, advanced=True),
    ),
    terms=("unit", "score", "structured pruning", "coupled channels", *MEASURED),
    compute=compute,
    draw=plot.draw,
    points=lambda position: position.points,
    **told_by(report),
    prepare=test_images,
    size=(8.6, 4.8),
)

units_panel = constructor(SPEC)
