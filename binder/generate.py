"""Write binder/requirements.txt: the pins of constraints.txt that Binder needs.

Binder reads nothing outside this folder, so it gets a list of its own. Each line of
constraints.txt ends in a comment that names the packages asking for it; the list holds
every line that labkit or its extras `train` and `lab` ask for, directly or not.

    python binder/generate.py
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("train", "lab")
HEADER = "# Made from pyproject.toml and constraints.txt by `make constraints`.\n"


def canonical(requirement: str) -> str:
    """The package that a requirement names, spelled as constraints.txt spells it.

    >>> canonical("ml_dtypes>=0.5")
    'ml-dtypes'
    """
    name = re.match(r"[\w.-]+", requirement).group()
    return re.sub(r"[-_.]+", "-", name).lower()


def direct(pyproject: dict, extras=EXTRAS) -> set[str]:
    """The packages that [project] and these of its extras ask for themselves."""
    project = pyproject["project"]
    lists = [project["dependencies"]]
    lists += [project["optional-dependencies"][extra] for extra in extras]
    return {canonical(requirement) for names in lists for requirement in names}


def needed(pins: list[str], packages: set[str]) -> list[str]:
    """The lines of `pins` for `packages` and for what they ask for in their turn.

    >>> needed(["a==1  # via b", "b==2  # via labkit", "c==3  # via b, d"], {"b"})
    ['a==1', 'b==2', 'c==3']
    >>> needed(["a==1  # via b", "b==2  # via labkit", "c==3  # via d"], {"a"})
    ['a==1']
    """
    asked_by = {
        pin: set(re.split(r"[, ]+", pin.partition("# via ")[2])) for pin in pins
    }
    found, before = set(packages), set()
    while found != before:
        before = set(found)
        found |= {canonical(pin) for pin in pins if asked_by[pin] & before}
    return [pin.partition("#")[0].rstrip() for pin in pins if canonical(pin) in found]


def requirements(root: Path = ROOT) -> str:
    """The text of binder/requirements.txt."""
    pyproject = tomllib.loads((root / "pyproject.toml").read_text())
    lines = (root / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    return HEADER + "\n".join(needed(pins, direct(pyproject))) + "\n"


if __name__ == "__main__":
    (ROOT / "binder" / "requirements.txt").write_text(requirements())
