"""`python -m labkit lowrank`: take a network apart, train the factors, put in place."""

from dataclasses import asdict

from labkit import zoo
from labkit.model.network import Network
from labkit.train import convert, low_rank
from labkit.train.commands.training import compressed_record, publish_file
from labkit.zoo.networks import RUNS


def main(name: str, macs: int, seed: int = 0) -> dict:
    """Factorize `name` for at most so many MACs, train it further, return its record.

    Writes data/models/lowrank/NAME-MACS.tflite and .json; checkpoints are in runs/.
    """
    title = f"{name}-{macs / 1e6:g}M"
    model, log = low_rank.run(name, macs, RUNS / f"{title}-seed{seed}", seed)
    recipe = low_rank.RECIPES[name]
    network = Network.from_bytes(convert.to_tflite(model))
    record = {
        **compressed_record(network, log, recipe),
        "command": f"python -m labkit lowrank {name} {macs / 1e6:g}M --seed {seed}",
        "method": low_rank.METHOD,
        "budget": macs,
        "macs": network.macs,
        "parameters": network.parameters,
        "ranks": log["ranks"],
        "recipe": asdict(recipe),
        "history": log["epochs"],
    }
    path = zoo.LOWRANK.folder / f"{title}.tflite"
    return publish_file(path, network.to_bytes(), record)
