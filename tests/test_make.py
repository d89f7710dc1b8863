"""The Makefile and the scripts: what runs, and what a wrong Python gets."""

import ensurepip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import labkit

ROOT = Path(labkit.__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")


@pytest.fixture
def fresh(tmp_path):
    """A folder with the files that the Makefile reads, and nothing installed."""
    (tmp_path / "binder").mkdir()
    for file in (
        "Makefile",
        "pyproject.toml",
        "constraints.txt",
        "binder/overrides.json",
    ):
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON", "ARGS")
    environment = {k: v for k, v in os.environ.items() if k not in outer}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def fake_python(folder: Path, version: str, has_venv: bool) -> str:
    """A stand-in for an interpreter: it answers the Makefile's two questions."""
    path = folder / "python"
    path.write_text(
        "#!/bin/sh\n"
        'case "$2" in\n'
        f"*version_info*) echo {version};;\n"
        f"*ensurepip*) {'echo yes' if has_venv else 'exit 1'};;\n"
        "*) echo it was started >&2; exit 1;;\n"
        "esac\n"
    )
    path.chmod(0o755)
    return f"PYTHON={path}"


@pytest.mark.parametrize("target", ["lab", "test"])
@pytest.mark.parametrize(
    ("version", "has_venv", "sentence"),
    [
        (None, True, 'python" is not there: name another one, as in "make {target} PY'),
        ("3.10", True, 'python" is 3.10: name another one, as in "make {target} PY'),
        ("3.14", True, 'python" is 3.14: name another one, as in "make {target} PY'),
        ("3.12", False, '"apt install python3.12-venv") and try again'),
    ],
)
def test_an_unfit_python_gets_one_sentence(fresh, target, version, has_venv, sentence):
    python = f"PYTHON={fresh / 'python'}"
    if version:
        python = fake_python(fresh, version, has_venv)
    done = make(fresh, target, python)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert sentence.format(target=target) in done.stderr
    assert not (fresh / ".venv").exists()


@pytest.mark.parametrize("version", PYTHONS)
def test_a_fit_python_is_started(fresh, version):
    assert (
        "it was started" in make(fresh, "lab", fake_python(fresh, version, True)).stderr
    )


@pytest.fixture
def installed(fresh):
    """The same folder after an installation: an interpreter and the stamp."""
    python = fresh / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    (fresh / ".venv" / "installed").touch()
    return fresh


def test_a_second_call_starts_at_once(installed):
    fresh = installed
    commands = make(fresh, "--dry-run", "test", "ARGS=-k name").stdout.splitlines()
    pytest_and_its_workers = "-n 3 --dist loadfile --no-loadscope-reorder"
    assert commands == [f".venv/bin/python -m pytest {pytest_and_its_workers} -k name"]
    (lab,) = make(fresh, "--dry-run", "lab", "ARGS=--no-browser").stdout.splitlines()
    assert "/lab/tree/notebooks/00_the_bench.ipynb " in lab
    assert lab.endswith(" --no-browser")


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_a_changed_list_installs_again_into_what_is_whole(installed, file):
    later = (installed / ".venv" / "installed").stat().st_mtime + 10
    os.utime(installed / file, (later, later))
    python = fake_python(installed, "3.12", has_venv=True)
    commands = make(installed, "--dry-run", "test", python).stdout
    assert commands.startswith("rm -f .venv/installed\n") and "pip install" in commands
    assert "--clear" not in commands


def lose_the_stamp(venv):
    (venv / "installed").unlink()


def lose_the_interpreter(venv):
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("an interpreter that was uninstalled")


@pytest.mark.parametrize("damage", [lose_the_stamp, lose_the_interpreter])
def test_what_is_not_whole_is_made_anew(installed, damage):
    damage(installed / ".venv")
    python = fake_python(installed, "3.12", has_venv=True)
    assert "-m venv --clear .venv\n" in make(installed, "-n", "lab", python).stdout


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
    done = make(fresh, "lab", f"PYTHON={sys.executable}")
    assert "No matching distribution found" in done.stderr
    assert not (fresh / ".venv" / "installed").exists()


def test_an_installation_that_fails_leaves_no_stamp(installed):
    later = (installed / ".venv" / "installed").stat().st_mtime + 10
    os.utime(installed / "constraints.txt", (later, later))
    python = fake_python(installed, "3.12", has_venv=True)
    assert "it was started" in make(installed, "test", python).stderr
    assert not (installed / ".venv" / "installed").exists()


def test_ci_runs_make_test():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "make test"
    assert any(line.startswith("export CI=true") for line in lines)


@pytest.mark.parametrize("file", ["binder/postBuild", ".ci/run"])
def test_scripts_are_executable_and_parse(file):
    assert os.access(ROOT / file, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / file], check=True)
