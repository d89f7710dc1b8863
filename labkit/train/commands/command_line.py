"""The command line of the installed lab: lessons, networks, data, and trainings."""

import argparse
from pathlib import Path

from labkit import zoo
from labkit.common import start
from labkit.common.exits import in_one_sentence
from labkit.common.file_errors import FileError
from labkit.common.reading import read_json
from labkit.model.graph import NetworkError
from labkit.train.commands.table import COMMANDS
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


def main(arguments: list[str]) -> None:
    """Print the overview, or do what `arguments`, as after `python -m labkit`, say."""
    parser = argparse.ArgumentParser(
        "python -m labkit", description="Without a command: what the lab holds."
    )
    commands = parser.add_subparsers(dest="command")
    for name, line in start.COMMANDS.items():  # `labkit.__main__` does these
        commands.add_parser(name, help=line)
    for command in COMMANDS:
        command.add_to(commands)
    given = parser.parse_args(arguments)
    if given.command is None:
        print(overview())
        return
    try:
        given.row.check(given)
    except ValueError as error:
        parser.error(str(error))
    end = _interrupted(" ".join(arguments), given.row.resumes)
    with in_one_sentence(end, (FileError, NetworkError)):
        try:
            given.row.run(given)
        except ModuleNotFoundError as error:
            parser.error(f"training needs {error.name}: pip install -e '.[train]'")


def _interrupted(line: str, resumes: bool) -> str:
    """The message after Ctrl-C, of a command line."""
    if not resumes:
        return f"stopped, and nothing is kept: `python -m labkit {line}` begins anew"
    return (
        f"stopped: `python -m labkit {line}` goes on after the last whole epoch, which "
        f"is kept in {zoo.RUNS}"
    )
