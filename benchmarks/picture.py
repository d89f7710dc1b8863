"""The picture of the panel in the README, taken anew: `python -m benchmarks.picture`.

Opens the panel in JupyterLab and Chromium, pins 8 bits, goes to 4 bits by keyboard, and
writes what the panel then looks like. Its latencies are this machine's: take it idle.
"""

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from benchmarks.browser import (
    Notebook,
    browser_page,
    chromium,
    jupyter_lab,
    write_notebook,
)
from labkit.data import ROOT
from labkit.files import write_whole

CELL = """from labkit.panels import quantization_panel
quantization_panel("resnet8", bits=8)"""
PATIENCE_MS = 300_000
TARGET = ROOT / "notebooks" / "pictures" / "quantization_panel.png"


def take() -> bytes:
    """A PNG of the panel on resnet8 at 4 bits, with 8 bits pinned."""
    with TemporaryDirectory() as folder:
        write_notebook(Path(folder) / "panel.ipynb", [CELL])
        with jupyter_lab(Path(folder), False) as address, browser_page() as page:
            page.set_default_timeout(PATIENCE_MS)
            notebook = Notebook(page, address, "panel.ipynb")
            notebook.run_all()
            panel = notebook.panel()
            panel.wait_exact()
            panel.push("Pin")
            for bits in (7, 6, 5, 4):
                panel.press("ArrowLeft")
                panel.wait_for(f"resnet8, {bits} bits")
                panel.wait_exact()
            return panel.screenshot()


def write_small(png: bytes, path: Path) -> Path:
    """Write a PNG with 256 colours: half of the bytes, since history keeps each."""
    with Image.open(io.BytesIO(png)) as picture:
        few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    return write_whole(path, lambda new: few.save(new, optimize=True))


if __name__ == "__main__":
    if not chromium():
        sys.exit("a picture of the panel needs Chromium, and there is none: install it")
    write_small(take(), TARGET)
