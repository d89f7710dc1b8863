"""The rank panel: a method and a rank, each layer run as several.

Every position is a .tflite file with both factors in it, never multiplied back. A ratio
of the weights of 1 is the break-even rank: above it the file is larger, and marked so.

    layer kind       svd   responses   inputs   spatial   tucker   cp
    FULLY_CONNECTED  yes   yes         yes      as svd    as svd   as svd
    CONV_2D          yes   yes         yes      yes       yes      yes, no energies
    CONV_2D 1 x 1    yes   yes         yes      as svd    as svd   as svd
    DEPTHWISE, …     stay whole

By energy, or by the product of energies, ranks are chosen for all methods but CP; by
measured loss where the losses are committed, or quick to measure (mlp, lenet5).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from labkit import zoo
from labkit.compress import factorized
from labkit.compress.budget import low_rank
from labkit.compress.budget.low_rank import IMAGE_COUNTS, LowRank
from labkit.compress.budget.rank_costs import UNITS
from labkit.compress.budget.ranks import RANK_CHOICES
from labkit.model.network import Network
from labkit.panels.base import constructor
from labkit.panels.controls import Control, Settings
from labkit.panels.explained import MEASURED
from labkit.panels.positions import (
    SmallerPosition,
    largest_layer,
    test_images,
    to_the_end,
)
from labkit.panels.rank import picture, plot, report
from labkit.panels.spec import PanelSpec, told_by
from labkit.panels.worker import Cancelled, never
from labkit.plots.plane import Point
from labkit.plots.showing import LOCK

PER_CENT = (2, *range(5, 100, 5), 100, 110, 120, 130)
RATIOS = tuple(p / 100 for p in PER_CENT)
# How many calibration images are observed, unless the reader says otherwise.
IMAGES = {"mlp": 5000, "lenet5": 500, "resnet8": 100, "resnet20": 100}


@dataclass(frozen=True, eq=False)
class Position(SmallerPosition):
    """One setting, as far as it is measured.

    low: the factorized network, its ranks and parts. spectrum: of the layer shown.
    filters: of the first layer.
    """

    NAME: ClassVar[str] = "low rank"
    low: LowRank
    spectrum: plot.Spectrum
    filters: plot.Filters

    @property
    def small(self) -> Network:
        """The factorized network."""
        return self.low.network

    @property
    def points(self) -> tuple[Point, ...]:
        """What is on the plane: float32 and the factorized file."""
        name, size = report.name(self.settings), len(self.low.network)
        kind = "larger" if size > len(self.network) else "deployable"
        return (
            self.point("float", name, self.base_accuracy, len(self.network)),
            self.point(kind, name, self.accuracy, size),
        )


def compute(settings: Settings, cancelled: Cancelled = never) -> Iterator[Position]:
    """Better and better measurements of one setting; the last has every figure.

    Of the settings: method is one of `labkit.compress.FACTORIZATIONS`.
    parameter_ratio, by, layers, unit: as for `labkit.compress.plan_ranks`. shown: the
    layer shown. images: how many calibration images the methods that look at data
    observe.
    """
    name = settings["network"]
    base, split = zoo.load(name), zoo.dataset(name).test
    with LOCK:
        low = low_rank.low_rank_network(
            settings["network"],
            settings["method"],
            settings["parameter_ratio"],
            settings["by"],
            layers=settings["layers"],
            unit=settings["unit"],
            images=settings["images"],
        )
        position = Position(
            settings,
            base,
            len(split),
            low,
            picture.spectrum(base, settings["shown"], settings["method"], low),
            picture.filters(base, low),
        )
    yield from to_the_end(position, position.small, Position.slow_figures, cancelled)


def _layers(settings: Settings) -> tuple[str, ...]:
    return tuple(factorized.factorizable_layers(zoo.load(settings["network"])))


SPEC = PanelSpec(
    title="rank",
    controls=(
        Control("network", "Network", zoo.NAMES),
        Control(
            "method",
            "Method",
            lambda settings: low_rank.methods(settings["network"]),
            texts=factorized.FACTORIZATIONS,
        ),
        Control(
            "parameter_ratio",
            "Weights left",
            RATIOS,
            default=0.5,
            texts={ratio: report.ratio_text(ratio) for ratio in RATIOS},
        ),
        Control(
            "by",
            "Ranks by",
            lambda settings: low_rank.ways(settings["network"], settings["method"]),
            texts=RANK_CHOICES,
        ),
        Control("layers", "Layers to factorize", _layers, several=True, advanced=True),
        Control("shown", "Layer shown", _layers, advanced=True, default=largest_layer),
        Control(
            "unit",
            "Budget in",
            UNITS,
            texts=report.UNIT_TEXTS,
            advanced=True,
        ),
        Control(
            "images",
            "Images observed",
            IMAGE_COUNTS,
            advanced=True,
            default=lambda settings: IMAGES[settings["network"]],
        ),
    ),
    terms=(
        "rank",
        "singular values",
        "energy",
        "factor layers",
        "parameter ratio",
        "break-even point",
        "Tucker decomposition",
        "CP decomposition",
        *MEASURED,
    ),
    compute=compute,
    draw=plot.draw,
    points=lambda position: position.points,
    **told_by(report),
    prepare=test_images,
    size=(8.6, 4.8),
)

rank_panel = constructor(SPEC)
