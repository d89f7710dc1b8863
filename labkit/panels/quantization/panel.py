"""The quantization panel: bits, granularity, range rule and layers of a network.

Every position is the decoded float file's accuracy with the packed file's bytes; where
ai_edge_quantizer has a recipe, its file is a second point with figures of its own.

    layer kind          packed file, 1 to 16 bits           deployable file
    FULLY_CONNECTED     any granularity, any rule or grid   table in
    `labkit.compress.deploy` CONV_2D             any granularity, any rule or grid
    table in `labkit.compress.deploy` biases, pooling, …  stay float32 stay float32
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING

from labkit import compress, zoo
from labkit.compress.deploy_modes import MODES
from labkit.compress.quantized import UNIFORM, grids
from labkit.measure.correctness import Accuracy
from labkit.measure.quick import is_quick
from labkit.measure.timing import Latency
from labkit.packed.compressed import Compressed
from labkit.panels import measuring
from labkit.panels.base import constructor
from labkit.panels.controls import Control, Settings
from labkit.panels.explained import MEASURED
from labkit.panels.histogram import histogram
from labkit.panels.positions import (
    NetworkPosition,
    largest_layer,
    layer_names,
    stages,
    test_images,
)
from labkit.panels.quantization import plot, report
from labkit.panels.spec import PanelSpec, told_by
from labkit.panels.worker import Cancelled, never
from labkit.plots.histogram import Histogram
from labkit.plots.plane import Point
from labkit.plots.showing import LOCK
from labkit.quantize.granularity import BLOCKS, GRANULARITIES
from labkit.quantize.level_grids import GRIDS
from labkit.quantize.range_rules import RANGES

if TYPE_CHECKING:
    from labkit.compress.deploy import Deployed

EVEN_BITS, FIRST_BITS = range(2, 17), 4


@dataclass(frozen=True, eq=False)
class Position(NetworkPosition):
    """One setting, as far as it is measured.

    compressed: the decoded network and the packed file. deployed: the deployable file.
    unavailable: why there is none. base_accuracy, accuracy, deployed_accuracy: of the
    float32, the decoded and the deployable file. deflated: file name -> bytes after
    zlib. latency: "float32" and "deployable" -> Latency. What is not measured yet is
    None; deflated and latency come last.
    """

    compressed: Compressed
    histogram: Histogram
    base_accuracy: Accuracy | None = None
    accuracy: Accuracy | None = None
    deployed: "Deployed | None" = None
    unavailable: str | None = None
    deployed_accuracy: Accuracy | None = None
    deflated: dict[str, int] | None = None
    latency: dict[str, Latency] | None = None

    @property
    def points(self) -> tuple[Point, ...]:
        """What is on the plane: float32, packed and, once measured, deployable."""
        size = self.compressed.size_bytes
        files = [("float", self.base_accuracy, len(self.network))]
        files.append(("packed", self.accuracy, size))
        if self.deployed_accuracy is not None:
            size = self.deployed.size_bytes
            files.append(("deployable", self.deployed_accuracy, size))
        name = report.name(self.settings)
        return tuple(self.point(kind, name, *figures) for kind, *figures in files)


def compute(settings: Settings, cancelled: Cancelled = never) -> Iterator[Position]:
    """Better and better measurements of one setting; the last has every figure.

    Of the settings: bits, granularity, layers, grid, block are as for
    `compress.quantize_network`; so is rule, on even steps only. shown: the layer in the
    histogram. mode: of the deployable file, as for `deploy.deployable`.
    """
    name = settings["network"]
    base, split = zoo.load(name), zoo.dataset(name).test
    with LOCK:
        compressed = compress.quantize_network(
            base,
            settings["bits"],
            settings["granularity"],
            report.rule(settings),
            settings["layers"],
            grid=settings["grid"],
            block=settings["block"],
        )
        bars = histogram(base, compressed, settings["shown"])
    position = Position(settings, base, len(split), compressed, bars)
    packed = _packed(position, split, stages(base), cancelled)
    deployed = _deployed(position, split, stages(base), cancelled)
    steps = (
        chain(packed, deployed)
        if is_quick(base)
        else chain(islice(packed, 1), _in_turns(deployed, packed))
    )
    for news in steps:
        position = replace(position, **news)
        yield position
    if not cancelled():
        yield replace(position, **_slow_figures(position))


def _packed(position: Position, split, stages, cancelled) -> Iterator[dict]:
    """The float32 and the decoded network, stage by stage on the same images."""
    both = {
        "base_accuracy": position.network,
        "accuracy": position.compressed.network,
    }
    yield from measuring.together(both, split, stages, cancelled)


def _deployed(position: Position, split, stages, cancelled) -> Iterator[dict]:
    """The deployable file, stage by stage; or why there is none."""
    if cancelled():
        return
    settings = position.settings
    if reason := report.not_deployable(settings):
        yield {"unavailable": reason}
        return
    # Here, since ai_edge_quantizer's import would double the wait for a first picture.
    from labkit.compress import deploy

    how = settings["bits"], settings["mode"], settings["granularity"]
    with LOCK:
        deployed = deploy.deployable(position.network, *how)
    if isinstance(deployed, deploy.Unavailable):
        yield {"unavailable": deployed.reason}
        return
    for accuracy in measuring.growing(deployed, split, stages, cancelled):
        yield {"deployed": deployed, "deployed_accuracy": accuracy}


def _in_turns(*generators: Iterator[dict]) -> Iterator[dict]:
    for news in zip_longest(*generators):
        yield from (one for one in news if one is not None)


def _slow_figures(position: Position) -> dict:
    """Deflated bytes and latency, which come last."""
    files = {
        "float32": position.network.to_bytes(),
        "packed": position.compressed.packed,
    }
    timed = {"float32": position.network}
    if position.deployed is not None:
        files["deployable"] = position.deployed.to_bytes()
        timed["deployable"] = position.deployed
    return measuring.slow_figures(files, timed)


def _bits(settings: Settings) -> range:
    """The widths that the grid has: one after the other, for every grid."""
    if settings["grid"] == UNIFORM:
        return EVEN_BITS
    bit_widths = GRIDS[settings["grid"]].bits
    return range(bit_widths[0], bit_widths[-1] + 1)


def _first_bits(settings: Settings) -> int:
    return min(_bits(settings), key=lambda bits: abs(bits - FIRST_BITS))


def _rules(settings: Settings) -> tuple[str, ...]:
    """The range rules; another grid than the even one has its own way to a scale."""
    return tuple(RANGES) if settings["grid"] == UNIFORM else (report.OWN_RULE,)


SPEC = PanelSpec(
    title="quantization",
    controls=(
        Control("network", "Network", zoo.NAMES),
        Control("grid", "Levels", tuple(grids()), texts=grids(), advanced=True),
        Control("bits", "Bits", _bits, default=_first_bits),
        Control("granularity", "One scale per", GRANULARITIES, default="channel"),
        Control("rule", "Range", _rules, texts=report.RULE_TEXTS),
        Control("block", "Weights in a block", BLOCKS, advanced=True),
        Control(
            "layers", "Layers to quantize", layer_names, several=True, advanced=True
        ),
        Control(
            "shown",
            "Layer in the histogram",
            layer_names,
            advanced=True,
            default=largest_layer,
        ),
        Control(
            "mode",
            "Deployable file",
            MODES,
            texts=MODES,
            advanced=True,
        ),
    ),
    terms=(
        "bits",
        "code",
        "scale",
        "granularity",
        "range rule",
        "codebook",
        "SQNR",
        *MEASURED,
    ),
    compute=compute,
    draw=plot.draw,
    points=lambda position: position.points,
    **told_by(report),
    prepare=test_images,
)

quantization_panel = constructor(SPEC)
