"""Fresh Jupyter kernels: what a reader's first cell costs, in seconds and megabytes."""

import time

from jupyter_client.manager import start_new_kernel

LAB = """
from IPython.display import display
from labkit.panels import quantization_panel
panel = quantization_panel("mlp")
display(panel)
"""
USUAL = """
from benchmarks.usual import usual_position
usual_position("mlp")(4, 10_000)
"""
EXPLORE = (
    LAB
    + """
for name in ("lenet5", "resnet8", "resnet20"):
    for bits in (8, 4, 3):
        panel.set(network=name, bits=bits)
"""
)
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


def run_in_kernel(code: str) -> tuple[float, str]:
    """Seconds from starting a kernel to the end of the cell, and what it printed."""
    start = time.perf_counter()
    manager, client = start_new_kernel()
    try:
        printed = []

        def keep(message):
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = client.execute_interactive(code, output_hook=keep, timeout=300)
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"the cell failed: {reply['content']}")
        return time.perf_counter() - start, "".join(printed).strip()
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
