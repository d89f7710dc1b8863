"""`python -m labkit`: lessons, networks, data. `python -m labkit train NAME`: train."""

import argparse
import sys
from argparse import ArgumentTypeError
from math import nan
from pathlib import Path

from labkit import zoo
from labkit.common.exits import in_one_sentence
from labkit.common.file_errors import FileError
from labkit.common.reading import read_json
from labkit.compress.post_training import Setting
from labkit.model.graph import NetworkError
from labkit.zoo import datasets

NOTEBOOKS = datasets.ROOT / "notebooks"
SOURCES = """\
mnist     60,000 training and 10,000 test images, all of them in data/.
          LeCun, Cortes, Burges; CC BY-SA 3.0.
cifar10   10,000 of the 50,000 training and all 10,000 test images in data/; the others
          come from the folder LABKIT_DATA, the cache, or the official archive.
          Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images.
"""


def heading(notebook: Path) -> str:
    """The first heading of a notebook, without its marks."""
    remedy = datasets.restore(notebook)
    for cell in read_json(notebook, {"cells": [{"cell_type": str}]}, remedy)["cells"]:
        for line in "".join(cell["source"]).splitlines():
            if cell["cell_type"] == "markdown" and line.startswith("#"):
                return line.lstrip("# ")
    raise ValueError(f"{notebook} has no heading: begin it with a cell '# Verb a noun'")


def lessons(folder: Path = NOTEBOOKS) -> list[str]:
    """A line a lesson, in order: the notebook's file and its heading."""
    return [
        f"{path.stem:<30}{heading(path)}" for path in sorted(folder.glob("*.ipynb"))
    ]


def networks() -> list[str]:
    """A line a network: data set, accuracy on the test images, bytes of its file."""
    return [f"{name:<10}{_facts(name)}" for name in zoo.NAMES]


def _facts(name: str) -> str:
    try:
        record = zoo.record(name)
    except NetworkError as error:
        return f"{error}, or train it: python -m labkit train {name}"
    accuracy, size_bytes = record["test_accuracy"], record["size_bytes"]
    return f"{record['dataset']:<10}{accuracy:8.2%}{size_bytes:>12,} bytes"


def overview() -> str:
    """What `python -m labkit` prints."""
    parts = {
        "Lessons, in notebooks/ (`make lab` opens the first)": lessons(),
        "Networks, in data/models/: accuracy on the test images, file size": networks(),
        "Data": SOURCES.splitlines(),
    }
    return "\n\n".join("\n  ".join([title, *lines]) for title, lines in parts.items())


def _fraction(text: str) -> float:
    """A sparsity as the command line has it: 0 or more, below 1."""
    try:
        fraction = float(text)
    except ValueError:
        fraction = nan
    if not 0 <= fraction < 1:
        raise ArgumentTypeError(f"{text!r} is no fraction from 0 to below 1, like 0.92")
    return fraction


def _millions(text: str) -> int:
    """Multiply-accumulates as the command line has them: 26M is 26,000,000."""
    try:
        found = round(float(text.removesuffix("M")) * 1e6) if text[-1:] == "M" else 0
    except ValueError:
        found = 0
    if found < 1:
        raise ArgumentTypeError(f"{text!r} is no number of MACs, like 26M")
    return found


def _seed(text: str) -> int:
    """A seed as the command line has it: a whole number, 0 or more."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no seed: give a whole number from 0 on")
    return int(text)


def _epochs(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"{text!r}: give a whole number of epochs, 1 or more")
    return int(text)


def _setting(text: str) -> Setting:
    try:
        return Setting.named(text)
    except ValueError as error:
        raise ArgumentTypeError(error) from error


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        "python -m labkit", description="Without a command: what the lab holds."
    )
    commands = parser.add_subparsers(dest="command")
    train = commands.add_parser(
        "train", help="train a network, or go on where it stopped"
    )
    train.add_argument("name", choices=zoo.NAMES)
    train.add_argument("--seed", type=_seed, help="default: the seed of its recipe")
    qat = commands.add_parser(
        "qat", help="train a network further with its weights and activations rounded"
    )
    qat.add_argument("name", choices=zoo.NAMES)
    qat.add_argument(
        "setting", type=_setting, help="bits of weights and activations: W4A8, W2A4 …"
    )
    qat.add_argument("--seed", type=_seed, default=0)
    prune = commands.add_parser(
        "prune", help="train a network further while its least weights are removed"
    )
    prune.add_argument("name", choices=zoo.NAMES)
    prune.add_argument("sparsity", type=_fraction, help="fraction to remove: 0.92 …")
    prune.add_argument("--seed", type=_seed, default=0)
    filters = commands.add_parser(
        "filters", help="remove filters of a ResNet's blocks and train the rest further"
    )
    filters.add_argument("name", choices=("resnet8", "resnet20"))
    filters.add_argument("saving", type=_fraction, help="of the MACs: 0.27 …")
    filters.add_argument("--seed", type=_seed, default=0)
    lowrank = commands.add_parser(
        "lowrank", help="take a ResNet's layers apart and train the factors further"
    )
    lowrank.add_argument("name", choices=("resnet8", "resnet20"))
    lowrank.add_argument("macs", type=_millions, help="at most: 26M, 22.7M …")
    lowrank.add_argument("--seed", type=_seed, default=0)
    gradients = commands.add_parser(
        "gradients", help="gradients by a network's weights, on calibration images"
    )
    gradients.add_argument("name", choices=zoo.NAMES)
    distill = commands.add_parser(
        "distill", help="train an untrained network on a trained one's soft targets"
    )
    distill.add_argument("name", choices=zoo.NAMES)
    distill.add_argument("--teacher", choices=zoo.NAMES, required=True)
    distill.add_argument("--seed", type=_seed, default=0)
    distill.add_argument(
        "--alone", action="store_true", help="the same training on labels alone"
    )
    distill.add_argument(
        "--epochs", type=_epochs, help="another number than the recipe's"
    )
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        print(overview())
        return
    if chosen.command == "distill":
        try:
            zoo.check_teacher(chosen.teacher, chosen.name)
        except ValueError as error:
            parser.error(str(error))
    with in_one_sentence(_interrupted(chosen, arguments), (FileError, NetworkError)):
        try:
            _run(chosen)
        except ModuleNotFoundError as error:
            parser.error(f"training needs {error.name}: pip install -e '.[train]'")


def _interrupted(chosen: argparse.Namespace, arguments: list[str] | None) -> str:
    """What is said after Ctrl-C."""
    line = " ".join(sys.argv[1:] if arguments is None else arguments)
    if chosen.command == "gradients":
        return f"stopped, and nothing is kept: `python -m labkit {line}` begins anew"
    return (
        f"stopped: `python -m labkit {line}` goes on after the last whole epoch, which "
        f"is kept in {zoo.RUNS}"
    )


def _run(chosen: argparse.Namespace) -> None:
    """Start what the command line asks for."""
    if chosen.command in ("train", "qat"):
        from labkit.train.commands import training

        if chosen.command == "train":
            training.main(chosen.name, chosen.seed)
        else:
            training.main_qat(chosen.name, chosen.setting, chosen.seed)
        return
    if chosen.command == "distill":
        from labkit.train.commands import distillation

        distillation.main(
            chosen.name, chosen.teacher, chosen.seed, chosen.alone, chosen.epochs
        )
        return
    if chosen.command == "lowrank":
        from labkit.train.commands import low_rank

        low_rank.main(chosen.name, chosen.macs, chosen.seed)
        return
    from labkit.train.commands import pruning

    if chosen.command == "prune":
        pruning.prune(chosen.name, chosen.sparsity, chosen.seed)
    elif chosen.command == "filters":
        pruning.remove_filters(chosen.name, chosen.saving, chosen.seed)
    else:
        pruning.keep_gradients(chosen.name)


if __name__ == "__main__":
    main()
