"""How much memory whole lessons take: `python -m bench.memory [SPEC …]`.

Runs notebooks from their first cell to the last, each in a new kernel, and looks ten
times a second at the kernel and at its children: live trainings are children. A page
that several processes share counts in parts (PSS), so that the numbers add up. Linux
alone says so much. SPEC: the beginning of a notebook's name, as 03b; all without one.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import nbformat
import psutil
from nbclient import NotebookClient

from experiments.files import markdown_table
from labkit.zoo.datasets import ROOT

FOLDER = ROOT / "notebooks"
EVERY_SECONDS = 0.1
MEGABYTE = 1e6


@dataclass
class Peak:
    """The most that was seen, in bytes: of the kernel, of one child, of all at once."""

    kernel: int = 0
    child: int = 0
    together: int = 0

    def see(self, kernel: int, children: list[int]) -> None:
        """Take a look into account.

        >>> peak = Peak()
        >>> peak.see(5, [1, 3])
        >>> peak.see(6, [])
        >>> peak
        Peak(kernel=6, child=3, together=9)
        """
        self.kernel = max(self.kernel, kernel)
        self.child = max(self.child, *children, 0)
        self.together = max(self.together, kernel + sum(children))


def chosen(begin: str) -> Path:
    """The one notebook whose name begins so; ValueError where it is not one."""
    found = sorted(FOLDER.glob(f"{begin}_*.ipynb"))
    if len(found) != 1:
        known = ", ".join(path.stem.partition("_")[0] for path in lessons())
        raise ValueError(f"{begin!r} names no lesson: give some of {known}")
    return found[0]


def lessons() -> list[Path]:
    """All notebooks, in order."""
    return sorted(FOLDER.glob("*.ipynb"))


def pss(process: psutil.Process) -> int:
    """Its share of memory in bytes, 0 once it has ended."""
    try:
        return process.memory_full_info().pss
    except psutil.Error:
        return 0


@contextmanager
def watched(pid: int, peak: Peak) -> Iterator[None]:
    """Look at a process and its children while what is inside runs."""
    process, ended = psutil.Process(pid), Event()

    def watch() -> None:
        while not ended.wait(EVERY_SECONDS):
            try:
                children = process.children(recursive=True)
            except psutil.NoSuchProcess:
                return
            peak.see(pss(process), [pss(child) for child in children])

    thread = Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def measured(path: Path) -> Peak:
    """Run a notebook, nothing of it kept; raises what its cells raise."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(FOLDER)}}
    client = NotebookClient(notebook, timeout=None, resources=resources)
    peak = Peak()
    with client.setup_kernel(), watched(client.km.provisioner.pid, peak):
        for position, cell in enumerate(notebook.cells):
            client.execute_cell(cell, position)
    return peak


def main() -> None:
    rows = []
    for path in [chosen(begin) for begin in sys.argv[1:]] or lessons():
        peak = measured(path)
        sizes = (peak.kernel, peak.child, peak.together)
        rows.append([path.stem, *(f"{size / MEGABYTE:,.0f}" for size in sizes)])
        print(*rows[-1], file=sys.stderr, flush=True)
    print(markdown_table(["lesson", "kernel MB", "largest child", "together"], rows))


if __name__ == "__main__":
    main()
