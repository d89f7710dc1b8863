"""`python -m labkit lab` and `setup`: what runs before anything is installed."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from labkit.common.exits import in_one_sentence
from labkit.common.installation import Installation, InstallationError

COMMANDS = {
    "lab": "install what is missing and open JupyterLab with the other arguments",
    "setup": "install what is missing; --dev: also what tests and style need",
}
FIRST = "notebooks/00_the_bench.ipynb"


def lab_command(python: Path, arguments: Iterable[str], is_root: bool) -> list[str]:
    """The command that opens JupyterLab at the first lesson.

    >>> lab_command(Path("python"), ["--no-browser"], is_root=False)[1:4]
    ['-m', 'jupyter', 'lab']
    """
    root = ["--allow-root"] if is_root else []
    first = f"--LabApp.default_url=/lab/tree/{FIRST}"
    return [str(python), "-m", "jupyter", "lab", *root, first, *arguments]


def become(command: list[str], folder: Path, system: str = os.name) -> None:
    """Go on as a command that runs in a folder; its exit code is this process's.

    system: as `os.name`. Windows replaces no process: there a child runs, and Ctrl-C is
    the child's to answer.
    """
    os.chdir(folder)
    sys.stdout.flush()
    if system == "posix":
        os.execv(command[0], command)
    with subprocess.Popen(command) as child:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(child.wait())


def main(words: list[str]) -> None:
    """`lab …` or `setup [--dev]`, as after `python -m labkit`."""
    command, *arguments = words
    dev = False
    if command == "setup":
        parser = argparse.ArgumentParser(
            "python -m labkit setup", description=COMMANDS["setup"]
        )
        parser.add_argument("--dev", action="store_true")
        dev = parser.parse_args(arguments).dev
    lab = Installation()
    stopped = "stopped: the same command begins the installation anew"
    with in_one_sentence(stopped, (InstallationError,)):
        lab.ensure(dev)
    if command == "lab":
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        become(lab_command(lab.python, arguments, is_root), lab.root)
