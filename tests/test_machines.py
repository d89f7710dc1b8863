"""The same comparisons hold on a processor with other instructions."""

import os
import subprocess
import sys
import time

import machines
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers

from labkit.zoo.datasets import ROOT


def test_the_arithmetic_s_doctests_hold_without_the_widest_instructions():
    """Other instructions round other last digits: a doctest must not print them."""
    done = machines.run(
        "avx512-off",
        [
            *machines.doctests(),
            "--deselect",
            "labkit/zoo/datasets.py::labkit.zoo.datasets.load_images",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(done.stdout.splitlines()[-1].split(" passed")[0]) > 150


@pytest.mark.parametrize("name", ["avx512-off", "avx2-off"])
def test_a_setting_takes_instructions_away(name):
    """NumPy under the setting has none of those that the setting names."""
    code = (
        "from numpy._core._multiarray_umath import __cpu_features__ as found\n"
        "print(*(name for name, there in found.items() if there))"
    )
    environment = os.environ | machines.SETTINGS[name]
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    gone = machines.SETTINGS[name]["NPY_DISABLE_CPU_FEATURES"].split()
    assert done.returncode == 0, done.stderr
    assert not set(gone) & set(done.stdout.split())


def test_the_files_of_arithmetic_are_found():
    found = machines.arithmetic()
    wanted = ("quantize/test_symmetric", "lowrank/test_lowrank", "distill/test_losses")
    wanted += ("integer/test_integer", "checks/test_exercises", "measure/test_truth")
    assert {f"tests/{name}.py" for name in wanted} <= set(found)
    assert (
        "tests/train/test_qat.py" not in found and "tests/test_machines.py" not in found
    )
    assert all((ROOT / name).exists() for name in found)


def test_a_setting_that_is_none_is_refused():
    done = subprocess.run(
        [sys.executable, machines.__file__, "abacus"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "no setting 'abacus': choose from avx512-off, avx2-off" in done.stderr


def test_a_property_may_take_longer_than_hypothesis_allows():
    """Examples slower than its 200 ms fail no test, as on a slow or busy machine."""
    seen = []

    @settings(max_examples=2, database=None)
    @given(integers())
    def slow(number):
        seen.append(number)
        time.sleep(0.25)

    slow()
    assert len(seen) == 2
