"""The doctests and tests of arithmetic, as other machines compute: `make check`.

    python tests/helpers/machines.py                 every setting, one after the other
    python tests/helpers/machines.py avx512-off      one of them
    python tests/helpers/machines.py --list          their names

Another processor, another BLAS or another number of threads adds in another order, so
the last digits differ. Nothing that a test compares may hang on them.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from numpy._core._multiarray_umath import __cpu_dispatch__ as DISPATCHED

ROOT = Path(__file__).resolve().parents[2]
WIDE = [name for name in DISPATCHED if name == "X86_V4" or name.startswith("AVX512")]
# Name -> what the environment of the tests adds.
SETTINGS: dict[str, Mapping[str, str]] = {
    "avx512-off": {
        "NPY_DISABLE_CPU_FEATURES": " ".join(WIDE),
        "OPENBLAS_CORETYPE": "Haswell",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
    "avx2-off": {
        "NPY_DISABLE_CPU_FEATURES": " ".join(DISPATCHED),
        "OPENBLAS_CORETYPE": "Nehalem",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
    "sandybridge": {"OPENBLAS_CORETYPE": "Sandybridge"},
    "one-thread": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "one-busy-core": {},
}
BUSY = "one-busy-core"
# Tests of commands, files and pictures, and those that need one of these.
ELSE = {"make", "main", "machines", "rooms", "project_files", "setup", "figures"}
NEEDS = ("chromium", "labkit.panels", "labkit.train", "import build", 'skip("keras')
SLOW_ROOMS = ("panels", "plots", "train")
ADDOPTS = "--strict-config --doctest-modules --import-mode=importlib"
PYTEST = [
    *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:nbval"),
    *("-p", "no:xdist", "-o", f"addopts={ADDOPTS}"),
]


def arithmetic() -> list[str]:
    """The test files that compute and compare: no training, picture or panel."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [
        str(file.relative_to(ROOT))
        for file in files
        if file.stem.removeprefix("test_") not in ELSE
        and not any(word in file.read_text("utf-8") for word in NEEDS)
    ]


def doctests() -> list[str]:
    """What pytest is given for the doctests of the arithmetic alone."""
    return ["labkit", *(f"--ignore=labkit/{room}" for room in SLOW_ROOMS)]


def run(setting: str, what: list[str], **how) -> subprocess.CompletedProcess:
    """pytest on `what` under a setting; how: as for subprocess.run."""
    environment = os.environ | SETTINGS[setting]
    with ExitStack() as stack:
        if setting == BUSY:
            core = stack.enter_context(busy_core())
            how["preexec_fn"] = lambda: os.sched_setaffinity(0, {core})
        return subprocess.run([*PYTEST, *what], cwd=ROOT, env=environment, **how)


@contextmanager
def busy_core() -> Iterator[int]:
    """The number of a core on which another process computes all the time."""
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit(
            f"{BUSY}: this system binds no process to a core, leave it out"
        )
    core = min(os.sched_getaffinity(0))
    spinning = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", spinning]) as other:
        try:
            yield core
        finally:
            other.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("settings", nargs="*", metavar="SETTING", help="default: all")
    parser.add_argument("--list", action="store_true", help="print the names only")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.settings if name not in SETTINGS]
    if unknown:
        parser.error(f"no setting {unknown[0]!r}: choose from {', '.join(SETTINGS)}")
    if chosen.list:
        print("\n".join(SETTINGS))
        return 0
    failed = []
    for name in chosen.settings or SETTINGS:
        said = " ".join(f"{key}={value!r}" for key, value in SETTINGS[name].items())
        print(f"== {name} {said}", flush=True)
        if run(name, ["labkit", *arithmetic()]).returncode:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "every setting passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
