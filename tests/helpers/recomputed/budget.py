"""The budget panel's figures, recomputed."""

from labkit import measure, zoo
from labkit.compress.budget import bits, sensitivity
from labkit.panels.budget.panel import RULE


def direct(settings):
    """The figures of a setting without the panel."""
    network = zoo.load(settings["network"])
    data = zoo.dataset(settings["network"])
    found = sensitivity.committed_sensitivity(network, RULE)
    how = {k: settings[k] for k in ("method", "granularity", "free")}
    offered = bits.bit_options(network, found, **how)
    made = bits.mixed_precision(
        network, offered, len(network) * settings["budget"] / 100
    )
    loss = sensitivity.score(made.compressed.network, data.validation).loss
    return {
        "float": (measure.accuracy(network, data.test).value, len(network)),
        "packed": (
            measure.accuracy(made.compressed.network, data.test).value,
            made.compressed.size_bytes,
        ),
        "bits": made.bits,
        "predicted": made.predicted_loss,
        "loss": loss - found.base.loss,
    }


def figures(settings):
    """Kind -> (accuracy, bytes)."""
    wanted = direct(settings)
    return {kind: wanted[kind] for kind in ("float", "packed")}
