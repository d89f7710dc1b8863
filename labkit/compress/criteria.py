"""Scores of a network of the zoo for every criterion of `labkit.prune.CRITERIA`.

What a criterion needs is found here: inputs are observed on calibration images, once
for a network; gradients are committed (`zoo.gradients`), so none is computed. Scores by
a Hessian, such as the surgeon's, take long: they are made and kept a few outputs at a
time.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from labkit import zoo
from labkit.common.cache import cached
from labkit.common.registries import Row, chosen
from labkit.common.split import Split
from labkit.compress.layer_inputs import input_norms, layer_hessian
from labkit.model.network import Network
from labkit.prune import scores

SURGEON = "surgeon"
HESSIAN = "hessian"
IMAGES = 100  # calibration images that inputs are observed on
OUTPUTS_AT_ONCE = 25  # of a layer by the surgeon: at most 3 s on one core of 2 GHz


def criteria(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The criteria for a network: those that apply to all its kinds of layers."""
    network = zoo.load(settings["network"])
    kinds = {network.layer(layer).kind for layer in network.kernels}
    rows = scores.CRITERIA.values()
    return tuple(row.name for row in rows if row.applies_to(kinds))


def criterion_scores(
    name: str, criterion: str, seed: int = 0, layers: tuple[str, ...] | None = None
) -> dict[str, np.ndarray]:
    """Layer -> scores of the network `name`, in the shape of the layer's kernel.

    criterion: a name of `labkit.prune.CRITERIA`, else ValueError. seed: of what needs
    a random generator. layers: those asked for, None for all.
    """
    row, network = chosen("criterion", criterion, scores.CRITERIA), zoo.load(name)
    wanted = tuple(network.kernels if layers is None else layers)
    if row.needs == HESSIAN:
        images = observed_images(name)
        return {layer: _hessian_scores(network, row, layer, images) for layer in wanted}
    found = _made(network, row, name, seed)
    return {layer: found[layer] for layer in wanted}


def surgeon_steps(name: str, layers: tuple[str, ...] | None = None) -> Iterator[None]:
    """Make the surgeon's scores of layers, a few outputs a step, and keep them."""
    network, images = zoo.load(name), observed_images(name)
    row = scores.CRITERIA[SURGEON]
    for layer in network.kernels if layers is None else layers:
        for start in range(0, len(network.kernels[layer]), OUTPUTS_AT_ONCE):
            _scores_of_some(network, row, layer, start, images)
            yield


@cached
def _hessian_scores(
    network: Network, row: Row, layer: str, images: Split
) -> np.ndarray:
    w = network.kernels[layer]
    starts = range(0, len(w), OUTPUTS_AT_ONCE)
    found = [_scores_of_some(network, row, layer, start, images) for start in starts]
    return np.concatenate(found).reshape(w.shape)


@cached
def _scores_of_some(
    network: Network, row: Row, layer: str, start: int, images: Split
) -> np.ndarray:
    """The scores of OUTPUTS_AT_ONCE outputs of a layer, (outputs, in)."""
    w = network.kernels[layer]
    some = w.reshape(len(w), -1)[start : start + OUTPUTS_AT_ONCE]
    return row(some, hessian_of(network, layer, images))


@cached
def hessian_of(network: Network, layer: str, images: Split) -> np.ndarray:
    """`layer_hessian`, kept. images: as `observed_images` gives them."""
    return layer_hessian(network, images.images, layer)


def observed_images(name: str) -> Split:
    """The calibration images on which inputs of a network of the zoo are observed."""
    return zoo.dataset(name).calibration.take(IMAGES)


# What a criterion needs of a network of the zoo -> layer -> that.
_LOOKS: dict[str, Callable[[str], Mapping[str, np.ndarray]]] = {
    "input_norms": lambda name: _norms(zoo.load(name), observed_images(name)),
    "gradient": lambda name: zoo.gradients(name).mean,
    "squared_gradient": lambda name: zoo.gradients(name).squared,
}


def _made(network: Network, row: Row, name: str, seed: int) -> dict[str, np.ndarray]:
    kernels = network.kernels
    if not row.needs:
        return {layer: row(w) for layer, w in kernels.items()}
    if row.needs == "rng":
        rng = np.random.default_rng(seed)
        return {layer: row(w, rng) for layer, w in kernels.items()}
    found = _LOOKS[row.needs](name)
    return {layer: row(w, found[layer]) for layer, w in kernels.items()}


@cached
def _norms(network: Network, images: Split) -> dict[str, np.ndarray]:
    return input_norms(network, images.images)
