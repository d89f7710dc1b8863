"""The lab's own environment in `.venv`: what it holds, and how it comes to be whole.

Standard library alone, since it runs before anything is installed. Two stamps in
`.venv` say what is whole: `installed` (what a learner needs) and `installed-dev` (also
what tests and style need). A stamp holds the digest of the files that the packages come
from. It goes before anything is touched and comes back last, so that an environment
that was interrupted at any point has none, and is made anew.

The packages come by uv where there is one on the PATH or in the registry, else by pip.
Both ask the registries that pip is set up for, and install the versions that
constraints.txt pins.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from labkit.common.uv_options import for_uv, pip_config, pip_settings

ROOT = Path(__file__).resolve().parents[2]
INPUTS = ("pyproject.toml", "constraints.txt", "binder/overrides.json")
EXTRAS = "train,lab"
SETTINGS = "share/jupyter/lab/settings"
# For building one's own C++ operations, which the lab does not; a sixth of its bytes.
HEADERS = "tensorflow/include"

FOR_PIP = {
    "PIP_USER": "0",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_ROOT_USER_ACTION": "ignore",
}


class InstallationError(Exception):
    """What could not be installed, in one sentence that says what to do."""


def python_of(venv: str | Path, system: str = os.name) -> Path:
    """The interpreter of an environment. system: as `os.name`.

    >>> python_of(".venv", "posix").as_posix(), python_of(".venv", "nt").as_posix()
    ('.venv/bin/python', '.venv/Scripts/python.exe')
    """
    return Path(venv, "Scripts/python.exe" if system == "nt" else "bin/python")


def packages_of(venv: Path) -> list[Path]:
    """The folders of an environment that packages are in (Windows has no version)."""
    found = {*venv.glob("lib/python*/site-packages"), *venv.glob("Lib/site-packages")}
    return sorted(found)


def digest(root: Path) -> str:
    """SHA-256 of the files that the packages and settings come from, as 64 digits."""
    parts = [hashlib.sha256((root / file).read_bytes()).digest() for file in INPUTS]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def count(root: Path, dev: bool) -> int:
    """How many packages are pinned, on all platforms together: the most to install."""
    file = "constraints.txt" if dev else "binder/requirements.txt"
    lines = (root / file).read_text("utf-8").splitlines()
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") for line in lines
    )


class Installation:
    """The environment of one checkout of the lab.

    root: the checkout. say: called with each line that tells how far it is. run: called
    with a command and the variables of its environment, returns its exit code.
    """

    def __init__(self, root: Path = ROOT, say=None, run=None):
        self.root = root
        self.venv = root / ".venv"
        self.python = python_of(self.venv)
        self.stamp = self.venv / "installed"
        self.stamp_dev = self.venv / "installed-dev"
        self.say = say or (lambda line: print(line, flush=True))
        self.run = run or self._run

    def is_whole(self) -> bool:
        """Whether the last installation, of these versions or older ones, ended."""
        return self.python.exists() and len(_text(self.stamp)) == 64

    def is_current(self, dev: bool) -> bool:
        """Whether nothing is to be done."""
        stamps = [self.stamp, self.stamp_dev] if dev else [self.stamp]
        now = digest(self.root)
        return self.is_whole() and all(_text(stamp) == now for stamp in stamps)

    def ensure(self, dev: bool = False) -> None:
        """Install what is missing. dev: also what tests and style need.

        Raises InstallationError.
        """
        if self.is_current(dev):
            return
        begin, whole, now = time.monotonic(), self.is_whole(), digest(self.root)
        self.stamp_dev.unlink(missing_ok=True)
        self.stamp.unlink(missing_ok=True)
        version = "{}.{}.{}".format(*sys.version_info)
        if whole:
            self.say(
                "1 of 4: the environment .venv is there, and is brought up to date"
            )
        else:
            self.say(f"1 of 4: makes the environment .venv with Python {version}")
            self._make_environment()
        self._install(dev)
        self.say("4 of 4: writes JupyterLab's settings")
        self._settings()
        self._leave_headers_out()
        self._write(self.stamp, now)
        if dev:
            self._write(self.stamp_dev, now)
        self.say(f"installed in {time.monotonic() - begin:.0f} seconds")

    def _make_environment(self) -> None:
        # Without pip, which uv does not need: that would take the longest here.
        command = [sys.executable, "-m", "venv", "--clear", "--without-pip", self.venv]
        self._must(command, f"{sys.executable} could not make the environment .venv")

    def _install(self, dev: bool) -> None:
        what = f"up to {count(self.root, dev)} packages"
        wanted = ["--constraint", "constraints.txt"]
        wanted += ["--editable", f".[{EXTRAS},dev]" if dev else f".[{EXTRAS}]"]
        # Python compiles what it imports; where it may not keep that, now.
        compiled = sys.dont_write_bytecode
        uv = self._uv()
        if uv:
            self.say(f"3 of 4: downloads and installs {what} with uv")
            options, variables = for_uv(pip_settings(pip_config()), dict(os.environ))
            command = [uv, "pip", "install", "--python", self.python, *options]
            command += ["--compile-bytecode"] if compiled else []
            code = self.run([*command, *wanted, "pip"], variables)
            shutil.rmtree(self.venv / "uv", ignore_errors=True)
            if code == 0:
                return
            self.say(f"uv ended with exit code {code}, see above: pip installs instead")
        self.say(f"3 of 4: downloads and installs {what} with pip, some minutes")
        self._must_have_pip()
        command = [self.python, "-m", "pip", "install", "--disable-pip-version-check"]
        command += [] if compiled else ["--no-compile"]
        self._must([*command, *wanted], "pip could not install the packages")

    def _uv(self) -> str | None:
        """uv's path: from the PATH, or from the registry for this time only."""
        found = shutil.which("uv")
        if found:
            self.say(f"2 of 4: uv is there, {found}")
            return found
        self.say("2 of 4: downloads uv, which installs faster than pip")
        folder = self.venv / "uv"
        pip = sys.executable
        if importlib.util.find_spec("pip") is None:
            self._must_have_pip()
            pip = self.python
        shutil.rmtree(folder, ignore_errors=True)
        code = self.run(
            [pip, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            + ["--no-compile", "--target", folder, "uv"],
            FOR_PIP,
        )
        uv = shutil.which("uv", path=str(folder / "bin"))
        if code or uv is None:
            shutil.rmtree(folder, ignore_errors=True)
            self.say("uv cannot be had from the registry: pip installs instead")
            return None
        return uv

    def _must_have_pip(self) -> None:
        """Put pip into the environment, from what Python carries."""
        if any((folder / "pip").exists() for folder in packages_of(self.venv)):
            return
        self._must(
            [self.python, "-m", "ensurepip", "--default-pip"],
            f"{sys.executable} has no pip to give: install its venv module (on Debian "
            "and Ubuntu `apt install python{}.{}-venv`)".format(*sys.version_info),
        )

    def _settings(self) -> None:
        folder = self.venv / SETTINGS
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.root / "binder" / "overrides.json", folder)

    def _leave_headers_out(self) -> None:
        for folder in packages_of(self.venv):
            headers = folder / HEADERS
            if headers.is_dir():
                files = [path for path in headers.rglob("*") if path.is_file()]
                size = sum(file.stat().st_size for file in files)
                self.say(
                    f"        leaves out {size / 1e6:.0f} MB of {HEADERS}, which only "
                    "building one's own C++ operations needs"
                )
                shutil.rmtree(headers)

    def _write(self, stamp: Path, text: str) -> None:
        partial = stamp.with_suffix(".partial")
        partial.write_text(text)
        os.replace(partial, stamp)

    def _must(self, command: Sequence, sentence: str) -> None:
        if self.run(command, FOR_PIP):
            raise InstallationError(
                f"{sentence}, see above; the same command begins anew"
            )

    def _run(self, command: Sequence, variables: dict[str, str]) -> int:
        words = [str(word) for word in command]
        try:
            return subprocess.run(
                words, cwd=self.root, env=os.environ | variables
            ).returncode
        except OSError as error:
            raise InstallationError(f"{words[0]} does not start: {error}") from error


def _text(stamp: Path) -> str:
    return stamp.read_text("utf-8").strip() if stamp.is_file() else ""
