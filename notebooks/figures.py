"""Every figure that the lessons print or draw, recorded, so that two runs compare.

    python notebooks/figures.py record FILE [NN ...]    run lessons, write their figures
    python notebooks/figures.py compare BEFORE AGAIN AFTER

A record holds, for each code cell, the numbers of its text outputs and the arrays
behind its pictures: points of lines, corners of bars, pixels of images, numbers in
texts. BEFORE and AGAIN are two runs of the same tree: what differs between them
(latencies, trainings that stop by the clock) depends on the run and is left out. Any
other difference between BEFORE and AFTER is printed, and the command ends with 1.
"""

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path

import build
import numpy as np
from nbformat.v4 import new_code_cell

NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
DIGITS = 6
MOST = 3  # sentences about one row of numbers
LONGEST = 64  # numbers of an array that are kept one by one; a longer one by its hash
START = (
    f"import sys; sys.path.insert(0, {str(build.FOLDER)!r}); "
    "import figures as _figures; _recorder = _figures.Recorder()"
)
COLLECT = "print(_recorder.collect())"
MARK = "figures of this cell: "


class Recorder:
    """Keeps the last state of each Matplotlib figure that is drawn within a cell."""

    def __init__(self):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self._drawn: dict[int, dict] = {}
        draw = FigureCanvasAgg.draw

        def recorded(canvas, *arguments, **options):
            result = draw(canvas, *arguments, **options)
            self._drawn[id(canvas.figure)] = arrays_of(canvas.figure)
            return result

        FigureCanvasAgg.draw = recorded

    def collect(self) -> str:
        """What was drawn since the last call, as one line of text."""
        drawn, self._drawn = list(self._drawn.values()), {}
        return MARK + json.dumps(drawn)


def arrays_of(figure) -> dict[str, list]:
    """Name of an artist, by its place in the figure -> its numbers, rounded."""
    found = {}
    for a, axes in enumerate(figure.axes):
        for k, line in enumerate(axes.lines):
            found[f"axes {a} line {k}"] = _kept(line.get_xydata())
        for k, collection in enumerate(axes.collections):
            name = f"axes {a} collection {k}"
            found[name] = _kept(collection.get_offsets())
            if collection.get_array() is not None:
                found[f"{name} values"] = _kept(collection.get_array())
            paths = [path.vertices for path in collection.get_paths()]
            found[f"{name} paths"] = _kept(np.concatenate(paths) if paths else [])
        for k, patch in enumerate(axes.patches):
            vertices = patch.get_patch_transform().transform(patch.get_path().vertices)
            found[f"axes {a} patch {k}"] = _kept(vertices)
        for k, image in enumerate(axes.images):
            found[f"axes {a} image {k}"] = _kept(image.get_array())
        texts = [text.get_text() for text in axes.texts]
        texts += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
        found[f"axes {a} texts"] = numbers(" ".join(texts))
        limits = [*axes.get_xlim(), *axes.get_ylim()]
        found[f"axes {a} limits"] = _kept(limits)
    return found


def _kept(values) -> list:
    """Numbers to six significant digits; of a long array its shape and a hash."""
    array = np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)
    rounded = np.array([float(f"{v:.{DIGITS - 1}e}") for v in array.ravel()])
    if array.size <= LONGEST:
        return [None if np.isnan(v) else v for v in rounded.tolist()]
    digest = hashlib.sha256(rounded.tobytes()).hexdigest()[:16]
    return [*array.shape, digest]


def numbers(text: str) -> list[float]:
    """The numbers in a text, in its order.

    >>> numbers("fc1: 97.86 %, 1,068,408 bytes, −0.5 points of int8")
    [97.86, 1068408.0, -0.5]
    """
    found = NUMBER.findall(text)
    return [float(n.replace(",", "").replace("−", "-")) for n in found]


def record(source: Path) -> dict[str, dict]:
    """Run a lesson; "cell N" -> {"printed": numbers, "picture K: artist": numbers}."""
    notebook = build.read_source(source)
    cells = [new_code_cell(START)]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cells += [cell, new_code_cell(COLLECT)]
    notebook["cells"] = cells
    build.execute(notebook, source.name)
    pairs = zip(cells[1::2], cells[2::2], strict=True)
    return {f"cell {n}": _said(*pair) for n, pair in enumerate(pairs, 1)}


def _said(cell, collected) -> dict[str, list]:
    texts = [_text(output) for output in cell.outputs]
    said = {"printed": numbers(" ".join(texts))}
    lines = "".join(output.get("text", "") for output in collected.outputs)
    drawn = json.loads(lines.partition(MARK)[2].splitlines()[0])
    for k, picture in enumerate(drawn):
        said |= {f"picture {k}: {name}": kept for name, kept in picture.items()}
    return said


def _text(output) -> str:
    """The text of an output; of a table without its marks."""
    data = output.get("data", {})
    shown = data.get("text/html") or data.get("text/plain") or ""
    if "image/png" in data or "application/vnd.jupyter.widget-view+json" in data:
        shown = ""
    return output.get("text", "") + re.sub(r"<[^>]*>|0x[0-9a-f]+", " ", shown)


def differences(before: dict, again: dict, after: dict) -> list[str]:
    """A sentence for each figure of `after` that both runs before have otherwise."""
    found = []
    for lesson, cells in before.items():
        if cells.keys() != after.get(lesson, {}).keys():
            found.append(f"{lesson}: {len(cells)} code cells, then not the same")
            continue
        for cell, said in cells.items():
            pair = again[lesson][cell], after[lesson][cell]
            found += [f"{lesson}, {cell}, {text}" for text in _changes(said, *pair)]
    return found


def _changes(said: dict, again: dict, now: dict) -> list[str]:
    """What differs in one cell; a row that differs in length between two equal runs
    hangs on the run as a whole."""
    found = []
    for name in sorted(said.keys() | now.keys()):
        if (name in said) != (name in again):
            continue
        if name not in said or name not in now:
            found.append(f"{name}: {'gone' if name in said else 'new'}")
        elif len(said[name]) == len(again[name]):
            found += _changed_numbers(name, said[name], again[name], now[name])
    return found


def _changed_numbers(name: str, old: list, twin: list, new: list) -> list[str]:
    if len(old) != len(new):
        return [f"{name}: {len(old)} numbers, now {len(new)}"]
    rows = zip(old, twin, new, strict=True)
    changed = [f"{name}: {a}, now {c}" for a, b, c in rows if a == b and a != c]
    return changed[:MOST]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("file", type=Path)
    recording.add_argument("names", nargs="*", help="beginnings of names; default: all")
    comparing = commands.add_parser("compare")
    comparing.add_argument("files", type=Path, nargs=3)
    chosen = parser.parse_args(arguments)
    if chosen.command == "record":
        wanted = tuple(chosen.names) or ""
        sources = [s for s in build.sources() if s.name.startswith(wanted)]
        records = {}
        for source in sources:
            records[source.stem] = record(source)
            build.write_text(chosen.file, json.dumps(records, indent=1))
        return 0
    found = differences(*(json.loads(file.read_text("utf-8")) for file in chosen.files))
    print("\n".join(found) or "no figure differs")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
