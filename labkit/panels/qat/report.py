"""What the panel of training with rounding says: readout, ledger, files, code."""

from labkit import measure
from labkit.compress.post_training import CALIBRATION_IMAGES, kept_layers
from labkit.measure import ledger
from labkit.panels.controls import Settings
from labkit.panels.qat.plot import title
from labkit.panels.words import (
    THIS_MACHINE,
    change,
    filled,
    measured,
    of_asked,
    progress,
)
from labkit.train import child

GRAPH = (
    "Activations are rounded by FAKE_QUANT operators, which the float32 file does not "
    "have: they show the accuracy, and take time of their own."
)


def name(settings: Settings, kind: str = "trained") -> str:
    """A position in words; kind: of the point, "packed" for the rounded network.

    >>> now = {"weights": 4, "activations": 8, "steps": 50, "seed": 0}
    >>> name(now, "packed"), name(now)
    ('W4A8 rounded', 'W4A8, 50 steps')
    """
    start = f"W{settings['weights']}A{settings['activations']}"
    if kind != "trained":
        return f"{start} rounded"
    seed = f", seed {settings['seed']}" if settings["seed"] else ""
    return f"{start}, {settings['steps']} steps{seed}"


def lines(position) -> list[str]:
    """The readout: rounded against float32, and trained against rounded."""
    size, full = position.rounded.size_bytes, len(position.network)
    first, last = kept_layers(position.network)
    against_float = measure.compare(position.base_accuracy, position.accuracy)
    return [
        f"{position.settings['network']}, {name(position.settings, 'packed')}, "
        f"{first} and {last} in 8 bits: {measured(position.accuracy)}, "
        f"packed in {size:,} bytes, {full / size:.2f}× smaller",
        f"float32: {measured(position.base_accuracy)}; rounded, on the same images: "
        f"{change(against_float)}",
        _trained_line(position),
    ]


def _trained_line(position) -> str:
    if not position.course.steps:
        return "not trained: choose steps"
    if position.trained_accuracy is None:
        return title(position.course)
    against_rounded = measure.compare(position.accuracy, position.trained_accuracy)
    taken = position.settings | {"steps": position.course.steps}
    return (
        f"{name(taken)}{of_asked(position.course.steps, position.settings['steps'])}: "
        f"{measured(position.trained_accuracy)}, "
        f"{position.trained.size_bytes:,} bytes; against rounded alone: "
        f"{change(against_rounded)}"
    )


def state(position) -> str:
    """How far the panel is."""
    course, total = position.course, position.total
    if course.steps and position.trained is None:
        if not course.losses:
            return "starting Keras in a process of its own…"
        if course.done == course.steps:
            return "trained; folding batch normalization, writing the file…"
        return f"training, step {course.done} of {course.steps}; Cancel ends it"
    shown = min(point.n for point in position.points)
    return progress(shown, total, position.latency is not None)


def rows(position) -> tuple[list, list[str]]:
    """The ledger: float32, rounded and trained, and why columns disagree."""
    found = {
        "float32": ledger.network_row(position.network),
        "rounded": ledger.compressed_row(
            position.rounded, f"{position.setting}, rounded"
        ),
    }
    if position.trained is not None:
        found["trained"] = ledger.compressed_row(
            position.trained, f"{position.setting}, trained"
        )
    table = filled(found, position)
    notes = [GRAPH, *ledger.explain(table)]
    if position.course.steps:
        notes.append(THIS_MACHINE)
    if position.course.steps and position.trained is None:
        table.append((f"{position.setting}, trained", "…"))
    return table, notes


def files(position) -> dict[str, bytes]:
    """The packed file of the rounded network, and of the trained one."""
    now = position.settings
    start = f"{now['network']}-{position.setting}"
    found = {f"{start}-rounded.packed": position.rounded.packed}
    if position.trained is not None:
        steps = position.course.steps
        trained = f"{start}-{steps}steps-seed{now['seed']}.packed"
        found[trained] = position.trained.packed
    return found


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    setting = f"W{settings['weights']}A{settings['activations']}"
    text = f"""\
from labkit import measure, zoo
from labkit.compress import Setting, round_network

network, data = zoo.load({settings["network"]!r}), zoo.dataset({settings["network"]!r})
images = data.calibration.images[:{CALIBRATION_IMAGES}]
rounded = round_network(network, images, Setting.named({setting!r}))
accuracy = measure.accuracy(rounded.network, data.test)
print(f"rounded: {{accuracy.value:.2%}}, {{rounded.size_bytes:,}} bytes")
"""
    if not settings["steps"]:
        return text
    return (
        text
        + f"""
from labkit import train
from labkit.packed import unpack

packed = train.train_quantized(
    {settings["network"]!r}, {setting!r}, steps={settings["steps"]}, \
seed={settings["seed"]},
    progress=print, seconds={child.SECONDS:g},
)
accuracy = measure.accuracy(unpack(packed), data.test)
print(f"trained: {{accuracy.value:.2%}}, {{len(packed):,}} bytes")
"""
    )
