"""`python -m labkit prune`, `… filters`, `… gradients`: compute, and put in place."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from labkit import data, zoo
from labkit.files import write_bytes, write_text
from labkit.measure import accuracy
from labkit.network import Network, NetworkError
from labkit.train import convert, filters, pruning
from labkit.train.command import RUNS
from labkit.train.gradients import gradients


def prune(name: str, sparsity: float, seed: int = 0) -> dict:
    """Prune `name` to a sparsity like 0.92 while it trains, and return its record.

    Writes pruned.tflite and .json beside the checkpoints, in runs/NAME-SPARSITY-seedN.
    """
    folder = RUNS / f"{name}-{sparsity:g}-seed{seed}"
    model, log = pruning.run(name, sparsity, folder, seed)
    recipe = pruning.recipe_for(name, sparsity)
    network = Network.from_bytes(convert.to_tflite(model))
    kept = {
        layer: int(np.count_nonzero(kernel))
        for layer, kernel in network.kernels.items()
    }
    facts = {"sparsity": sparsity, "kept": kept, "recipe": asdict(recipe)}
    command = f"prune {name} {sparsity:g}"
    return _published(
        folder / "pruned", network, log, command, recipe.training.dataset, facts
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
    facts = {
        "saving": saving,
        "macs": network.macs,
        "widths": log["widths"],
        "recipe": asdict(recipe),
    }
    command = f"filters {name} {saving:g}"
    path = zoo.PRUNED_FOLDER / title
    return _published(path, network, log, command, recipe.dataset, facts)


def keep_gradients(name: str) -> None:
    """Compute the gradients of `name` on its calibration images, unless they are there.

    Writes data/models/gradients/NAME.npz.
    """
    try:
        zoo.gradients(name)
    except NetworkError:
        found = gradients(name, zoo.load(name), zoo.dataset(name).calibration)
        write_bytes(zoo.GRADIENTS_FOLDER / f"{name}.npz", found.to_bytes())


def _published(
    path: Path, network: Network, log: dict, command: str, dataset: str, facts: dict
) -> dict:
    """Write the network and its record side by side; return the record."""
    images = data.load(dataset, full=True)
    record = {
        "name": log["name"],
        "dataset": dataset,
        "command": f"python -m labkit {command} --seed {log['seed']}",
        "seed": log["seed"],
        "epochs": len(log["epochs"]),
        "seconds": round(sum(row["seconds"] for row in log["epochs"])),
        "training_images": len(images.train),
        "validation_accuracy": accuracy(network, images.validation).value,
        "test_accuracy": accuracy(network, images.test).value,
        "parameters": network.parameters,
        "size_bytes": len(network),
        "sha256": network.digest,
        "starts_from": zoo.record(log["name"])["sha256"],
        **facts,
        "history": log["epochs"],
    }
    network.save(path.with_name(f"{path.name}.tflite"))
    text = json.dumps(record, indent=1) + "\n"
    write_text(path.with_name(f"{path.name}.json"), text)
    return record
