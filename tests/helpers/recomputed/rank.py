"""The rank panel's figures, recomputed."""

from labkit import measure, zoo
from labkit.compress import factorized
from labkit.compress.budget import low_rank
from labkit.compress.budget.ranks import plan_ranks
from labkit.compress.responses import observe


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, bytes)."""
    name, method = settings["network"], settings["method"]
    base, data = zoo.load(name), zoo.dataset(name)
    observed = None
    if method in factorized.DATA_AWARE:
        images = data.calibration.images[: settings["images"]]
        observed = observe(base, images, method)
    losses = None
    if settings["by"] == "loss":
        losses = low_rank.losses_of(
            name, method, settings["unit"], settings["images"] if observed else 0
        ).layers
    ranks = plan_ranks(
        base,
        method,
        settings["parameter_ratio"],
        settings["by"],
        layers=settings["layers"],
        unit=settings["unit"],
        observed=observed,
        loss=losses,
    )
    low = factorized.factorize_network(base, ranks, method, observed)
    kind = "larger" if len(low) > len(base) else "deployable"
    return {
        "float": (measure.accuracy(base, data.test).value, len(base)),
        kind: (measure.accuracy(low, data.test).value, len(low)),
    }
