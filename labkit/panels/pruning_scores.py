"""Scores of a network of the zoo for every criterion, kept under what they are made of.

A slider asks for the scores of one network again and again. Inputs are observed on
calibration images; gradients are committed (`zoo.gradients`), so none is computed here.
"""

import numpy as np

from labkit import zoo
from labkit.layer_inputs import input_norms
from labkit.memo import Memo
from labkit.prune import scores

CRITERIA = ("magnitude", "random", "activation_aware", "taylor", "fisher")
IMAGES = 100  # calibration images that inputs are observed on
_SCORES, _NORMS = Memo(16), Memo(4)


def criterion_scores(name: str, criterion: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Layer -> scores of the network `name`, in the shape of the layer's kernel.

    criterion: one of CRITERIA. seed: of the random criterion alone.
    """
    network = zoo.load(name)
    key = (network.digest, criterion, seed if criterion == "random" else None)
    return _SCORES.get(key, lambda: _made(name, criterion, seed))


def _made(name: str, criterion: str, seed: int) -> dict[str, np.ndarray]:
    kernels = zoo.load(name).kernels
    if criterion == "magnitude":
        return {layer: scores.magnitude(w) for layer, w in kernels.items()}
    if criterion == "random":
        rng = np.random.default_rng(seed)
        return {layer: scores.random(w, rng) for layer, w in kernels.items()}
    score, beside = {
        "activation_aware": (scores.activation_aware, _norms),
        "taylor": (scores.taylor, lambda name: zoo.gradients(name).mean),
        "fisher": (scores.fisher, lambda name: zoo.gradients(name).squared),
    }[criterion]
    found = beside(name)
    return {layer: score(w, found[layer]) for layer, w in kernels.items()}


def _norms(name: str) -> dict[str, np.ndarray]:
    network, images = zoo.load(name), zoo.dataset(name).calibration.images[:IMAGES]
    return _NORMS.get(network.digest, lambda: input_norms(network, images))
