"""Where results lie, and how they are written."""

import json
from pathlib import Path

from labkit import data
from labkit.files import write_text

RESULTS = data.FOLDER / "results"


def read_json(path: Path) -> dict:
    """The content of a run's file."""
    return json.loads(path.read_text())


def write_json(path: Path, content: dict) -> None:
    """Write JSON, indented: a changed figure is a changed line."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, numbers and all.

    >>> print(markdown_table(["a", "b"], [["1", "2"]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
