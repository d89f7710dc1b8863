"""`python -m labkit train NAME`: train a network of the zoo and put it in its place."""

import json
from pathlib import Path

from labkit import data, zoo
from labkit.network import Network
from labkit.train import convert, fit
from labkit.train.recipes import RECIPES

RUNS = data.ROOT / "runs"
SEEDS = data.FOLDER / "results" / "seeds"


def main(name: str, seed: int | None = None) -> dict:
    """Train `name` and return its record.

    The recipe's own seed writes the .keras, .tflite and .json under data/models; any
    other seed writes only its record, under data/results/seeds: the spread of a
    training. Checkpoints are under runs/; the same command goes on from there.
    """
    recipe = RECIPES[name]
    seed = recipe.seed if seed is None else seed
    model, log = fit.run(name, seed, RUNS / f"{name}-seed{seed}")
    content = convert.to_tflite(model)
    record = _record(name, model, log, Network.from_bytes(content))
    if seed == recipe.seed:
        publish(zoo.FOLDER, name, model, content, record)
    else:
        text = json.dumps(record, indent=1) + "\n"
        fit.write_whole(
            SEEDS / f"{name}-seed{seed}.json", lambda path: path.write_text(text)
        )
    return record


def publish(folder: Path, name: str, model, content: bytes, record: dict) -> None:
    """Write the three files of a network, each whole or not at all."""
    text = json.dumps(record, indent=1) + "\n"
    fit.write_whole(folder / f"{name}.keras", model.save)
    fit.write_whole(folder / f"{name}.tflite", lambda path: path.write_bytes(content))
    fit.write_whole(folder / f"{name}.json", lambda path: path.write_text(text))


def _record(name: str, model, log: dict, network: Network) -> dict:
    dataset = data.load(RECIPES[name].dataset, full=True)
    return {
        "name": name,
        "dataset": dataset.name,
        "command": f"python -m labkit train {name} --seed {log['seed']}",
        "seed": log["seed"],
        "epochs": len(log["epochs"]),
        "seconds": round(sum(row["seconds"] for row in log["epochs"])),
        "training_images": len(dataset.train),
        "validation_accuracy": fit.accuracy(model, dataset.validation),
        "test_accuracy": fit.accuracy(model, dataset.test),
        "parameters": network.parameters,
        "macs": network.macs,
        "size_bytes": len(network),
        "sha256": network.digest,
        "recipe": log["recipe"],
        "history": log["epochs"],
    }
