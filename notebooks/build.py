"""Build notebooks/NN_name.ipynb from notebooks/src/NN_name.py, executed, one way only.

    python notebooks/build.py            build every notebook
    python notebooks/build.py 00 01      build those whose name begins so
    python notebooks/build.py --check    compare cells with their sources, run nothing

The source is what people edit. A built notebook has cell ids that depend on the cells'
text alone, outputs from one run of a fresh kernel, and nothing about the machine that
built it: no timings, versions, widget state or folders. It is written whole or not at
all.
"""

import argparse
import base64
import hashlib
import io
import json
import sys
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from labkit.common.files import write_text

FOLDER = Path(__file__).resolve().parent
SOURCES = FOLDER / "src"
MAX_BYTES = 400_000
CELL_SECONDS = 600  # a safety net, no measure of speed
METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"
# What LiteRT says when its first model of a process is opened.
NOTICE = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."


class BuildError(Exception):
    """A notebook that must not be published; the text says why and how to mend it."""


def sources() -> list[Path]:
    """The sources in the order of the lessons."""
    return sorted(SOURCES.glob("[0-9][0-9]*_*.py"))


def target(source: Path) -> Path:
    """Where the notebook of a source lies."""
    return FOLDER / f"{source.stem}.ipynb"


def read_source(source: Path) -> nbformat.NotebookNode:
    """The notebook that a source describes: no outputs, ids made from the cells."""
    parsed = jupytext.read(source, fmt="py:percent")
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    seen: Counter = Counter()
    for cell in parsed.cells:
        make = (
            nbformat.v4.new_code_cell
            if cell.cell_type == "code"
            else nbformat.v4.new_markdown_cell
        )
        tags = list(cell.metadata.get("tags", []))
        made = make(cell.source, metadata={"tags": tags} if tags else {})
        made["id"] = _cell_id(cell, seen)
        notebook.cells.append(made)
    return notebook


def _cell_id(cell: nbformat.NotebookNode, seen: Counter) -> str:
    """A cell's id: the hash of its text, and its number where cells are equal."""
    text = f"{cell.cell_type}\n{cell.source}"
    seen[text] += 1
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return digest if seen[text] == 1 else f"{digest}-{seen[text]}"


def cells_of(notebook: nbformat.NotebookNode) -> list[tuple]:
    """What a source and its notebook must agree on: id, kind, tags and text."""
    return [
        (cell["id"], cell.cell_type, tuple(cell.metadata.get("tags", ())), cell.source)
        for cell in notebook.cells
    ]


def difference(source: Path) -> str | None:
    """One sentence on how a notebook differs from its source; None if it does not."""
    path = target(source)
    if not path.exists():
        return f"{path.name} is missing: run `make notebooks`"
    wanted = cells_of(read_source(source))
    found = cells_of(nbformat.read(path, as_version=4))
    if wanted == found:
        return None
    if len(wanted) != len(found):
        text = f"{len(found)} cells, its source {len(wanted)}"
    else:
        pairs = zip(wanted, found, strict=True)
        place = next(k for k, (a, b) in enumerate(pairs) if a != b)
        text = f"another cell {place} than its source"
    return f"{path.name} has {text}: edit the source, then run `make notebooks`"


def execute(notebook: nbformat.NotebookNode, name: str) -> None:
    """Run every cell in a fresh kernel, with the notebooks' folder as its folder."""
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(FOLDER)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise BuildError(f"{name}: a cell failed\n{error}") from error


def clean(notebook: nbformat.NotebookNode) -> None:
    """Take out what only the run knew, and write the pictures as small as they go."""
    notebook["metadata"] = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell["metadata"] = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell["outputs"] = [o for o in cell.outputs if not _is_transient(o)]
        for output in cell.get("outputs", []):
            _shrink_picture(output.get("data", {}))


def _is_transient(output: nbformat.NotebookNode) -> bool:
    """A widget, which no saved page can show, or LiteRT's first notice."""
    notice = output.get("name") == "stderr" and output.text.strip() == NOTICE
    return notice or WIDGET in output.get("data", {})


def _shrink_picture(data: dict) -> None:
    """Write a PNG again with 256 colours: half the bytes, and no name of a program."""
    if "image/png" not in data:
        return
    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as picture:
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small = io.BytesIO()
    few.save(small, "PNG", optimize=True)
    data["image/png"] = base64.b64encode(small.getvalue()).decode()


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    """Why an executed notebook must not be published; empty when it may."""
    found = []
    size = len(nbformat.writes(notebook).encode())
    if size > MAX_BYTES:
        found.append(
            f"{size:,} bytes, over {MAX_BYTES:,}: draw smaller pictures, print less"
        )
    if "widgets" in notebook.metadata:
        found.append(
            "metadata.widgets is set: widget state does not belong in the file"
        )
    for place, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            found += [f"cell {place}: {text}" for text in _output_problems(output)]
    return found


def _output_problems(output: nbformat.NotebookNode) -> list[str]:
    found = []
    if output.output_type == "error":
        found.append(f"ends in {output.ename}: {output.evalue}")
    if output.get("name") == "stderr":
        found.append(
            f"writes to stderr, mend what it says: {output.text.strip()[:200]}"
        )
    for folder in sorted({str(FOLDER.parent), str(Path.home()), "/tmp/"} - {"/"}):
        if folder in _text(output):
            found.append(f"names the folder {folder} of this machine: print no paths")
    return found


def _text(output: nbformat.NotebookNode) -> str:
    """Everything in an output that is read as text."""
    data = output.get("data", {})
    texts = [data[kind] for kind in data if not kind.startswith("image/")]
    return json.dumps([output.get("text", ""), output.get("traceback", ""), texts])


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook, whole or not at all."""
    nbformat.validate(notebook)
    write_text(path, nbformat.writes(notebook) + "\n")


def build(source: Path) -> Path:
    """Build one notebook; BuildError, and nothing written, if it may not go out."""
    notebook = read_source(source)
    execute(notebook, source.name)
    clean(notebook)
    found = problems(notebook)
    if found:
        raise BuildError("\n".join([f"{source.name}:", *found]))
    write(notebook, target(source))
    return target(source)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="beginnings of names; default: all")
    parser.add_argument("--check", action="store_true", help="only compare cells")
    chosen = parser.parse_args(arguments)
    wanted = [s for s in sources() if s.name.startswith(tuple(chosen.names) or "")]
    if not wanted:
        parser.error(f"no source in {SOURCES.name}/ begins with {chosen.names}")
    if chosen.check:
        found = [text for text in map(difference, wanted) if text]
        print("\n".join(found), file=sys.stderr)
        return 1 if found else 0
    for source in wanted:
        try:
            path = build(source)
        except BuildError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{path.name}: {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
