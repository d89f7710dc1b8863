"""`python -m labkit distill`: train a network by another one, and put it in place."""

from dataclasses import asdict

from labkit import zoo
from labkit.common.files import json_bytes, write_all
from labkit.measure.correctness import Accuracy, accuracy
from labkit.model.network import Network
from labkit.train import convert, distilling
from labkit.train.commands.training import publish_file
from labkit.zoo import datasets
from labkit.zoo.networks import RUNS

RESULTS = datasets.DATA_FOLDER / "results" / "distilled"
TOLD = "teacher", "teacher_sha256", "temperature", "alpha"  # also in the run's log


def main(
    name: str,
    teacher: str,
    seed: int = 0,
    alone: bool = False,
    epochs: int | None = None,
) -> dict:
    """Train `name` on the soft targets of `teacher`, or alone, and return its record.

    epochs: another number than the recipe's, which is then part of TITLE. Writes
    data/results/distilled/TITLE-seedN.json, which names the test images that the
    student gets wrong, so that students are compared on the same images; seed 0 of a
    distilled student also writes its file into data/models/distilled. Checkpoints are
    under runs/.
    """
    title = f"{name}-alone" if alone else f"{name}-from-{teacher}"
    title += f"-{epochs}-epochs" if epochs else ""
    alpha = 0.0 if alone else distilling.ALPHA
    folder = RUNS / f"{title}-seed{seed}"
    model, log = distilling.run(name, teacher, alpha, folder, seed, epochs)
    content = convert.to_tflite(model)
    record = _record(log, epochs, Network.from_bytes(content))
    result = {RESULTS / f"{title}-seed{seed}.json": json_bytes(record)}
    if seed == 0 and not alone:
        file = zoo.DISTILLED.folder / f"{title}.tflite"
        publish_file(file, content, record, beside=result)
    else:
        write_all(result)
    return record


def _record(log: dict, epochs: int | None, network: Network) -> dict:
    name, teacher = log["name"], log["teacher"]
    recipe = distilling.student_recipe(name, epochs)
    dataset = datasets.load_images(recipe.dataset, full=True)
    test = accuracy(network, dataset.test)
    options = "" if log["alpha"] else " --alone"
    options += f" --epochs {epochs}" if epochs else ""
    return {
        "name": name,
        "dataset": dataset.name,
        "command": f"python -m labkit distill {name} --teacher {teacher} "
        f"--seed {log['seed']}{options}",
        **{key: log[key] for key in ("seed", *TOLD)},
        "epochs": len(log["epochs"]),
        "seconds": round(sum(row["seconds"] for row in log["epochs"])),
        "training_images": len(dataset.train),
        "validation_accuracy": accuracy(network, dataset.validation).value,
        "test_accuracy": test.value,
        "wrong": _wrong(test),
        "parameters": network.parameters,
        "macs": network.macs,
        "size_bytes": len(network),
        "sha256": network.digest,
        "recipe": asdict(recipe),
        "history": log["epochs"],
    }


def _wrong(found: Accuracy) -> list[int]:
    """Which test images are classified wrong, by their number in the data set."""
    return sorted(found.index[~found.correct].tolist())
