"""Where results lie, and writing them whole or not at all."""

import json
import os
from pathlib import Path

from labkit import data

RESULTS = data.FOLDER / "results"


def write_text(path: Path, text: str) -> None:
    """Put the text in its place in one step; an interrupt leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(text)
    os.replace(temporary, path)


def write_json(path: Path, content: dict) -> None:
    """The same for JSON, indented: a changed figure is a changed line."""
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
