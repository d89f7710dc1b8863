"""The panel of training with rounding: bits of weights and activations, then steps.

Without steps it shows what rounding alone leaves of a trained network. With them it
trains through the rounding, for some seconds in a process of its own, and shows the
loss as it falls and the network that comes out, as a packed file like the other.

    layer kind          rounded                     trained with rounding
    FULLY_CONNECTED     weights and inputs, 2 to 8  the same, weights and scales learned
    CONV_2D             weights and inputs, 2 to 8  the same, weights and scales learned
    first, last layer   8 bits                      8 bits
    biases, pooling, …  stay float32                stay float32
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from labkit import zoo
from labkit.common.cache import CACHE, cached
from labkit.common.split import Split
from labkit.compress.budget.sensitivity import score
from labkit.compress.post_training import CALIBRATION_IMAGES, Setting, round_network
from labkit.measure.correctness import Accuracy
from labkit.measure.timing import Latency
from labkit.model.network import Network
from labkit.packed import compressed
from labkit.packed.compressed import Compressed
from labkit.panels import measuring
from labkit.panels.base import constructor
from labkit.panels.controls import Control, Settings
from labkit.panels.explained import MEASURED
from labkit.panels.positions import FIRST, STAGES, NetworkPosition, test_images
from labkit.panels.qat import plot, report
from labkit.panels.qat.plot import Course
from labkit.panels.spec import PanelSpec, told_by
from labkit.panels.worker import Cancelled, never
from labkit.plots.plane import Point
from labkit.plots.showing import LOCK
from labkit.train import child

# Batches of 128 images, at most: a machine takes as many as fit into live.SECONDS.
STEPS = {
    "mlp": (0, 50, 100, 200),
    "lenet5": (0, 50, 100, 200),
    "resnet8": (0, 20, 40, 80),
    "resnet20": (0, 4, 8, 16),
}
BITS = range(2, 9)
LOSS_IMAGES = 500


@dataclass(frozen=True, eq=False)
class Position(NetworkPosition):
    """One setting, as far as it is computed.

    rounded, trained: the network at the setting without and with training; trained is
    None until the training is through. base_accuracy, accuracy, trained_accuracy: of
    the float32, the rounded and the trained network. deflated: file name -> bytes after
    zlib. latency: file name -> Latency. What is not measured yet is None.
    """

    rounded: Compressed
    course: Course
    base_accuracy: Accuracy | None = None
    accuracy: Accuracy | None = None
    trained: Compressed | None = None
    trained_accuracy: Accuracy | None = None
    deflated: dict[str, int] | None = None
    latency: dict[str, Latency] | None = None

    @property
    def setting(self) -> Setting:
        """The bits of weights and activations."""
        return Setting(self.settings["weights"], self.settings["activations"])

    @property
    def points(self) -> tuple[Point, ...]:
        """What is on the plane: float32, rounded and, once measured, trained."""
        files = [("float", self.base_accuracy, len(self.network))]
        files.append(("packed", self.accuracy, self.rounded.size_bytes))
        if self.trained_accuracy is not None:
            size = self.trained.size_bytes
            files.append(("trained", self.trained_accuracy, size))
        taken = self.settings | {"steps": self.course.steps}
        return tuple(
            self.point(kind, report.name(taken, kind), *figures)
            for kind, *figures in files
        )


def compute(settings: Settings, cancelled: Cancelled = never) -> Iterator[Position]:
    """Better and better measurements of one setting; the last has every figure.

    Of the settings: weights and activations are bits. steps: batches of 128 images to
    train on, fewer where child.SECONDS are short for them, 0 for rounding alone. seed:
    of the training. Raises child.TrainingError where the training fails.
    """
    name = settings["network"]
    base, split = zoo.load(name), zoo.dataset(name).test
    seen = zoo.dataset(name).calibration
    with LOCK:
        rounding = seen.take(CALIBRATION_IMAGES)
        bits = Setting(settings["weights"], settings["activations"])
        rounded = _rounded(base, rounding, bits)
    levels = {
        "float32": _loss(base, seen.take(LOSS_IMAGES)),
        "rounded": _loss(rounded.network, seen.take(LOSS_IMAGES)),
    }
    course = Course(settings["steps"], levels=levels)
    position = Position(settings, base, len(split), rounded, course)
    first = (FIRST,) if settings["steps"] else STAGES
    for news in _compared(position, split, first, cancelled):
        position = replace(position, **news)
        yield position
    if settings["steps"]:
        for news in _training(position, cancelled):
            position = replace(position, **news)
            yield position
    if position.trained is not None:
        for news in _compared(position, split, STAGES, cancelled):
            position = replace(position, **news)
            yield position
    if not cancelled():
        yield replace(position, **_slow_figures(position))


@cached
def _rounded(network: Network, images: Split, setting: Setting) -> Compressed:
    return round_network(network, images.images, setting)


@cached
def _loss(network: Network, images: Split) -> float:
    """A network's loss on some training images, in nats."""
    return score(network, images).loss


def _compared(position: Position, split, stages, cancelled) -> Iterator[dict]:
    """The accuracies of all networks that are there, on the same growing prefix."""
    networks = {
        "base_accuracy": position.network,
        "accuracy": position.rounded.network,
    }
    if position.trained is not None:
        networks["trained_accuracy"] = position.trained.network
    yield from measuring.together(networks, split, stages, cancelled)


def _training(position: Position, cancelled: Cancelled) -> Iterator[dict]:
    """The course of the training, and the trained network at its end."""
    settings, course = position.settings, position.course
    start = settings["network"], str(position.setting), course.steps
    key = _training, position.network.digest, *start, settings["seed"]
    known = CACHE.peek(key)
    if known is not None:
        trained, course = known
        yield {"trained": trained, "course": course}
        return
    for now in child.training(*start, settings["seed"], cancelled, child.SECONDS):
        if now.packed is not None:
            trained = compressed.read_packed(now.packed)
            CACHE.put(key, (trained, course))
            yield {"trained": trained}
            return
        losses = (*course.losses, (now.step, now.loss))
        course = replace(course, steps=now.steps, done=now.step, losses=losses)
        yield {"course": course}


def _slow_figures(position: Position) -> dict:
    """Deflated bytes and latency, which come last."""
    made = {"rounded": position.rounded}
    if position.trained is not None:
        made["trained"] = position.trained
    files, timed = (
        {"float32": position.network.to_bytes()},
        {"float32": position.network},
    )
    files |= {name: file.packed for name, file in made.items()}
    timed |= {name: file.network for name, file in made.items()}
    return measuring.slow_figures(files, timed)


SPEC = PanelSpec(
    title="training",
    controls=(
        Control("network", "Network", zoo.NAMES, default="resnet8"),
        Control("weights", "Bits of weights", BITS, default=4),
        Control("activations", "Bits of activations", BITS, default=4),
        Control(
            "steps",
            "Train for",
            lambda settings: STEPS[settings["network"]],
            texts={
                n: f"{n} steps" if n else "no step"
                for several in STEPS.values()
                for n in several
            },
        ),
        Control("seed", "Seed of the training", range(10), advanced=True),
    ),
    terms=(
        "bits",
        "fake quantization",
        "straight-through estimator",
        "quantization-aware training",
        "calibration",
        *MEASURED,
    ),
    compute=compute,
    draw=plot.draw,
    points=lambda position: position.points,
    **told_by(report),
    prepare=test_images,
    cancel={"steps": 0},
)

qat_panel = constructor(SPEC)
