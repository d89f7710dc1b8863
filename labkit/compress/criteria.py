"""Scores of a network of the zoo for every criterion.

Inputs are observed on calibration images, once for a network; gradients are committed
(`zoo.gradients`), so none is computed here. The surgeon's scores take long: they are
made and kept a few outputs at a time.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from labkit import zoo
from labkit.common.cache import cached
from labkit.common.split import Split
from labkit.compress.layer_inputs import HESSIAN_KINDS, input_norms, layer_hessian
from labkit.model.network import Network
from labkit.prune import scores
from labkit.prune.brain_surgeon import surgeon

SURGEON = "surgeon"
CRITERIA = ("magnitude", "random", "activation_aware", "taylor", SURGEON, "fisher")
IMAGES = 100  # calibration images that inputs are observed on
OUTPUTS_AT_ONCE = 25  # of a layer by the surgeon: at most 3 s on one core of 2 GHz


def criteria(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The criteria for a network: the surgeon's where it knows all kinds of layers."""
    network = zoo.load(settings["network"])
    kinds = {network.layer(layer).kind for layer in network.kernels}
    known = kinds <= set(HESSIAN_KINDS)
    return tuple(name for name in CRITERIA if known or name != SURGEON)


def criterion_scores(
    name: str, criterion: str, seed: int = 0, layers: tuple[str, ...] | None = None
) -> dict[str, np.ndarray]:
    """Layer -> scores of the network `name`, in the shape of the layer's kernel.

    criterion: one of CRITERIA. seed: of the random criterion alone. layers: those
    asked for, None for all.
    """
    network = zoo.load(name)
    chosen = tuple(network.kernels if layers is None else layers)
    if criterion == SURGEON:
        images = observed_images(name)
        return {layer: _surgeon_scores(network, layer, images) for layer in chosen}
    found = _made(name, criterion, seed)
    return {layer: found[layer] for layer in chosen}


def surgeon_steps(name: str, layers: tuple[str, ...] | None = None) -> Iterator[None]:
    """Make the surgeon's scores of layers, a few outputs a step, and keep them."""
    network, images = zoo.load(name), observed_images(name)
    for layer in network.kernels if layers is None else layers:
        for start in range(0, len(network.kernels[layer]), OUTPUTS_AT_ONCE):
            _scores_of_some(network, layer, start, images)
            yield


@cached
def _surgeon_scores(network: Network, layer: str, images: Split) -> np.ndarray:
    w = network.kernels[layer]
    starts = range(0, len(w), OUTPUTS_AT_ONCE)
    found = [_scores_of_some(network, layer, start, images) for start in starts]
    return np.concatenate(found).reshape(w.shape)


@cached
def _scores_of_some(
    network: Network, layer: str, start: int, images: Split
) -> np.ndarray:
    """The scores of OUTPUTS_AT_ONCE outputs of a layer, (outputs, in)."""
    w = network.kernels[layer]
    rows = w.reshape(len(w), -1)[start : start + OUTPUTS_AT_ONCE]
    return surgeon(rows, hessian_of(network, layer, images))


@cached
def hessian_of(network: Network, layer: str, images: Split) -> np.ndarray:
    """`layer_hessian`, kept. images: as `observed_images` gives them."""
    return layer_hessian(network, images.images, layer)


def observed_images(name: str) -> Split:
    """The calibration images on which inputs of a network of the zoo are observed."""
    return zoo.dataset(name).calibration.take(IMAGES)


def _made(name: str, criterion: str, seed: int) -> dict[str, np.ndarray]:
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
            lambda: _norms(network, observed_images(name)),
        ),
        "taylor": (scores.taylor, lambda: zoo.gradients(name).mean),
        "fisher": (scores.fisher, lambda: zoo.gradients(name).squared),
    }[criterion]
    found = beside()
    return {layer: score(w, found[layer]) for layer, w in kernels.items()}


@cached
def _norms(network: Network, images: Split) -> dict[str, np.ndarray]:
    return input_norms(network, images.images)
