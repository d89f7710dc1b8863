"""The clip panel: where the grid of a network's weights ends, and what that costs.

The clip is a share of each layer's largest weight. One layer's two errors are drawn
over it, with the clips that the range rules choose there; so is the accuracy of the
whole network at the positions visited.

    layer kind          packed file, 2 to 8 bits, one scale a tensor, any clip
    FULLY_CONNECTED     yes
    CONV_2D             yes
    biases, pooling, …  stay float32

There is no deployable file: ai_edge_quantizer chooses its ranges itself (min-max).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from labkit import zoo
from labkit.compress.clipped import clip_network
from labkit.measure.correctness import Accuracy
from labkit.measure.timing import Latency
from labkit.packed.compressed import Compressed
from labkit.panels import measuring
from labkit.panels.base import constructor
from labkit.panels.clipping import curves as clip_curves
from labkit.panels.clipping import plot, report
from labkit.panels.clipping.plot import ClipPoint, Curves, Errors
from labkit.panels.controls import Control, Settings
from labkit.panels.histogram import histogram
from labkit.panels.positions import (
    NetworkPosition,
    largest_layer,
    layer_names,
    test_images,
    to_the_end,
)
from labkit.panels.spec import PanelSpec, told_by
from labkit.panels.worker import Cancelled, never
from labkit.plots.histogram import Histogram
from labkit.plots.plane import Point
from labkit.plots.showing import LOCK


@dataclass(frozen=True, eq=False)
class Position(NetworkPosition):
    """One setting, as far as it is measured.

    compressed: the decoded network and the packed file. histogram, curves, errors: of
    the layer shown; the histogram's `clipped` counts every weight beyond the clip.
    base_accuracy, accuracy: of the float32 and the decoded file. deflated, latency:
    "float32" and "packed" -> bytes after zlib, and Latency (of the decoded file). What
    is not measured yet is None.
    """

    compressed: Compressed
    histogram: Histogram
    curves: Curves
    base_accuracy: Accuracy | None = None
    accuracy: Accuracy | None = None
    deflated: dict[str, int] | None = None
    latency: dict[str, Latency] | None = None

    @property
    def errors(self) -> Errors:
        """Those of the layer shown at the present clip."""
        return self.curves.errors[clip_curves.CLIPS.index(self.settings["clip"])]

    @property
    def points(self) -> tuple[Point, ...]:
        """What is drawn over the clip: float32 and packed."""
        size, name = self.compressed.size_bytes, report.name(self.settings)
        where = {
            "of": ClipPoint,
            "share": self.settings["clip"] / 100,
            "series": report.series(self.settings),
        }
        return (
            self.point("float", name, self.base_accuracy, len(self.network), **where),
            self.point("packed", name, self.accuracy, size, **where),
        )


def compute(settings: Settings, cancelled: Cancelled = never) -> Iterator[Position]:
    """Better and better measurements of one setting; the last has every figure.

    Of the settings: clip is where the grid ends, in per cent of each layer's largest
    weight. layer: the one shown. scope: "all" layers are rounded, or only "one",
    that layer.
    """
    name = settings["network"]
    base, split = zoo.load(name), zoo.dataset(name).test
    layer, clip = settings["layer"], settings["clip"] / 100
    with LOCK:
        chosen = None if settings["scope"] == "all" else (layer,)
        compressed = clip_network(base, settings["bits"], clip, chosen)
        bars = histogram(base, compressed, layer)
        beyond = clip_curves.layer_weights(base, layer).beyond(clip)
        curves = clip_curves.curves(base, layer, settings["bits"])
    bars = replace(bars, clipped=beyond)
    position = Position(settings, base, len(split), compressed, bars, curves)
    yield from to_the_end(position, compressed.network, _slow_figures, cancelled)


def _slow_figures(position: Position) -> dict:
    """Deflated bytes and latency, which come last."""
    files = {
        "float32": position.network.to_bytes(),
        "packed": position.compressed.packed,
    }
    timed = {"float32": position.network, "packed": position.compressed.network}
    return measuring.slow_figures(files, timed)


SPEC = PanelSpec(
    title="clipping",
    controls=(
        Control("network", "Network", zoo.NAMES),
        Control("bits", "Bits", range(2, 9), default=4),
        Control("clip", "Clip, % of max |w|", clip_curves.CLIPS, default=100),
        Control(
            "layer",
            "Layer shown",
            layer_names,
            advanced=True,
            default=largest_layer,
        ),
        Control(
            "scope",
            "Round",
            tuple(report.SCOPE_TEXTS),
            texts=report.SCOPE_TEXTS,
            advanced=True,
        ),
    ),
    terms=(
        "bits",
        "scale",
        "range rule",
        "clipping error",
        "rounding error",
        "SQNR",
        "accuracy",
        "interval",
    ),
    compute=compute,
    draw=plot.draw,
    points=lambda position: position.points,
    **told_by(report),
    prepare=test_images,
    size=(8.6, 5.0),
)

clipping_panel = constructor(SPEC)
