"""The pruning panel's figures, recomputed without its caches."""

from functools import lru_cache

import numpy as np

from labkit import measure, zoo
from labkit.compress import pruned
from labkit.compress.criteria import IMAGES, SURGEON
from labkit.compress.layer_inputs import input_norms, layer_hessian
from labkit.compress.repair.batch_norm import reestimate_channels
from labkit.packed import compressed
from labkit.prune import brain_surgeon, masking, scores

# The criteria whose scores are computed here.
WRITTEN_AGAIN = "magnitude random activation_aware taylor fisher".split() + [SURGEON]


@lru_cache(maxsize=40)
def by_surgeon(name, layer):
    """A layer's H and scores, for one output after the other."""
    network, images = zoo.load(name), zoo.dataset(name).calibration.images[:IMAGES]
    h, w = layer_hessian(network, images, layer), network.kernels[layer]
    found = [brain_surgeon.obs_scores(row.reshape(1, -1), h) for row in w]
    return h, np.concatenate(found).reshape(w.shape)


def obs_update(settings, masks):
    """The network with the rest of every pruned layer made up by least squares."""
    network, changes = zoo.load(settings["network"]), {}
    for layer, kept in masks.items():
        h, _ = by_surgeon(settings["network"], layer)
        w = network.kernels[layer]
        rows, stay = w.reshape(len(w), -1), kept.reshape(len(w), -1)
        new = brain_surgeon.obs_update(rows, h, stay)
        changes[f"{layer}/kernel"] = new.reshape(w.shape).astype(np.float32)
    return network.with_weights(changes)


def direct_scores(settings):
    """The scores of a setting without the panel's caches."""
    chosen = settings["layers"] or zoo.load(settings["network"]).kernels
    if settings["criterion"] == SURGEON:
        return {k: by_surgeon(settings["network"], k)[1] for k in chosen}
    network, data = (f(settings["network"]) for f in (zoo.load, zoo.dataset))
    rng = np.random.default_rng(settings["seed"])
    gradients = zoo.gradients(settings["network"])
    norms = None
    if settings["criterion"] == "activation_aware":
        norms = input_norms(network, data.calibration.images[:IMAGES])
    make = {
        "magnitude": lambda layer, w: scores.magnitude(w),
        "random": lambda layer, w: scores.random(w, rng),
        "activation_aware": lambda layer, w: scores.activation_aware(w, norms[layer]),
        "taylor": lambda layer, w: scores.taylor(w, gradients.mean[layer]),
        "fisher": lambda layer, w: scores.fisher(w, gradients.squared[layer]),
    }[settings["criterion"]]
    return {layer: make(layer, w) for layer, w in network.kernels.items()}


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, bytes)."""
    network, data = (f(settings["network"]) for f in (zoo.load, zoo.dataset))
    chosen = settings["layers"]
    ranked = {
        layer: s
        for layer, s in direct_scores(settings).items()
        if chosen is None or layer in chosen
    }
    masks = masking.masks(ranked, settings["sparsity"], settings["scope"])
    masked = pruned.apply_masks(network, masks)
    if settings["criterion"] == SURGEON:
        masked = obs_update(settings, masks)
    if settings["channels"] == "re-estimated":
        images = data.calibration.images[:IMAGES]
        masked = reestimate_channels(network, masked, images)
    file = pruned.prune_network(masked, masks, settings["storage"])
    assert compressed.unpack(file.packed).digest == masked.digest
    accuracy = measure.accuracy(masked, data.test).value
    return {
        "float": (measure.accuracy(network, data.test).value, len(network)),
        "packed": (accuracy, len(file.packed)),
        "zeros": (accuracy, len(network)),
    }
