"""The temperature panel: a teacher's real outputs on chosen digits, softened.

The images are validation images, which no network trains on and this teacher gets
right, in the order of what their soft target tells: the first ones look most like one
other class.

    network             outputs
    mlp, lenet5         logits of its .tflite file, softened in numpy
    resnet8, resnet20   no: the panel draws digits
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from labkit import zoo
from labkit.common.cache import cached
from labkit.common.split import Split
from labkit.distill import dark_knowledge
from labkit.measure.correctness import Accuracy
from labkit.measure.timing import Latency
from labkit.model.network import Network
from labkit.panels import measuring
from labkit.panels.base import constructor
from labkit.panels.controls import Control, Settings
from labkit.panels.positions import NetworkPosition
from labkit.panels.spec import PanelSpec, told_by
from labkit.panels.temperature import plot, report
from labkit.panels.temperature.plot import Softened
from labkit.panels.worker import Cancelled, never
from labkit.plots.plane import Point

NETWORKS = ("mlp", "lenet5")
TEMPERATURES = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 20, 30, 40)
PLACES = range(1, 21)


@dataclass(frozen=True, eq=False)
class Position(NetworkPosition):
    """One setting.

    soft: the answer shown. accuracy: on the validation images. deflated, latency: of
    the teacher's file, "float32" -> bytes after zlib, and Latency; None before.
    """

    soft: Softened
    accuracy: Accuracy
    deflated: dict[str, int] | None = None
    latency: dict[str, Latency] | None = None

    @property
    def points(self) -> tuple[Point, ...]:
        """The teacher alone: nothing is compressed here."""
        size = len(self.network)
        return (self.point("float", "float32", self.accuracy, size),)


def compute(settings: Settings, cancelled: Cancelled = never) -> Iterator[Position]:
    """The answer to an image, then with the ledger's slow columns.

    Of the settings: digit is the label. place: 1 for the image of this digit whose soft
    target tells most. Raises ValueError for a place without an image.
    """
    split = zoo.dataset(settings["network"]).validation
    logits = answers(settings["network"])
    digit, place = settings["digit"], settings["place"]
    mine = ranked(logits, split.labels, digit)
    if not 1 <= place <= len(mine):
        raise ValueError(
            f"place is {place}: give 1 to {len(mine)}, the {digit}s at hand"
        )
    chosen = mine[place - 1]
    soft = Softened(
        split.images[chosen],
        int(split.index[chosen]),
        digit,
        logits[chosen],
        settings["temperature"],
    )
    right = Accuracy(logits.argmax(axis=1) == split.labels, split.index)
    teacher = zoo.load(settings["network"])
    position = Position(settings, teacher, len(split), soft, right)
    yield position
    if not cancelled():
        files, timed = {"float32": teacher.to_bytes()}, {"float32": teacher}
        yield replace(position, **measuring.slow_figures(files, timed))


def answers(name: str) -> np.ndarray:
    """A network's logits of the validation images, (n, 10)."""
    return _logits(zoo.load(name), zoo.dataset(name).validation)


@cached
def _logits(network: Network, split: Split) -> np.ndarray:
    return network.predict(split.images)


def ranked(logits: np.ndarray, labels: np.ndarray, digit: int) -> np.ndarray:
    """The rightly told images of a digit, the one whose soft target tells most first.

    By `dark_knowledge.information_beyond_label` at T = 4. Those that the teacher gets
    wrong are left out: their soft target tells much, and it is not so.
    """
    mine = np.flatnonzero((labels == digit) & (logits.argmax(axis=1) == digit))
    told = dark_knowledge.information_beyond_label(
        logits[mine], labels[mine], report.ORDERED_AT
    )
    return mine[np.argsort(-told, kind="stable")]


def _prepare(settings: Settings) -> None:
    answers(settings["network"])


SPEC = PanelSpec(
    title="temperature",
    controls=(
        Control("network", "Teacher", NETWORKS, default="lenet5"),
        Control("temperature", "Temperature", TEMPERATURES),
        Control("digit", "Digit", range(10), default=4),
        Control("place", "Image, most telling first", PLACES, default=1),
    ),
    terms=("logits", "temperature", "soft targets", "dark knowledge"),
    compute=compute,
    draw=plot.draw,
    points=lambda position: position.points,
    **told_by(report),
    prepare=_prepare,
    size=(8.6, 3.0),
    guessed=False,
)

temperature_panel = constructor(SPEC)
