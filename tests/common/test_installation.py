"""The environment is whole, or made anew: whatever was interrupted, uv or pip."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from labkit.common import installation
from labkit.common.installation import Installation, InstallationError

ROOT = installation.ROOT
FILES = (*installation.INPUTS, "binder/requirements.txt")


class Killed(BaseException):
    """Ends the process at once, as a signal does."""


class Machine:
    """Stands in for what an installation starts; commands take effect and are kept.

    fails: word -> the exit code of commands that hold it. dies: the number of the
    command in which the process is killed, halfway.
    """

    def __init__(self, root: Path, fails=None, dies=None):
        self.lab = Installation(root, say=self._say, run=self.run)
        self.root, self.fails, self.dies = root, fails or {}, dies
        self.commands: list[str] = []
        self.said: list[str] = []

    def _say(self, line: str) -> None:
        self.said.append(line)

    def run(self, command, variables) -> int:
        words = [str(word) for word in command]
        self.commands.append(" ".join(words))
        code = max((c for word, c in self.fails.items() if word in words), default=0)
        venv = self.lab.venv
        packages = venv / "lib" / "python3.11" / "site-packages"
        if "venv" in words:
            shutil.rmtree(venv, ignore_errors=True)
            self.lab.python.parent.mkdir(parents=True)
        if len(self.commands) - 1 == self.dies:
            raise Killed
        if code:
            return code
        if "venv" in words:
            self.lab.python.touch()
            packages.mkdir(parents=True)
        elif "ensurepip" in words:
            (packages / "pip").mkdir()
        elif "--target" in words:
            tool = venv / "uv" / "bin" / "uv"
            tool.parent.mkdir(parents=True)
            tool.touch(0o755)
        else:
            headers = packages / installation.HEADERS
            headers.mkdir(parents=True, exist_ok=True)
            (headers / "op.h").write_bytes(b" " * 3_000_000)
        return code


@pytest.fixture(autouse=True)
def settings_of_pip(monkeypatch):
    monkeypatch.setattr(installation, "pip_config", lambda: "")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout on a machine that has uv."""
    folder = tmp_path / "lab"
    (folder / "binder").mkdir(parents=True)
    for file in FILES:
        shutil.copy(ROOT / file, folder / file)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").touch(0o755)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return folder


@pytest.fixture
def without_uv(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def ensured(root, dev=False, **how) -> Machine:
    machine = Machine(root, **how)
    machine.lab.ensure(dev)
    return machine


def test_a_learner_gets_no_tools_and_a_tester_gets_them_too(root):
    made, installed = ensured(root).commands
    assert made.endswith("-m venv --clear --without-pip " + str(root / ".venv"))
    assert installed.endswith(
        f"uv pip install --python {root}/.venv/bin/python "
        "--constraint constraints.txt --editable .[train,lab] pip"
    )
    assert "dev" not in installed
    (added,) = ensured(root, dev=True).commands
    assert "--constraint constraints.txt --editable .[train,lab,dev]" in added


@pytest.mark.parametrize("dev", [False, True])
def test_a_second_call_does_and_says_nothing(root, dev):
    ensured(root, dev)
    again = ensured(root, dev)
    assert (again.commands, again.said) == ([], [])
    assert ensured(root).commands == []  # a tester's environment is a learner's, too


def test_each_stage_is_said_before_it_begins(root):
    said = ensured(root).said
    version = "{}.{}.{}".format(*sys.version_info)
    assert said[0] == f"1 of 4: makes the environment .venv with Python {version}"
    assert said[1].startswith("2 of 4: uv is there, ")
    pins = [line for line in lines_of(root / FILES[-1]) if not line.startswith("#")]
    assert f"3 of 4: downloads and installs up to {len(pins)} packages with uv" in said
    assert said[3] == "4 of 4: writes JupyterLab's settings"
    assert said[4].split()[:4] == ["leaves", "out", "3", "MB"]
    assert said[5].startswith("installed in ") and len(said) == 6


def lines_of(file: Path) -> list[str]:
    return file.read_text().splitlines()


def test_what_is_installed_is_the_settings_and_no_headers(root):
    lab = ensured(root).lab
    settings = lab.venv / "share/jupyter/lab/settings/overrides.json"
    assert settings.read_text() == (ROOT / "binder/overrides.json").read_text()
    assert list(lab.venv.rglob("site-packages/tensorflow"))
    assert not list(lab.venv.rglob("include"))


STEPS = {  # where the process is killed: a command of `Machine`, or a call after it
    "venv": 0,
    "packages": 1,
    "settings": "shutil.copy",
    "headers": "shutil.rmtree",
    "stamp": "os.replace",
}


@pytest.mark.parametrize("dev", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_at_any_step_the_environment_is_made_anew(root, step, dev):
    place = STEPS[step]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        if isinstance(place, int):
            ensured(root, dev, dies=place)
        else:
            killed_at(patch, place)
            ensured(root, dev)
    assert not Installation(root).is_whole()
    again = ensured(root, dev)
    assert "--clear" in again.commands[0] and len(again.commands) == 2
    assert again.lab.is_current(dev)


def killed_at(patch, place: str) -> None:
    """The process ends halfway through a step that works on the finished packages."""
    real = {"shutil.copy": shutil.copy, "os.replace": os.replace}.get(place)

    def half(*given, **how):
        if place == "shutil.rmtree":
            if "include" not in str(given[0]):
                return
            next(Path(given[0]).rglob("*.h")).unlink()
        elif place == "shutil.copy":
            real(*given, **how)
        raise Killed

    patch.setattr(f"labkit.common.installation.{place}", half)


@pytest.mark.parametrize("step", range(4), ids=["venv", "uv", "ensurepip", "pip"])
def test_after_a_kill_on_pips_way_the_environment_is_made_anew(root, without_uv, step):
    no_uv = {"--target": 1}
    with pytest.raises(Killed):
        ensured(root, fails=no_uv, dies=step)
    assert not Installation(root).is_whole()
    again = ensured(root, fails=no_uv)
    assert "--clear" in again.commands[0] and len(again.commands) == 4


@pytest.mark.parametrize("step", [0, "stamp"])
def test_a_kill_while_tools_are_added_costs_no_more_than_time(root, step):
    ensured(root)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        if step == "stamp":
            killed_at(patch, "os.replace")
        ensured(root, dev=True, dies=step)
    assert "--clear" in ensured(root).commands[0]


def test_killed_between_the_stamps_the_learner_has_all(root, monkeypatch):
    machine = Machine(root)
    write = machine.lab._write

    def one_alone(stamp, text):
        write(stamp, text)
        raise Killed

    monkeypatch.setattr(machine.lab, "_write", one_alone)
    with pytest.raises(Killed):
        machine.lab.ensure(dev=True)
    assert ensured(root).commands == []
    assert "--clear" not in ensured(root, dev=True).commands[0]


@pytest.mark.parametrize("text", ["", "abc", "0" * 63])
def test_half_a_stamp_is_none(root, text):
    stamp = ensured(root).lab.stamp
    stamp.write_text(text)
    assert "--clear" in ensured(root).commands[0]


@pytest.mark.parametrize("file", installation.INPUTS)
def test_changed_contents_install_again_into_what_is_whole(root, file):
    ensured(root, dev=True)
    os.utime(root / file)  # a checkout changes times: nothing is to be done
    assert ensured(root, dev=True).commands == []
    (root / file).write_text((root / file).read_text() + "\n")
    again = ensured(root, dev=True)
    assert len(again.commands) == 1 and "venv" not in again.commands[0].split()
    assert again.said[0] == (
        "1 of 4: the environment .venv is there, and is brought up to date"
    )
    assert ensured(root, dev=True).commands == []


def test_an_interpreter_that_was_uninstalled_makes_all_anew(root):
    python = ensured(root).lab.python
    python.unlink()
    python.symlink_to("an interpreter that is gone")
    assert "--clear" in ensured(root).commands[0]


def test_without_uv_it_is_downloaded_and_leaves_nothing_behind(root, without_uv):
    machine = ensured(root)
    made, fetched, installed = machine.commands
    assert fetched.startswith(f"{sys.executable} -m pip install")
    assert fetched.endswith(f"--target {machine.lab.venv}/uv uv")
    assert installed.startswith(f"{machine.lab.venv}/uv/bin/uv pip install")
    assert not (machine.lab.venv / "uv").exists()


def test_without_uv_and_pip_python_gives_its_own(root, without_uv, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    _, gave, fetched, _ = ensured(root).commands
    assert gave.endswith("-m ensurepip --default-pip")
    assert fetched.startswith(f"{root}/.venv/bin/python -m pip install")


def test_where_the_registry_has_no_uv_pip_installs(root, without_uv):
    machine = ensured(root, fails={"--target": 1})
    assert "uv cannot be had from the registry: pip installs instead" in machine.said
    _, _, gave, installed = machine.commands
    assert "ensurepip" in gave
    assert installed.startswith(f"{root}/.venv/bin/python -m pip install")
    assert installed.endswith("--constraint constraints.txt --editable .[train,lab]")
    assert machine.lab.is_current(dev=False)


def test_where_uv_fails_pip_installs(root):
    machine = ensured(root, dev=True, fails={"--python": 2})
    assert "uv ended with exit code 2, see above: pip installs instead" in machine.said
    assert machine.commands[-1].endswith("--editable .[train,lab,dev]")
    assert machine.lab.is_current(dev=True)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("--clear", "could not make the environment .venv, see above; the same"),
        ("ensurepip", r"apt install python3\.\d+-venv`\), see above; the same command"),
        ("install", "pip could not install the packages, see above; the same command"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_no_stamp(root, word, sentence):
    with pytest.raises(InstallationError, match=sentence):
        ensured(root, fails={word: 1, "--python": 1})
    assert not Installation(root).is_whole()


@pytest.mark.parametrize(
    ("never_kept", "uv", "pip"),
    [(True, "--compile-bytecode", ""), (False, "", "--no-compile")],
)
def test_modules_are_compiled_once(root, monkeypatch, never_kept, uv, pip):
    """On import, or at once where Python is told to keep nothing then."""
    monkeypatch.setattr(sys, "dont_write_bytecode", never_kept)
    _, by_uv, _, by_pip = ensured(root, fails={"--python": 1}).commands
    assert ("--compile-bytecode" in by_uv.split()) == bool(uv)
    assert ("--no-compile" in by_pip.split()) == bool(pip)


def test_a_command_runs_in_the_checkout_with_its_variables(root, capfd):
    code = "import os; print(os.getcwd(), os.environ['A'], flush=True); os._exit(5)"
    assert Installation(root)._run([sys.executable, "-c", code], {"A": "b"}) == 5
    assert capfd.readouterr().out.split() == [str(root), "b"]
    with pytest.raises(InstallationError, match="nothing does not start: "):
        Installation(root)._run([root / "nothing"], {})


def test_paths_are_those_of_the_system(tmp_path):
    for place in ("lib/python3.13/site-packages", "Lib/site-packages"):
        venv = tmp_path / place[:4].strip("/")
        (venv / place).mkdir(parents=True)
        assert installation.packages_of(venv) == [venv / place]
