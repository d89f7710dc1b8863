"""Where results lie, and how they are written."""

import time
from collections.abc import Sequence
from pathlib import Path

from labkit import zoo
from labkit.common import reading
from labkit.common.files import write_json
from labkit.measure.timing import machine
from labkit.zoo import datasets

RESULTS = datasets.DATA_FOLDER / "results"
NETWORKS = {"command": str, "networks": [dict]}
RUN = {"command": str, "rows": [dict]}


def read_json(path: Path, shape=RUN):
    """The content of a run's file; FileError says what to do about a damaged one."""
    return reading.read_json(path, shape, datasets.made_again(path))


def write_run(
    path: Path,
    command: str,
    began: float,
    rows: list[dict],
    names: Sequence[str] = zoo.NAMES,
    **said,
) -> None:
    """Write a run: its rows, the command that makes them again, and what they are of.

    began: what `time.perf_counter` said at its begin. names: the networks of the zoo
    that are measured. said: what else holds for all rows.
    """
    content = {
        "command": command,
        **said,
        "seconds": round(time.perf_counter() - began),
        "machine": machine(),
        "networks": {name: zoo.load(name).digest for name in names},
        "rows": rows,
    }
    write_json(path, content)


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, numbers and all.

    >>> print(markdown_table(["a", "b"], [["1", "2"]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
