"""Freed blocks go back to the system; what lessons take is seen, children too."""

import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from bench import memory

SCRIPT = """
import sys
import numpy as np
import psutil
from labkit.common import return_large_blocks

def resident():
    return psutil.Process().memory_info().rss / 2**20

if sys.argv[1] == "returned":
    assert return_large_blocks()
del (first := [np.ones(30 * 2**20, np.uint8)])[0]  # from here on glibc would keep them
before = resident()
blocks = [np.ones(20 * 2**20, np.uint8) for _ in range(4)]
last = np.ones(20 * 2**20, np.uint8)  # above the others, so that no end can be cut off
del blocks
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries keep no blocks")
def test_large_blocks_are_returned():
    def kept(how):
        command = [sys.executable, "-c", SCRIPT, how]
        return float(subprocess.check_output(command, text=True))

    assert kept("returned") < 40 < kept("as usual")


LESSON = """
import subprocess, sys
block = b"x" * 60_000_000
code = "import time; block = b'x' * 100_000_000; print(len(block)); time.sleep(1)"
subprocess.run([sys.executable, "-c", code], check=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says so much")
def test_a_lesson_s_kernel_and_its_child_are_seen(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(memory, "FOLDER", tmp_path)
    cells = [new_code_cell(LESSON)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "09_x.ipynb")
    monkeypatch.setattr(sys, "argv", ["memory", "09"])
    memory.main()
    row = capsys.readouterr().out.splitlines()[-1]
    kernel, child, together = (int(cell) for cell in row.strip("| ").split(" | ")[1:])
    assert kernel > 60 and 100 < child < 300
    assert kernel + child + 1 >= together > kernel  # rounded, each


def test_a_lesson_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="'9' names no lesson: give some of 00, 01, "):
        memory.chosen("9")
