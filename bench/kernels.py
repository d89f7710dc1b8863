"""Fresh Jupyter kernels: what a reader's first cell costs, in seconds and megabytes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from subprocess import DEVNULL

from jupyter_client.manager import start_new_kernel

LAB = """
from IPython.display import display
from labkit.panels import quantization_panel
panel = quantization_panel("mlp")
display(panel)
"""
USUAL = """
from IPython.display import Image, display
from ipywidgets import fixed, interact
from bench.usual import usual_position
position = usual_position("mlp")
def show(bits, images):
    display(Image(position(bits, images)))
interact(show, bits=(2, 8), images=fixed(250))
show(4, 10_000)
"""
MEMORY = """
import sys
from pathlib import Path
import psutil
assert "tensorflow" not in sys.modules
resident = psutil.Process().memory_info().rss / 2**20
status = Path("/proc/self/status")  # Linux keeps the peak there
lines = status.read_text().splitlines() if status.exists() else []
peak = [int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM")]
print(f"{resident:.0f} MB resident, no TensorFlow; peak", *map(round, peak))
"""


def exploring(networks: Sequence[str]) -> str:
    """The first panel on mlp, then three settings of each of the other networks."""
    return (
        LAB
        + f"""
for name in {tuple(networks)!r}:
    for bits in (8, 4, 3):
        panel.set(network=name, bits=bits)
"""
    )


PATIENCE = 900  # seconds that a kernel's start or a cell may take


@dataclass(frozen=True)
class Run:
    """One cell in a fresh kernel, in seconds from starting the kernel's process.

    ready: the kernel answers. picture: the first picture has arrived. end: the cell has
    ended. printed: what it wrote.
    """

    ready: float
    picture: float
    end: float
    printed: str

    @property
    def wait(self) -> float:
        """From a ready kernel to the first picture."""
        return self.picture - self.ready


def run_in_kernel(code: str) -> Run:
    """Start a kernel, run a cell that shows a picture, end the kernel."""
    start = time.perf_counter()
    manager, client = start_new_kernel(PATIENCE, stderr=DEVNULL)
    try:
        ready = time.perf_counter() - start
        pictures, printed = [], []

        def keep(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                printed.append(content["text"])
            elif "image/png" in content.get("data", ()):
                pictures.append(time.perf_counter() - start)

        reply = client.execute_interactive(code, output_hook=keep, timeout=PATIENCE)
        end = time.perf_counter() - start
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"the cell failed: {reply['content']}")
        return Run(ready, pictures[0], end, "".join(printed).strip())
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
