"""The budget panel: a file's bytes shared out over its layers by their sensitivity.

The frontier of all budgets comes at once from the committed map of the network
(`labkit.compress.budget.sensitivity`); the file that a position chooses is made, run
and measured.

    layer kind          packed file, 2 to 8 bits by layer    deployable file
    FULLY_CONNECTED     any granularity                      none: the lab's have the
    CONV_2D             any granularity                      same bits in every layer
    DEPTHWISE_CONV_2D   no network of the lab has one
    biases, pooling, …  stay float32
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from labkit import zoo
from labkit.common.cache import CACHE, cached
from labkit.compress.budget import bits as planning
from labkit.compress.budget import sensitivity
from labkit.compress.budget.bits import BitOptions, MixedPrecision
from labkit.measure.correctness import BATCH, THREADS, Accuracy
from labkit.measure.timing import Latency
from labkit.model.network import Network
from labkit.panels import measuring
from labkit.panels.base import constructor
from labkit.panels.budget import plot, report
from labkit.panels.controls import Control, Settings
from labkit.panels.explained import MEASURED
from labkit.panels.positions import NetworkPosition, layer_names, stages, test_images
from labkit.panels.spec import PanelSpec, told_by
from labkit.panels.worker import Cancelled, never
from labkit.plots.plane import Point
from labkit.plots.showing import LOCK
from labkit.quantize.granularity import BLOCK, GRANULARITIES

RULE = "least_squares"  # of the map whose assignments are committed, and of the files
START = 12  # per cent of the float32 file
HEADER = 64  # bytes, by which a file may be longer than estimated


@dataclass(frozen=True, eq=False)
class Position(NetworkPosition):
    """One setting, as far as it is measured.

    offered: method -> all that its budgets buy. chosen: the file of this position.
    runs: the committed files of this network. base_accuracy,
    accuracy: of the float32 and the mixed file on test images. loss: the measured
    increase on all validation images, in nats. What is not measured yet is None;
    deflated and latency come last.
    """

    offered: dict[str, BitOptions]
    chosen: MixedPrecision
    runs: tuple[planning.Run, ...]
    base_accuracy: Accuracy | None = None
    accuracy: Accuracy | None = None
    loss: float | None = None
    deflated: dict[str, int] | None = None
    latency: dict[str, Latency] | None = None

    @property
    def budget_bytes(self) -> int:
        """The most bytes that the file may have."""
        return budget_bytes(self.network, self.settings["budget"])

    @property
    def points(self) -> tuple[Point, ...]:
        """What is on the plane: float32 and packed."""
        size, name = self.chosen.compressed.size_bytes, report.name(self.settings)
        return (
            self.point("float", name, self.base_accuracy, len(self.network)),
            self.point("packed", name, self.accuracy, size),
        )

    @property
    def uniform(self) -> tuple[Point, ...]:
        """The committed files with the same bits in every layer."""
        runs = (run for run in self.runs if run.method == "uniform")
        return tuple(self._run_point(run) for run in runs)

    def _run_point(self, run: planning.Run) -> Point:
        low, high = run.test_interval
        return Point(
            name=f"{next(iter(run.bits.values()))} bits",
            group=self.group,
            kind="uniform",
            accuracy=run.test_accuracy,
            low=low,
            high=high,
            n=len(zoo.dataset(self.settings["network"]).test),
            size_bytes=run.size_bytes,
            exact=True,
        )

    @property
    def frontier(self) -> plot.Frontier:
        """The predicted losses of all budgets, and this file among them."""
        return plot.Frontier(
            lines={name: (o.size_bytes, o.loss) for name, o in self.offered.items()},
            budget_bytes=self.budget_bytes,
            size_bytes=self.chosen.compressed.size_bytes,
            predicted=self.chosen.predicted_loss,
            measured=self.loss,
        )

    @property
    def bars(self) -> plot.Bars:
        """The bits of the layers."""
        offered = self.offered[self.settings["method"]]
        return plot.Bars(
            bits=self.chosen.bits,
            weights={name: w.size for name, w in self.network.kernels.items()},
            kept=tuple(name for name in self.chosen.bits if name not in offered.free),
            widest=offered.found.bits[-1],
        )


def compute(settings: Settings, cancelled: Cancelled = never) -> Iterator[Position]:
    """Better and better measurements of one setting; the last has every figure.

    Of the settings: granularity is the file's; the map's losses are those of one scale
    a channel. free: the layers whose bits are chosen, None for all; the rest keep 8.
    budget: the file's bytes, in per cent of the float32 file's. method: a name of
    `bits.METHODS`.
    """
    name = settings["network"]
    base, split = zoo.load(name), zoo.dataset(name).test
    with LOCK:
        measured = sensitivity.committed_sensitivity(base, RULE)
        offered = {
            method: _offered(
                base, measured, method, settings["granularity"], settings["free"]
            )
            for method in planning.METHODS
        }
        chosen = planning.mixed_precision(
            base, offered[settings["method"]], budget_bytes(base, settings["budget"])
        )
    runs = planning.committed_runs(base)
    position = Position(settings, base, len(split), offered, chosen, runs)
    both = {"base_accuracy": base, "accuracy": chosen.compressed.network}
    for found in measuring.together(both, split, stages(base), cancelled):
        position = replace(position, **found)
        yield position
    for loss in _loss(chosen.compressed.network, settings["network"], cancelled):
        increase = loss - offered[settings["method"]].found.base.loss
        position = replace(position, loss=increase)
        yield position
    if not cancelled():
        yield replace(position, **_slow_figures(position))


def budget_bytes(network: Network, budget: float) -> int:
    """Per cent of the float32 file -> whole bytes."""
    return int(len(network) * budget / 100)


@cached
def _offered(
    network: Network,
    measured: sensitivity.Sensitivity,
    method: str,
    granularity: str,
    free: tuple[str, ...] | None,
) -> BitOptions:
    return planning.bit_options(network, measured, method, granularity, free)


def _loss(
    network: Network, name: str, cancelled: Callable[[], bool]
) -> Iterator[float]:
    """The mean cross-entropy on all validation images, unless cancelled on the way."""
    split = zoo.dataset(name).validation
    key = _loss, network.digest, split.digest
    known = CACHE.peek(key)
    if known is None:
        total = 0.0
        for part in np.array_split(np.arange(len(split)), len(split) // 500 or 1):
            if cancelled():
                return
            logits = network.predict(split.images[part], BATCH, THREADS)
            mean = sensitivity.cross_entropy(logits, split.labels[part])
            total += len(part) * mean
        known = total / len(split)
        CACHE.put(key, known)
    yield known


def _slow_figures(position: Position) -> dict:
    """Deflated bytes and latency, which come last."""
    files = {
        "float32": position.network.to_bytes(),
        "packed": position.chosen.compressed.packed,
    }
    return measuring.slow_figures(files, {"float32": position.network})


def _budgets(settings: Settings) -> tuple[float, ...]:
    """Every half per cent from the file of the fewest bits to that of the most.

    Every method has a file at the least of them, and one at least the most.
    """
    network = zoo.load(settings["network"])
    measured = sensitivity.committed_sensitivity(network, RULE)
    how = settings["granularity"], settings["free"]
    sizes = [_offered(network, measured, m, *how).size_bytes for m in planning.METHODS]
    ends = max(size[0] for size in sizes), max(size[-1] for size in sizes)
    low, high = (ceil(200 * (size + HEADER) / len(network)) for size in ends)
    return tuple(half / 2 for half in range(low, high + 1))


SPEC = PanelSpec(
    title="budget",
    controls=(
        Control("network", "Network", zoo.NAMES, default="resnet8"),
        Control(
            "granularity",
            "One scale per",
            GRANULARITIES,
            default="channel",
            texts={"block": f"block of {BLOCK}"},
            advanced=True,
        ),
        Control(
            "free",
            "Layers that may have fewer than 8 bits",
            layer_names,
            several=True,
            advanced=True,
        ),
        Control(
            "budget",
            "Budget, of the float32 file",
            _budgets,
            default=lambda settings: max(START, _budgets(settings)[0]),
            texts={half / 2: f"{half / 2:g} %" for half in range(201)},
        ),
        Control(
            "method",
            "Bits by",
            planning.METHODS,
            default="exact",
            texts=planning.METHODS,
        ),
    ),
    terms=("bits", "mixed precision", "sensitivity", "range rule", *MEASURED),
    compute=compute,
    draw=plot.draw,
    points=lambda position: position.points,
    **told_by(report),
    prepare=test_images,
    size=(8.6, 4.6),
)

budget_panel = constructor(SPEC)
