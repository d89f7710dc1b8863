"""Licence, README badges, pre-commit, and what no text of the project may name."""

import fnmatch
import os
import re
import tomllib
from pathlib import Path

import badges
import pytest
import yaml

import labkit
from bench import picture
from labkit import panels

ROOT = Path(labkit.__file__).resolve().parent.parent
CONSTRAINTS = (ROOT / "constraints.txt").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def text_files() -> list[Path]:
    """Every text file that belongs to the project, by .gitignore's names."""
    ignored = (ROOT / ".gitignore").read_text().replace("/", "").split()
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name != ".git" and not any(fnmatch.fnmatch(name, i) for i in ignored)
        ]
        found += [Path(folder, name) for name in files if name != ".git"]
    binary = {".webp", ".npy", ".npz", ".png", ".keras", ".tflite", ".packed", ".bin"}
    return [path for path in found if path.suffix not in binary]


def test_no_file_names_a_registry_or_a_place_on_one_machine():
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org"]
    options = ["index" + "-url", "find" + "-links", "trusted" + "-host"]
    folders = r"(?<![\w.*)}>-])/(home|root|Users|opt|mnt|srv|tmp|work)/[\w.]"
    pattern = re.compile("|".join([folders, *map(re.escape, hosts + options)]))
    named = {
        str(path.relative_to(ROOT)): found.group()
        for path in text_files()
        if (found := pattern.search(path.read_text("utf-8")))
    }
    # Options of uv: one keeps the registry's address out of constraints.txt, others say
    # what pip's settings say.
    assert named == {
        "Makefile": "index" + "-url",
        "labkit/common/uv_options.py": "index" + "-url",
        "tests/common/test_uv_options.py": "index" + "-url",
    }


def test_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text()
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in text
    assert (PROJECT["license"], PROJECT["license-files"]) == ("Apache-2.0", ["LICENSE"])


def test_readme_shows_every_panel():
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = set(re.findall(r"!\[[^]]+\]\(notebooks/pictures/(\w+)\.png\)", readme))
    assert shown == set(picture.SHOTS)
    assert shown == {name for name in panels.__all__ if name.endswith("_panel")}
    files = [picture.FOLDER / f"{name}.png" for name in shown]
    assert max(file.stat().st_size for file in files) < 100_000


def test_readme_has_badges_if_and_only_if_the_repository_is_known():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert badges.with_badges(readme, PROJECT["urls"]) == readme
    assert ("badge_logo.svg" in readme) == ("Repository" in PROJECT["urls"])


@pytest.mark.parametrize(
    "address", ["https://github.com/ada/lab", "https://github.com/ada/lab.git"]
)
def test_badges_come_from_the_repository(address):
    text = badges.section({"Repository": address})
    for part in ("gh/ada/lab/main?labpath=", "github/ada/lab/blob/main/notebooks/00_"):
        assert part in text
    assert "fork" not in text and "fork" in badges.section({})
    assert (ROOT / badges.FIRST_NOTEBOOK).exists()


def test_badges_refuse_what_they_cannot_use():
    with pytest.raises(ValueError, match="https://github.com/OWNER/NAME"):
        badges.section({"Repository": "https://example.com/ada/lab"})
    with pytest.raises(ValueError, match="README.md lacks"):
        badges.with_badges("# A lab\n", {})


def test_pre_commit_uses_the_pinned_tools():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {"ruff", "ruff-format", "notebooks", "file-size"} <= {h["id"] for h in hooks}
    pinned = re.findall(r"^[\w.-]+==[\w.]+", CONSTRAINTS, re.MULTILINE)
    tools = [tool for hook in hooks for tool in hook.get("additional_dependencies", ())]
    assert {tool for tool in tools if tool not in pinned} == {
        "pre-commit-hooks==6.0.0"  # no part of the lab's own environment
    }
