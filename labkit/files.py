"""Writing files whole or not at all.

A reader of `path`, and a second writer of it, sees the old file or a whole new one.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory


def write_whole(path: str | os.PathLike, save: Callable[[Path], object]) -> Path:
    """Have `save` write a file elsewhere, put it at `path` in one step, return `path`.

    save is called with a path of the same name in a new folder beside it: some writers
    choose the format by the name's ending. Missing folders are made. If save raises, or
    writes no file, the error goes on and what stood at `path` still does.

    >>> with TemporaryDirectory() as folder:
    ...     path = write_whole(f"{folder}/new/a", lambda new: new.write_text("1"))
    ...     path.read_text()
    '1'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside it, since a file is moved in one step only within its file system.
    with TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        save(temporary)
        os.replace(temporary, path)
    return path


def write_bytes(path: str | os.PathLike, content: bytes) -> Path:
    """Put these bytes at `path`, whole or not at all."""
    return write_whole(path, lambda temporary: temporary.write_bytes(content))


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Put this text at `path` as UTF-8, whole or not at all."""
    return write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, content: dict) -> Path:
    """Put this at `path` as JSON, indented: a changed figure is a changed line."""
    return write_text(path, json.dumps(content, indent=1) + "\n")
