"""The Makefile and the scripts: what a target installs, starts, and how it recovers."""

import ensurepip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.common import installation

ROOT = installation.ROOT
FILES = (
    "Makefile",
    "pyproject.toml",
    "constraints.txt",
    "binder/overrides.json",
    "binder/requirements.txt",
    "labkit/__init__.py",
    "labkit/__main__.py",
    *(
        f"labkit/common/{name}.py"
        for name in ("__init__", "door", "exits", "installation", "start", "uv_options")
    ),
)
# Stands in for uv: instead of packages, modules that print what they were started with.
# A file named `kill` makes it end the installation as a loss of power does.
UV = """\
#!/bin/sh
echo "$@" >>uv.log
packages=$(echo .venv/lib/python*/site-packages)
mkdir -p $packages/tensorflow/include
echo "import sys; print('jupyter', *sys.argv[1:])" >$packages/jupyter.py
if test -e kill; then kill -KILL $PPID; exit; fi
echo "import sys; print('pytest', *sys.argv[1:])" >$packages/pytest.py
"""


@pytest.fixture
def fresh(tmp_path):
    """A folder with the files that an installation reads, and nothing installed."""
    for file in FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


@pytest.fixture
def uv(fresh):
    """The folder's stand-in for uv, on the PATH of `started`."""
    path = fresh / "tools" / "uv"
    path.parent.mkdir()
    path.write_text(UV)
    path.chmod(0o755)
    return path


def started(folder: Path, *command: str) -> subprocess.CompletedProcess:
    """Run a command there, outside of any other make, with the folder's tools first."""
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON", "ARGS", "PYTHONPATH")
    environment = {k: v for k, v in os.environ.items() if k not in outer}
    environment["PATH"] = f"{folder / 'tools'}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return started(folder, "make", f"PYTHON={sys.executable}", *arguments)


@pytest.mark.parametrize("target", ["lab", "test"])
def test_a_python_that_is_not_there_gets_one_sentence(fresh, target):
    done = make(fresh, target, "PYTHON=python9")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    sentence = 'and "python9" is not there: name another one, as in "make {} PYTHON='
    assert sentence.format(target) in done.stderr
    assert not (fresh / ".venv").exists()


LAB = "jupyter lab{} --LabApp.default_url=/lab/tree/notebooks/00_the_bench.ipynb {}"
AS_ROOT = " --allow-root" if os.geteuid() == 0 else ""
TEST = "pytest -n 2 --dist loadfile --no-loadscope-reorder -k name"


def test_lab_then_test_install_in_turn_and_a_second_call_starts_at_once(fresh, uv):
    opened = LAB.format(AS_ROOT, "--no-browser")
    first = make(fresh, "lab", "ARGS=--no-browser").stdout.splitlines()
    assert [line[:6] for line in first[:4]] == [f"{n} of 4" for n in (1, 2, 3, 4)]
    assert first[-1] == opened
    # Once it is whole, its own Python starts it: PYTHON is named once.
    again = make(fresh, "lab", "ARGS=--no-browser", "PYTHON=python9").stdout
    assert again.splitlines() == [opened]
    assert make(fresh, "test", "ARGS=-k name").stdout.splitlines()[-1] == TEST
    last = make(fresh, "test", "ARGS=-k name").stdout.splitlines()
    assert last == [f".venv/bin/python -m {TEST}", TEST]
    extras = [line.split()[-2] for line in (fresh / "uv.log").read_text().splitlines()]
    assert extras == [".[train,lab]", ".[train,lab,dev]"]


def test_without_make_python_does_the_same(fresh, uv):
    done = started(fresh, sys.executable, "-m", "labkit", "lab", "--no-browser")
    assert done.stdout.splitlines()[-1] == LAB.format(AS_ROOT, "--no-browser")
    assert (fresh / ".venv" / "installed").exists()


def test_make_recovers_from_a_kill_among_the_packages(fresh, uv):
    (fresh / "kill").touch()
    assert make(fresh, "lab").returncode == 2
    assert list(fresh.glob(".venv/lib/python*/site-packages/jupyter.py"))
    assert not (fresh / ".venv" / "installed").exists()
    (fresh / "kill").unlink()
    done = make(fresh, "lab")
    assert done.returncode == 0 and "makes the environment .venv" in done.stdout


def test_every_target_that_needs_tools_installs_them(fresh):
    needs = "test check notebooks bench results lint format constraints".split()
    for target in needs:
        first, *commands = make(fresh, "--dry-run", target).stdout.splitlines()
        assert first == f"{sys.executable} -m labkit setup --dev"
        assert commands and all(
            line.startswith((".venv/bin/", "\t")) for line in commands
        )


def half_an_ensurepip(venv):
    """A new environment whose pip was interrupted: it says that it is installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "pip").mkdir()
    (packages / "pip" / "__main__.py").write_text("import pip._internal\n")
    version = ensurepip.version()
    (packages / f"pip-{version}.dist-info").mkdir()
    metadata = f"Metadata-Version: 2.1\nName: pip\nVersion: {version}\n"
    (packages / f"pip-{version}.dist-info" / "METADATA").write_text(metadata)


@pytest.mark.long
def test_make_recovers_from_half_an_ensurepip(fresh, monkeypatch):
    """pip finds no package where it may not look for any: it works, as it says so."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    half_an_ensurepip(fresh / ".venv")
    done = make(fresh, "lab")
    assert "uv cannot be had from the registry: pip installs instead" in done.stdout
    assert "No matching distribution found" in done.stderr
    assert done.stderr.splitlines()[-2].startswith("pip could not install the packages")
    assert not (fresh / ".venv" / "installed").exists()


def test_ci_runs_make_test():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "make test"
    assert any(line.startswith("export CI=true") for line in lines)


@pytest.mark.parametrize("file", ["binder/postBuild", ".ci/run"])
def test_scripts_are_executable_and_parse(file):
    assert os.access(ROOT / file, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / file], check=True)
