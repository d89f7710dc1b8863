"""Freed blocks go back to the system, where the C library is glibc."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import numpy as np
import psutil
from labkit.memory import return_large_blocks

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
