"""The distillation panel: a student trained alone and by a teacher, on the plane.

Both students begin with the same weights and see the same images, moved alike, in the
same order, for the same steps; the teacher is asked about the moved images. The
trainings run in a process of their own, so that this kernel never imports TensorFlow.

    network             as a teacher            as a student
    mlp, lenet5         yes                     784-w-w-10, w from 10 to 300
    resnet8, resnet20   not live: minutes       python -m labkit distill
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from labkit import zoo
from labkit.common.cache import CACHE
from labkit.compress import students
from labkit.measure.correctness import Accuracy
from labkit.measure.timing import Latency
from labkit.model.network import Network
from labkit.panels import measuring
from labkit.panels.base import constructor
from labkit.panels.controls import Control, Settings
from labkit.panels.distillation import plot, report
from labkit.panels.distillation.plot import Course
from labkit.panels.explained import MEASURED
from labkit.panels.positions import FIRST, NetworkPosition, stages, test_images
from labkit.panels.spec import PanelSpec, told_by
from labkit.panels.worker import Cancelled, never
from labkit.plots.plane import Point
from labkit.train import child

TEACHERS = ("lenet5", "mlp")
WIDTHS = (10, 30, 100, 300)
TEMPERATURES = (1, 2, 4, 8, 20)
ALPHAS = (0.25, 0.5, 0.75, 0.9, 1.0)
IMAGES = (0, 100, 500, 2000, 5000)


@dataclass(frozen=True, eq=False)
class Position(NetworkPosition):
    """One setting, as far as it is computed; `network` is the teacher.

    students: "alone" and "distilled" -> Network, empty until both are trained.
    accuracies: "teacher" and the students. deflated: name -> bytes after zlib. latency:
    name -> Latency. What is not measured yet is missing or None.
    """

    course: Course
    students: Mapping[str, Network] = field(default_factory=dict)
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)
    deflated: dict[str, int] | None = None
    latency: dict[str, Latency] | None = None

    @property
    def points(self) -> tuple[Point, ...]:
        """What is on the plane: the teacher and, once measured, both students."""
        base = self.accuracies["teacher"]
        found = [self.point("float", "teacher", base, len(self.network))]
        for student, network in self.students.items():
            if student in self.accuracies:
                name = report.name(self.settings, student)
                figures = self.accuracies[student], len(network)
                found.append(self.point(student, name, *figures))
        return tuple(found)


def compute(settings: Settings, cancelled: Cancelled = never) -> Iterator[Position]:
    """Better and better measurements of one setting; the last has every figure.

    Of the settings: network is the teacher. width: of the student's two hidden layers.
    temperature, alpha: as in `labkit.distill.loss`. images: training images; 0 trains
    nothing. seed: of both trainings. Raises child.TrainingError where the training
    fails.
    """
    name = settings["network"]
    teacher, split = zoo.load(name), zoo.dataset(name).test
    course = Course(report.STEPS if settings["images"] else 0)
    position = Position(settings, teacher, len(split), course)
    first = (FIRST,) if settings["images"] else stages(teacher)
    for news in _measured(position, split, first, cancelled):
        position = replace(position, **news)
        yield position
    if settings["images"]:
        for news in _training(position, cancelled):
            position = replace(position, **news)
            yield position
        for news in _measured(position, split, stages(teacher), cancelled):
            position = replace(position, **news)
            yield position
    if not cancelled():
        yield replace(position, **_slow_figures(position))


def _networks(position: Position) -> dict[str, Network]:
    return {"teacher": position.network, **position.students}


def _measured(position: Position, split, ends, cancelled) -> Iterator[dict]:
    """The accuracies of all networks that are there, on the same growing prefix."""
    networks = _networks(position)
    for found in measuring.together(networks, split, ends, cancelled):
        yield {"accuracies": found}


def _training(position: Position, cancelled: Cancelled) -> Iterator[dict]:
    """The course of both trainings, and both students at their end."""
    course = position.course
    how = tuple(position.settings.values())[:-1]
    mlp, seed = zoo.load("mlp"), position.settings["seed"]
    key = _training, position.network.digest, mlp.digest, *how, seed
    known = CACHE.peek(key)
    if known is not None:
        yield known
        return
    for now in child.distillation(*how, course.steps, seed, cancelled, child.SECONDS):
        if now.packed is not None:
            found = students.read_students(now.packed, mlp)
            news = {"course": course, "students": found}
            CACHE.put(key, news)
            yield news
            return
        course = replace(course, steps=now.steps)
        course = course.after(now.student, now.step, now.loss)
        yield {"course": course}


def _slow_figures(position: Position) -> dict:
    """Deflated bytes and latency, which come last."""
    networks = _networks(position)
    files = {name: network.to_bytes() for name, network in networks.items()}
    return measuring.slow_figures(files, networks)


SPEC = PanelSpec(
    title="distillation",
    controls=(
        Control("network", "Teacher", TEACHERS, advanced=True),
        Control(
            "width",
            "Student",
            WIDTHS,
            default=30,
            texts={width: f"{width} units" for width in WIDTHS},
        ),
        Control("temperature", "Temperature", TEMPERATURES, default=4),
        Control("alpha", "Weight of the teacher, alpha", ALPHAS, default=0.9),
        Control(
            "images",
            "Train on",
            IMAGES,
            texts={n: f"{n:,} images" if n else "nothing" for n in IMAGES},
        ),
        Control("seed", "Seed of both trainings", range(10), advanced=True),
    ),
    terms=("teacher", "student", "soft targets", "temperature", "alpha", *MEASURED),
    compute=compute,
    draw=plot.draw,
    points=lambda position: position.points,
    **told_by(report),
    prepare=test_images,
    cancel={"images": 0},
)

distillation_panel = constructor(SPEC)
