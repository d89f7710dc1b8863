"""Reading files that may be missing, damaged or of another kind: one sentence each."""

import io
import json
import os
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from labkit.common.file_errors import FileError

_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a whole number",
    float: "a number",
}


class _Object(dict):
    """An object of a JSON file; a key that it lacks is told with the file's name."""

    def __missing__(self, key):
        raise FileError(self.complaint(f"it has no {key!r} where one is needed"))


def read_file(path: Path, remedy: str) -> bytes:
    """The bytes of a file. Raises FileError with path and remedy."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FileError(f"{path} is missing: {remedy}") from error
    except OSError as error:
        cause = error.strerror
        raise FileError(f"{path} cannot be read ({cause}): {remedy}") from error


def read_json(path: str | os.PathLike, shape, remedy: str):
    """The content of a JSON file, whose parts are of the kinds that `shape` names.

    shape: a type, where float takes whole numbers too and object anything; [shape] for
    a list of such; {key: shape, …} for an object with at least these keys; {str: shape}
    for one whose values are all such. remedy: what to do about a file that is missing
    or damaged, as "run …". Raises FileError with path and remedy, also when a key is
    looked up later that an object has not.
    """
    path = Path(path)

    def complaint(why: str) -> str:
        return f"{path} is damaged ({why}): {remedy}"

    def made(pairs: dict) -> _Object:
        found = _Object(pairs)
        found.complaint = complaint
        return found

    try:
        content = json.loads(read_file(path, remedy), object_hook=made)
    except (ValueError, RecursionError) as error:
        raise FileError(complaint(f"no JSON: {error}")) from error
    wrong = misfit(content, shape)
    if wrong:
        raise FileError(complaint(wrong))
    return content


def misfit(content, shape, place: str = "it") -> str:
    """What of a JSON content is not of the shape, see `read_json`; "" where it fits.

    >>> misfit({"rows": [{"n": 1}, {"n": "2"}]}, {"rows": [{"n": int}]})
    "rows[1].n is '2', not a whole number"
    >>> misfit([], {"rows": list})
    'it is [], not an object'
    """
    kind = shape if isinstance(shape, type) else type(shape)
    kinds = (int, float) if kind is float else kind
    if kind is object:
        return ""
    if not isinstance(content, kinds) or isinstance(content, bool):
        text = repr(content)
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        return f"{place} is {shown}, not {_NAMES[kind]}"
    if isinstance(shape, dict):
        inner = dict.fromkeys(content, shape[str]) if str in shape else shape
        if missing := [key for key in inner if key not in content]:
            return f"{place} has no {missing[0]!r}"
        start = "" if place == "it" else f"{place}."
        parts = [(content[key], inner[key], f"{start}{key}") for key in inner]
    elif isinstance(shape, list):
        parts = [(item, shape[0], f"{place}[{k}]") for k, item in enumerate(content)]
    else:
        parts = []
    return next(filter(None, (misfit(*part) for part in parts)), "")


def read_arrays(path: str | os.PathLike, remedy: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name. Raises FileError with path and remedy."""
    path = Path(path)
    content = read_file(path, remedy)
    try:
        return _arrays(io.BytesIO(content))
    except Exception as error:  # zip, zlib and numpy have a dozen kinds of them
        raise FileError(
            f"{path} cannot be read as an .npz file of arrays ({error}): {remedy}"
        ) from error


def _arrays(file) -> dict[str, np.ndarray]:
    found = np.load(file, allow_pickle=False)
    if not isinstance(found, NpzFile):
        raise ValueError("it holds one array without a name")
    with found:
        return {name: found[name] for name in found.files}
