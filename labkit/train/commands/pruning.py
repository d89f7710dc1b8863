"""`python -m labkit prune`, `… filters`, `… gradients`: compute, and put in place."""

from dataclasses import asdict

import numpy as np

from labkit import zoo
from labkit.common.files import write_bytes
from labkit.compress.pruned import pack_zeros
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.train import convert, filters, gradual_pruning
from labkit.train.commands.training import compressed_record, publish_file
from labkit.train.recipes import Recipe
from labkit.train.weight_gradients import gradients
from labkit.zoo.networks import RUNS


def prune(name: str, sparsity: float, seed: int = 0) -> dict:
    """Prune `name` to a sparsity like 0.92 while it trains, and return its record.

    Writes data/models/pruned/NAME-SPARSITY.packed and .json; checkpoints are in runs/.
    """
    title = f"{name}-{sparsity:g}"
    model, log = gradual_pruning.run(name, sparsity, RUNS / f"{title}-seed{seed}", seed)
    recipe = gradual_pruning.recipe_for(name, sparsity)
    compressed = pack_zeros(Network.from_bytes(convert.to_tflite(model)))
    kernels = compressed.network.kernels
    record = {
        **_record(compressed.network, log, recipe.training),
        "command": f"python -m labkit prune {name} {sparsity:g} --seed {seed}",
        "sparsity": sparsity,
        "kept": {layer: int(np.count_nonzero(w)) for layer, w in kernels.items()},
        "recipe": asdict(recipe),
    }
    return publish_file(
        zoo.PRUNED.folder / f"{title}.packed", compressed.packed, record
    )


def remove_filters(name: str, saving: float, seed: int = 0) -> dict:
    """Remove filters of `name` that cost a fraction of its MACs, and train the rest.

    Writes data/models/pruned/NAME-macs-SAVING.tflite and .json; checkpoints are in
    runs/. Returns the record.
    """
    title = f"{name}-macs-{saving:g}"
    model, log = filters.run(name, saving, RUNS / f"{title}-seed{seed}", seed)
    recipe = filters.RECIPES[name]
    network = Network.from_bytes(convert.to_tflite(model))
    record = {
        **_record(network, log, recipe),
        "command": f"python -m labkit filters {name} {saving:g} --seed {seed}",
        "saving": saving,
        "macs": network.macs,
        "widths": log["widths"],
        "recipe": asdict(recipe),
    }
    return publish_file(
        zoo.PRUNED.folder / f"{title}.tflite", network.to_bytes(), record
    )


def keep_gradients(name: str) -> None:
    """Compute the gradients of `name` on its calibration images, unless they are there.

    Writes data/models/gradients/NAME.npz.
    """
    try:
        zoo.gradients(name)
    except NetworkError:
        found = gradients(name, zoo.load(name), zoo.dataset(name).calibration)
        write_bytes(zoo.GRADIENTS_FOLDER / f"{name}.npz", found.to_bytes())


def _record(network: Network, log: dict, recipe: Recipe) -> dict:
    return {
        **compressed_record(network, log, recipe),
        "parameters": network.parameters,
        "history": log["epochs"],
    }
