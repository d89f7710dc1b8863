"""What the temperature panel says of a position: readout, ledger, file, code."""

from labkit.measure import ledger
from labkit.panels.controls import Settings
from labkit.panels.words import filled, measured
from labkit.plots.base import percent

ORDERED_AT = 4.0  # the temperature at which images are ranked by what is told


def lines(position) -> list[str]:
    """The readout: the answer, what it tells, and how often this teacher is right."""
    soft = position.soft
    p, beyond = soft.probabilities, soft.information_beyond_label()
    return [
        f"{position.settings['network']}, T = {soft.temperature:g}: label {soft.label} "
        f"has {percent(p[soft.label])}, the nearest wrong class {soft.nearest} has "
        f"{percent(p[soft.nearest])}",
        f"entropy {soft.entropy():.3f} nats (at T = 1: {soft.entropy(1):.3f}); told "
        f"beyond the label and a confidence: {beyond:.3f} nats",
        f"the teacher on {position.total:,} validation images: "
        f"{measured(position.accuracy)}",
    ]


def state(position) -> str:
    """What is shown, in one line."""
    soft = position.soft
    return f"exact: image {soft.number} of the training set, kept for validation"


def rows(position) -> tuple[list, list[str]]:
    """The ledger: the teacher's file; nothing is compressed here."""
    row = ledger.network_row(position.network, position.settings["network"])
    return filled({"float32": row}, position), []


def files(position) -> dict[str, bytes]:
    """The teacher's file."""
    return {f"{position.settings['network']}.tflite": position.network.to_bytes()}


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    name, t = settings["network"], settings["temperature"]
    return f"""\
import numpy as np
from labkit import distill, zoo

images = zoo.dataset({name!r}).validation
logits = zoo.load({name!r}).predict(images.images)
right = logits.argmax(axis=1) == images.labels
mine = np.flatnonzero(right & (images.labels == {settings["digit"]}))
told = distill.information_beyond_label(logits[mine], images.labels[mine], {ORDERED_AT})
one = mine[np.argsort(-told, kind="stable")[{settings["place"] - 1}]]
p = distill.softmax(logits[one], {t:g})
wrong = distill.nearest_wrong(logits[[one]], images.labels[[one]])[0]
print(f"image {{images.index[one]}}: nearest wrong class {{wrong}}, {{p[wrong]:.2%}}")
print(f"entropy {{distill.entropy(p):.3f}} nats")
"""
