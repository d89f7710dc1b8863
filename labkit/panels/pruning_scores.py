"""Scores of a network of the zoo for every criterion.

Inputs are observed on calibration images, once for a network; gradients are committed
(`zoo.gradients`), so none is computed here.
"""

import numpy as np

from labkit import zoo
from labkit.cache import cached
from labkit.data import Split
from labkit.layer_inputs import input_norms
from labkit.network import Network
from labkit.prune import scores

CRITERIA = ("magnitude", "random", "activation_aware", "taylor", "fisher")
IMAGES = 100  # calibration images that inputs are observed on


def criterion_scores(name: str, criterion: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Layer -> scores of the network `name`, in the shape of the layer's kernel.

    criterion: one of CRITERIA. seed: of the random criterion alone.
    """
    network = zoo.load(name)
    kernels = network.kernels
    if criterion == "magnitude":
        return {layer: scores.magnitude(w) for layer, w in kernels.items()}
    if criterion == "random":
        rng = np.random.default_rng(seed)
        return {layer: scores.random(w, rng) for layer, w in kernels.items()}
    score, beside = {
        "activation_aware": (
            scores.activation_aware,
            lambda: _norms(network, zoo.dataset(name).calibration.take(IMAGES)),
        ),
        "taylor": (scores.taylor, lambda: zoo.gradients(name).mean),
        "fisher": (scores.fisher, lambda: zoo.gradients(name).squared),
    }[criterion]
    found = beside()
    return {layer: score(w, found[layer]) for layer, w in kernels.items()}


@cached
def _norms(network: Network, images: Split) -> dict[str, np.ndarray]:
    return input_norms(network, images.images)
