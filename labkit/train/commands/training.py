"""`python -m labkit train` and `… qat`: train, and put in place."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from labkit import zoo
from labkit.common.files import json_bytes, write_all, write_json, write_whole
from labkit.measure.correctness import accuracy
from labkit.model.network import Network
from labkit.train import convert, fit, qat, quantized
from labkit.train.recipes import RECIPES, Recipe
from labkit.zoo import datasets
from labkit.zoo.networks import RUNS

SEEDS = datasets.DATA_FOLDER / "results" / "seeds"
NO_FILES: Mapping[Path, bytes] = MappingProxyType({})


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
        return publish(zoo.FOLDER, name, model, content, record)
    else:
        write_json(SEEDS / f"{name}-seed{seed}.json", record)
    return record


def publish(folder: Path, name: str, model, content: bytes, record: dict) -> dict:
    """Write the three files of a network, all or none; returns the record.

    What the record says of the files, their length and sha256, is added here.
    """
    with TemporaryDirectory() as place:
        keras = write_whole(Path(place) / f"{name}.keras", model.save).read_bytes()
    record = _of_file(record, content, keras_sha256=hashlib.sha256(keras).hexdigest())
    write_all(
        {
            folder / f"{name}.keras": keras,
            folder / f"{name}.tflite": content,
            folder / f"{name}.json": json_bytes(record),
        }
    )
    return record


def _of_file(record: dict, content: bytes, **said) -> dict:
    """The record with what it says of its file; what is long comes last."""
    last = {key: record[key] for key in ("recipe", "history")}
    first = {key: value for key, value in record.items() if key not in last}
    digest = {"sha256": hashlib.sha256(content).hexdigest()}
    return first | {"size_bytes": len(content)} | digest | said | last


def _record(name: str, model, log: dict, network: Network) -> dict:
    dataset = datasets.load_images(RECIPES[name].dataset, full=True)
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


def main_qat(name: str, setting: qat.Setting, seed: int = 0) -> dict:
    """Train `name` at a setting like W4A4 and return its record.

    Writes data/models/qat/NAME-SETTING.packed and .json; checkpoints are under runs/.
    """
    title = f"{name}-{setting}"
    model, log = qat.run(name, setting, RUNS / f"{title}-seed{seed}", seed)
    network, packed = quantized.as_file(name, model)
    record = _qat_record(name, setting, log, network)
    return publish_file(zoo.QAT.folder / f"{title}.packed", packed, record)


def publish_file(
    path: Path, content: bytes, record: dict, beside: Mapping[Path, bytes] = NO_FILES
) -> dict:
    """Write a compressed network's file, and its record beside it; returns the record.

    What the record says of the file, its length and sha256, is added here. beside:
    files to be written with these two, all or none.
    """
    record = _of_file(record, content)
    its = path.with_name(f"{path.name.rpartition('.')[0]}.json")
    write_all({**beside, path: content, its: json_bytes(record)})
    return record


def _qat_record(name, setting, log: dict, network: Network) -> dict:
    """What the zoo says of a network trained with quantization."""
    first, *_, last = network.kernels
    return {
        **compressed_record(network, log, qat.RECIPES[name]),
        "setting": str(setting),
        "kept_at_8_bits": [first, last],
        "command": f"python -m labkit qat {name} {setting} --seed {log['seed']}",
        "recipe": asdict(qat.RECIPES[name]),
        "history": log["epochs"],
    }


def compressed_record(network: Network, log: dict, recipe: Recipe) -> dict:
    """What the records of all compressed networks say; the accuracies are LiteRT's."""
    dataset = datasets.load_images(recipe.dataset, full=True)
    return {
        "name": log["name"],
        "dataset": dataset.name,
        "seed": log["seed"],
        "epochs": len(log["epochs"]),
        "seconds": round(sum(row["seconds"] for row in log["epochs"])),
        "training_images": len(dataset.train),
        "validation_accuracy": accuracy(network, dataset.validation).value,
        "test_accuracy": accuracy(network, dataset.test).value,
        "starts_from": zoo.record(log["name"])["sha256"],
    }
