"""The distillation panel's figures, recomputed, and its made-up students."""

import numpy as np

from labkit import measure, zoo
from labkit.model.resize import resize_dense


def student_arrays(width, seed):
    rng, found = np.random.default_rng(seed), {}
    widths = (784, width, width, 10)
    for k in (1, 2, 3):
        found[f"fc{k}/kernel"] = rng.normal(0, 0.2, (widths[k], widths[k - 1]))
        found[f"fc{k}/bias"] = np.zeros(widths[k])
    return found


def direct(settings):
    """The figures of a setting without the panel."""
    data = zoo.dataset(settings["network"])
    networks = {"float": zoo.load(settings["network"])}
    if settings["images"]:
        for k, student in enumerate(("alone", "distilled")):
            arrays = student_arrays(settings["width"], [settings["seed"], k])
            networks[student] = resize_dense(zoo.load("mlp"), arrays)
    return {
        kind: (measure.accuracy(network, data.test).value, len(network))
        for kind, network in networks.items()
    }
