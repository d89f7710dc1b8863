"""Runs of many trainings that go on where they stopped."""

from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from experiments.files import RUN, read_json
from labkit.common.exits import in_one_sentence
from labkit.common.file_errors import FileError
from labkit.common.files import write_json
from labkit.measure.timing import machine


def complete(
    path: Path,
    head: dict,
    wanted: list[dict],
    make: Callable[[dict, list[dict]], dict],
) -> dict:
    """Make the rows that a run's file has not yet, and write it after each of them.

    head: what the file says beside its rows, "settings" among it. wanted: what tells
    each row from the others, such as kind and seed, in the order they are made. make:
    one of these and the rows so far -> the rest of that row, "seconds" among it.
    Returns the content. Raises ValueError for a file that has other settings.
    """
    run = head | {"rows": []}
    if path.exists():
        run = read_json(path, RUN | {"settings": dict})
    if run["settings"] != head["settings"]:
        raise ValueError(
            f"{path.name} was made with other settings: delete it, or restore them"
        )
    run, rows = run | head, run["rows"]
    missing = [e for e in wanted if not any(e.items() <= r.items() for r in rows)]
    interrupted = f"stopped: the same command goes on with the rows that {path} lacks"
    with in_one_sentence(interrupted, (FileError,)):
        for entry in tqdm(missing):
            rows.append(entry | make(entry, rows))
            run |= {"seconds": round(sum(row["seconds"] for row in rows))}
            run |= {"machine": machine()}
            write_json(path, run)
    return run
