"""The temperature panel's figures, recomputed."""

import numpy as np

from labkit import distill, measure, zoo
from labkit.distill import dark_knowledge


def direct(settings):
    """The teacher's accuracy on validation images and its bytes."""
    network = zoo.load(settings["network"])
    split = zoo.dataset(settings["network"]).validation
    return {"float": (measure.accuracy(network, split).value, len(network))}


def words(result):
    """What the readout says of the image, by one prediction of its own."""
    soft, now = result.soft, result.settings
    split = zoo.dataset(now["network"]).validation
    row = int(np.flatnonzero(split.index == soft.number)[0])
    assert split.labels[row] == soft.label == now["digit"]
    answer = zoo.load(now["network"]).predict(split.images[[row]])
    p = distill.softmax(answer[0], now["temperature"])
    np.testing.assert_allclose(soft.probabilities, p, rtol=1e-3, atol=1e-6)
    wrong = dark_knowledge.nearest_wrong(answer, split.labels[[row]])[0]
    assert soft.nearest == wrong
    return [
        f"the nearest wrong class {wrong} has",
        f"{100 * soft.probabilities[wrong]:.2f} %",
        f"entropy {soft.entropy():.3f} nats",
    ]
