"""The activations panel: bits of weights and of what flows between the layers.

Every position is computed in the graph: decoded weights, and FAKE_QUANT operators in
front of the layers. It shows the accuracy, for any bits, and has no kernel. Where
LiteRT has kernels, the static and the dynamic file are points with a latency.

    layer kind          in the graph               static file       dynamic file
    FULLY_CONNECTED     weights 2 to 8 or float,   W8, W4 with A8    W8, W4, W2, A8
    CONV_2D             inputs 2 to 8 or 16 bits   and A16           W8, W4, A8
    first layer         its pixels have 8 bits     its pixels too    its pixels too
    ADD, pooling, …     float32                    A8 or A16         float32
    biases              float32                    int32 or int64    float32

A file with 16-bit activations is slow: it runs fewer images, see `one_by_one`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING

from labkit import zoo
from labkit.compress.activations import RULES, inner_layers
from labkit.measure.correctness import Accuracy
from labkit.measure.quick import is_quick
from labkit.measure.timing import Latency
from labkit.packed.compressed import Compressed
from labkit.panels import measuring
from labkit.panels.activations import plot, readings, report
from labkit.panels.activations.plot import Reading
from labkit.panels.activations.readings import FLOAT_BITS
from labkit.panels.base import constructor
from labkit.panels.controls import Control, Settings
from labkit.panels.explained import MEASURED
from labkit.panels.one_by_one import images_for, one_by_one
from labkit.panels.positions import NetworkPosition, stages, test_images
from labkit.panels.spec import PanelSpec, told_by
from labkit.panels.worker import Cancelled, never
from labkit.plots.plane import Point
from labkit.plots.showing import LOCK

if TYPE_CHECKING:
    from labkit.compress.deploy import Deployed

COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
BITS = (*range(2, 9), FLOAT_BITS)
ACTIVATION_BITS = (*range(2, 9), 16)
SLOW_MACS = 1_000_000  # an image: where a 16-bit file is too slow for every image
KINDS = {"float32": "float"}  # of points, where they are not called like the file
KEPT = "the lab's files have the same bits in every layer"


@dataclass(frozen=True, eq=False)
class Position(NetworkPosition):
    """One setting, as far as it is measured.

    graph: the network rounded in the graph, and its packed file. reading: what the
    layer shown reads. files: "static" and "dynamic" -> the deployable file.
    unavailable: the same names -> why there is none. accuracies, latency: "float32",
    "graph" (no latency), "static" and "dynamic", as far as they are measured. deflated:
    the same names -> bytes after zlib, None before the end.
    """

    graph: Compressed
    reading: Reading
    files: Mapping[str, "Deployed"] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)
    latency: Mapping[str, Latency] = field(default_factory=dict)
    deflated: Mapping[str, int] | None = None

    @property
    def slow(self) -> bool:
        """Whether the static file runs image by image."""
        wide = self.settings["activation_bits"] == 16
        return wide and self.network.macs > SLOW_MACS

    @property
    def points(self) -> tuple[Point, ...]:
        """What is on the plane, as far as it is measured: float32 and graph first."""
        sizes = {"float32": len(self.network), "graph": self.graph.size_bytes}
        name = report.name(self.settings)
        sizes |= {kind: file.size_bytes for kind, file in self.files.items()}
        return tuple(
            self.point(KINDS.get(file, file), name, self.accuracies[file], size)
            for file, size in sizes.items()
            if file in self.accuracies
        )

    def measured(self, kind: str, accuracy: Accuracy) -> "Position":
        """The same with a newer accuracy."""
        return replace(self, accuracies={**self.accuracies, kind: accuracy})


def compute(settings: Settings, cancelled: Cancelled = never) -> Iterator[Position]:
    """Better and better measurements of one setting; the last has every figure.

    Of the settings: bits are those of the weights, 2 to 8, or 32 for float32, min-max
    and one scale a channel. images: how many training images calibrate. rule: of the
    activations' ranges in the graph; the files' is min-max. ends: the first and the
    last layer are "rounded" like the others, or "kept" at 8 bits. shown: the layer in
    the histogram.
    """
    network = settings["network"]
    base, split = zoo.load(network), zoo.dataset(network).test
    with LOCK:
        names = ("bits", "activation_bits", "images", "rule")
        how = (settings[name] for name in names)
        graph = readings.rounded(network, *how, settings["ends"] == "kept")
        reading = readings.reading(network, graph.network, settings["shown"])
    position = Position(settings, base, len(split), graph, reading)
    for change in _steps(position, split, cancelled):
        position = change(position)
        yield position
    if not cancelled():
        yield replace(position, **_slow_figures(position))


def _steps(position: Position, split, cancelled) -> Iterator:
    """Functions that put the next measurement into a position."""
    ends = stages(position.network)
    graph = _in_graph(position, split, ends, cancelled)
    files = _files(position, split, ends, cancelled)
    if is_quick(position.network):
        yield from chain(graph, files)
    else:
        yield from islice(graph, 1)
        yield from _in_turns(files, graph)


def _in_turns(*generators: Iterator) -> Iterator:
    for changes in zip_longest(*generators):
        yield from filter(None, changes)


def _in_graph(position: Position, split, stages, cancelled) -> Iterator:
    """The float32 and the rounded network, stage by stage on the same images."""
    both = {"float32": position.network, "graph": position.graph.network}
    for found in measuring.together(both, split, stages, cancelled):
        yield lambda p, now=found: replace(p, accuracies={**p.accuracies, **now})


def _files(position: Position, split, stages, cancelled) -> Iterator:
    """The deployable files, or why there are none; then how often they are right."""
    if cancelled():
        return
    files, unavailable = _deployables(position)
    yield lambda p: replace(p, files=files, unavailable=unavailable)
    for kind, file in files.items():
        if kind == "static" and position.slow:
            yield from _slowly(position, file, split, cancelled)
            continue
        for accuracy in measuring.growing(file, split, stages, cancelled):
            yield lambda p, k=kind, a=accuracy: p.measured(k, a)


def _deployables(position: Position) -> tuple[dict, dict]:
    """Static and dynamic file where they exist, reasons where they do not."""
    # Here, since ai_edge_quantizer's import would double the wait for a first picture.
    from labkit.compress import deploy

    now = position.settings
    if report.mixed(now):
        return {}, {"static": KEPT, "dynamic": KEPT}
    files, unavailable = {}, {}
    for mode in ("static", "dynamic"):
        with LOCK:
            made = deploy.deployable(
                position.network,
                now["bits"],
                mode,
                count=now["images"],
                activation_bits=now["activation_bits"],
            )
        if isinstance(made, deploy.Unavailable):
            unavailable[mode] = made.reason.rstrip(".")
        else:
            files[mode] = made
    return files, unavailable


def _slowly(position: Position, file, split, cancelled) -> Iterator:
    n = images_for(position.network)
    for accuracy, latency in one_by_one(file, split, n, cancelled):
        found = {} if latency is None else {"static": latency}
        yield lambda p, a=accuracy, f=found: replace(
            p.measured("static", a), latency={**p.latency, **f}
        )


def _slow_figures(position: Position) -> dict:
    """Deflated bytes and latency, which come last."""
    contents = {
        "float32": position.network.to_bytes(),
        "graph": position.graph.packed,
    }
    contents |= {kind: file.to_bytes() for kind, file in position.files.items()}
    timed = {"float32": position.network, **position.files}
    if position.slow:
        timed.pop("static", None)
    found = measuring.slow_figures(contents, timed)
    return {**found, "latency": {**position.latency, **found["latency"]}}


def _layers(settings: Settings) -> tuple[str, ...]:
    return tuple(inner_layers(zoo.load(settings["network"])))


SPEC = PanelSpec(
    title="activations",
    controls=(
        Control("network", "Network", zoo.NAMES, default="resnet8"),
        Control("bits", "Weight bits", BITS, default=8, texts=report.BITS_TEXTS),
        Control("activation_bits", "Activation bits", ACTIVATION_BITS, default=8),
        Control("images", "Calibration images", COUNTS, default=50),
        Control("rule", "Range", RULES, texts=RULES, advanced=True),
        Control(
            "ends",
            "First and last layer",
            tuple(report.ENDS_TEXTS),
            texts=report.ENDS_TEXTS,
            advanced=True,
        ),
        Control(
            "shown",
            "Layer in the histogram",
            _layers,
            default=lambda settings: _layers(settings)[-1],
            advanced=True,
        ),
    ),
    terms=(
        "bits",
        "scale",
        "zero point",
        "range rule",
        "calibration",
        "fake quantization",
        "dynamic quantization",
        "static quantization",
        "SQNR",
        *MEASURED,
    ),
    compute=compute,
    draw=plot.draw,
    points=lambda position: position.points,
    **told_by(report),
    prepare=test_images,
)

activations_panel = constructor(SPEC)
