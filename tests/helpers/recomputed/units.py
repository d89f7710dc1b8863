"""The figures of the panel of removed units, recomputed."""

import numpy as np

from labkit import measure, zoo
from labkit.compress import units as structured
from labkit.compress.budget.units import IMAGES
from labkit.compress.repair.batch_norm import reestimate_channels
from labkit.panels.words import CHANNELS
from labkit.prune import units


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, bytes)."""
    base, data = zoo.load(settings["network"]), zoo.dataset(settings["network"])
    test, images = data.test, data.calibration.images[:IMAGES]
    small = base
    for layer in base.layers:
        blocks = settings["blocks"]
        if layer.kind == "ADD" and blocks is not None and layer.name not in blocks:
            small = small.remove_branch(layer.name)
    channel_groups = structured.channel_groups(small)
    ranked = structured.group_scores(channel_groups, scores_of(base, settings, images))
    if settings["layers"] is not None:
        ranked = {name: ranked[name] for name in settings["layers"]}
    if settings["scope"] == "global" and settings["criterion"] != "taylor":
        ranked = {name: s / np.sqrt((s**2).sum()) for name, s in ranked.items()}
    kept = units.choose(ranked, settings["fraction"], settings["scope"])
    gone = structured.removed_units(channel_groups, kept)
    small = structured.remove_units(small, kept)
    if settings["channels"] == CHANNELS[1]:
        channels = {
            name: np.delete(np.arange(len(base.kernels[name])), units_)
            for name, units_ in gone.items()
        }
        small = reestimate_channels(base, small, images, channels)
    return {
        "float": (measure.accuracy(base, test).value, len(base)),
        "deployable": (measure.accuracy(small, test).value, len(small)),
    }


def scores_of(base, settings, images):
    """Layer -> scores, without the panel's caches."""
    if settings["criterion"] == "norm":
        return {
            name: np.abs(w).reshape(len(w), -1).sum(axis=1, dtype=float)
            for name, w in base.kernels.items()
        }
    if settings["criterion"] == "activation":
        return structured.mean_activations(base, images)
    if settings["criterion"] == "taylor":
        return zoo.gradients(settings["network"]).units
    rng = np.random.default_rng(0)
    return {name: rng.random(len(w)) for name, w in base.kernels.items()}
