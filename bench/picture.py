"""The pictures of the panels in the README: `python -m bench.picture [PANEL ...]`.

Opens each panel in JupyterLab and Chromium, pins its first position, moves a slider by
keyboard, and writes what the panel then looks like. Without names, all panels. Their
latencies are this machine's: take them idle.
"""

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from bench.browser import Notebook, browser_page, chromium, jupyter_lab, write_notebook
from labkit.common.files import write_whole
from labkit.zoo.datasets import ROOT

CELL = """from labkit.panels import {panel}
{panel}({arguments})"""
PATIENCE_MS = 300_000
TALL = 1400  # pixels: more than any panel
FOLDER = ROOT / "notebooks" / "pictures"


@dataclass(frozen=True)
class Shot:
    """Where a panel starts, and the keys that go to one of its sliders."""

    arguments: str
    slider: int
    keys: tuple[str, ...]


SHOTS = {
    "quantization_panel": Shot('"resnet8", bits=8', 0, 4 * ("ArrowLeft",)),
    "clipping_panel": Shot('"mlp", bits=3, clip=44', 1, 4 * ("ArrowLeft",)),
    "activations_panel": Shot('"resnet8", images=100', 1, 4 * ("ArrowLeft",)),
    "budget_panel": Shot('"resnet8", budget=15', 0, 4 * ("ArrowLeft",)),
    "qat_panel": Shot('"resnet8", weights=2', 2, ("End",)),
    "pruning_panel": Shot('"mlp", sparsity=0.5', 1, 4 * ("ArrowRight",)),
    "rank_panel": Shot(
        '"mlp", parameter_ratio=0.9, by="energy"', 1, 4 * ("ArrowLeft",)
    ),
    "temperature_panel": Shot('"lenet5", digit=9', 0, 4 * ("ArrowRight",)),
    "distillation_panel": Shot('"lenet5", width=30, images=500', 0, ("ArrowRight",)),
    "units_panel": Shot('"resnet8", fraction=0.1', 0, 2 * ("ArrowRight",)),
}


def take(panel: str, shot: Shot) -> bytes:
    """A PNG of a panel after the keys, its first position pinned."""
    with TemporaryDirectory() as folder:
        cell = CELL.format(panel=panel, arguments=shot.arguments)
        write_notebook(Path(folder) / "panel.ipynb", [cell])
        with (
            jupyter_lab(Path(folder), False) as address,
            browser_page(height=TALL) as page,
        ):
            page.set_default_timeout(PATIENCE_MS)
            notebook = Notebook(page, address, "panel.ipynb")
            notebook.run_all()
            on_page = notebook.panel()
            on_page.wait_exact()
            on_page.push("Pin")
            for key in shot.keys:
                before = on_page.picture(), on_page.readout()
                on_page.press(key, shot.slider)
                on_page.wait_until_changed(*before)
                on_page.wait_exact()
            return on_page.screenshot()


def write_small(png: bytes, path: Path) -> Path:
    """Write a PNG with 256 colours: half of the bytes, since history keeps each."""
    with Image.open(io.BytesIO(png)) as picture:
        few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    return write_whole(path, lambda new: few.save(new, optimize=True))


def main(names: list[str]) -> None:
    if not chromium():
        sys.exit("pictures of panels need Chromium, and there is none: install it")
    unknown = set(names) - set(SHOTS)
    if unknown:
        sys.exit(f"there is no panel {sorted(unknown)}: choose {', '.join(SHOTS)}")
    for name in names or SHOTS:
        print(write_small(take(name, SHOTS[name]), FOLDER / f"{name}.png"), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
