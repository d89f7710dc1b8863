"""`python -m labkit lowrank`: take a network apart, train the factors, put in place."""

import json
from dataclasses import asdict

from labkit import zoo
from labkit.files import write_bytes, write_text
from labkit.network import Network
from labkit.train import convert, lowrank
from labkit.train.command import RUNS, compressed_record


def main(name: str, macs: int, seed: int = 0) -> dict:
    """Factorize `name` for at most so many MACs, train it further, return its record.

    Writes data/models/lowrank/NAME-MACS.tflite and .json; checkpoints are in runs/.
    """
    title = f"{name}-{macs / 1e6:g}M"
    model, log = lowrank.run(name, macs, RUNS / f"{title}-seed{seed}", seed)
    recipe = lowrank.RECIPES[name]
    network = Network.from_bytes(convert.to_tflite(model))
    record = {
        **compressed_record(network, log, recipe),
        "command": f"python -m labkit lowrank {name} {macs / 1e6:g}M --seed {seed}",
        "method": lowrank.METHOD,
        "budget": macs,
        "macs": network.macs,
        "parameters": network.parameters,
        "ranks": log["ranks"],
        "recipe": asdict(recipe),
        "size_bytes": len(network),
        "sha256": network.digest,
        "history": log["epochs"],
    }
    write_bytes(zoo.LOWRANK_FOLDER / f"{title}.tflite", network.to_bytes())
    text = json.dumps(record, indent=1) + "\n"
    write_text(zoo.LOWRANK_FOLDER / f"{title}.json", text)
    return record
