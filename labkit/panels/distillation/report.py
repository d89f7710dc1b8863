"""What the distillation panel says of a position: readout, ledger, files, code."""

from labkit.measure import ledger
from labkit.measure.correctness import compare
from labkit.panels.controls import Settings
from labkit.panels.distillation.plot import title
from labkit.panels.words import (
    THIS_MACHINE,
    change,
    filled,
    measured,
    of_asked,
    progress,
)
from labkit.train import child

# Of each student, at most: a machine takes as many as fit into live.SECONDS.
STEPS = 500


def name(settings: Settings, student: str) -> str:
    """A student in words.

    >>> now = {"width": 30, "temperature": 4, "alpha": 0.9, "images": 500, "seed": 0}
    >>> name(now, "alone"), name(now, "distilled")
    ('30 units, 500 images, alone', '30 units, 500 images, T = 4, alpha = 0.9')
    """
    seed = f", seed {settings['seed']}" if settings["seed"] else ""
    start = f"{settings['width']} units, {settings['images']:,} images{seed}"
    if student == "alone":
        return f"{start}, alone"
    return f"{start}, T = {settings['temperature']:g}, alpha = {settings['alpha']:g}"


def lines(position) -> list[str]:
    """The readout: the teacher, the student alone, and distilled against alone."""
    found, now = position.accuracies, position.settings
    text = [
        f"teacher {now['network']}: {measured(found['teacher'])}, "
        f"{len(position.network):,} bytes"
    ]
    if "alone" not in found:
        return [*text, "not trained: choose images" if not now["images"] else ""]
    size = len(position.students["alone"])
    against = compare(found["alone"], found["distilled"])
    return [
        *text,
        f"{name(now, 'alone')}: {measured(found['alone'])}, {size:,} bytes, "
        f"{len(position.network) / size:.1f}× smaller",
        f"distilled{of_asked(position.course.steps, STEPS)}: "
        f"{measured(found['distilled'])}; against alone, same images: "
        f"{change(against)}",
    ]


def state(position) -> str:
    """How far the panel is."""
    course = position.course
    if course.steps and not position.students:
        if not course.done:
            return "starting TensorFlow in a process of its own…"
        return f"training, {title(course)}; Cancel ends it"
    shown = min(point.n for point in position.points)
    return progress(shown, position.total, position.latency is not None)


def rows(position) -> tuple[list, list[str]]:
    """The ledger: the teacher and the two students, and why columns disagree."""
    found = {
        "teacher": ledger.network_row(
            position.network, f"teacher {position.settings['network']}"
        )
    }
    for student, network in position.students.items():
        found[student] = ledger.network_row(network, f"student, {student}")
    table = filled(found, position)
    notes = ledger.explain(table)
    if position.course.steps:
        notes = [*notes, THIS_MACHINE]
    if position.course.steps and not position.students:
        table.append(("students", "…"))
    return table, notes


def files(position) -> dict[str, bytes]:
    """The files of both students, or of the teacher where there are none."""
    now = position.settings
    if not position.students:
        return {f"{now['network']}.tflite": position.network.to_bytes()}
    start = f"student{now['width']}-{now['images']}images-seed{now['seed']}"
    how = f"T{now['temperature']:g}-alpha{now['alpha']:g}-from-{now['network']}"
    ends = {"alone": "alone", "distilled": how}
    return {
        f"{start}-{ends[student]}.tflite": network.to_bytes()
        for student, network in position.students.items()
    }


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    teacher = settings["network"]
    text = f"""\
from labkit import measure, zoo

teacher, test = zoo.load({teacher!r}), zoo.dataset({teacher!r}).test
print(f"teacher: {{measure.accuracy(teacher, test).value:.2%}}")
"""
    if not settings["images"]:
        return text
    return (
        text
        + f"""
from labkit import compress, train

seen = train.distillation(
    {teacher!r}, width={settings["width"]}, temperature={settings["temperature"]}, \
alpha={settings["alpha"]},
    images={settings["images"]}, steps={STEPS}, seed={settings["seed"]},
    seconds={child.SECONDS:g},
)
trained = compress.read_students(train.result(seen, print), zoo.load("mlp"))
for name, network in trained.items():
    accuracy = measure.accuracy(network, test)
    print(f"{{name}}: {{accuracy.value:.2%}}, {{len(network):,}} bytes")
"""
    )
