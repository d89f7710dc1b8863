"""pyproject.toml, constraints.txt, environment.yml and binder/ say the same."""

import json
import re
import sys
import tomllib
from importlib.metadata import distribution, distributions
from pathlib import Path

import generate
import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import labkit
from labkit import __main__
from labkit.common import installation

ROOT = Path(labkit.__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = {
    "Linux x86-64": ("linux", "posix", "x86_64"),
    "Linux ARM": ("linux", "posix", "aarch64"),
    "macOS ARM": ("darwin", "posix", "arm64"),
    "Windows": ("win32", "nt", "AMD64"),
}


def read_pins(file: str) -> list[Requirement]:
    lines = (ROOT / file).read_text().splitlines()
    bare = [line.partition("#")[0].strip() for line in lines]
    return [Requirement(line) for line in bare if line]


PINS = read_pins("constraints.txt")
BINDER_PINS = read_pins("binder/requirements.txt")


def machine(python: str, platform: str) -> dict[str, str]:
    """What markers read on a machine with this Python and platform."""
    sys_platform, os_name, platform_machine = PLATFORMS[platform]
    return default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": sys_platform,
        "os_name": os_name,
        "platform_machine": platform_machine,
    }


def holds(requirement: Requirement, environment: dict[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(environment)


def versions(pins, environment) -> dict[str, str]:
    """Package -> the version that `pins` name on such a machine; one at most."""
    chosen = {}
    for pin in pins:
        if holds(pin, environment):
            name = canonicalize_name(pin.name)
            assert name not in chosen, f"{name} is pinned twice"
            chosen[name] = str(pin.specifier).removeprefix("==")
    return chosen


def asked_for(extras) -> list[Requirement]:
    """The requirements of pyproject.toml with these extras."""
    optional = PROJECT["optional-dependencies"]
    lists = [PROJECT["dependencies"], *(optional[extra] for extra in extras)]
    return [Requirement(line) for lines in lists for line in lines]


def test_no_package_compiles_grammars_at_every_start():
    """JupyterLab's server and nbformat start in a tenth of the time without it."""
    assert "rfc3987-syntax" not in {canonicalize_name(pin.name) for pin in PINS}


@pytest.mark.parametrize("file", ["constraints.txt", "binder/requirements.txt"])
def test_every_line_is_one_exact_version_from_a_registry(file):
    for pin in read_pins(file):
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), pin
        assert pin.url is None and not pin.extras, pin
    assert "torch" not in {pin.name for pin in read_pins(file)}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_pin_what_pyproject_asks_for_within_its_range(python, platform):
    environment = machine(python, platform)
    pinned = versions(PINS, environment)
    for requirement in asked_for(PROJECT["optional-dependencies"]):
        if holds(requirement, environment):
            version = pinned[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), requirement


@pytest.mark.parametrize("python", PYTHONS)
def test_the_small_tensorflow_is_used_where_it_exists(python):
    used = {
        platform: versions(PINS, machine(python, platform)).keys()
        & {"tensorflow", "tensorflow-cpu"}
        for platform in PLATFORMS
    }
    assert used == {
        "Linux x86-64": {"tensorflow-cpu"},
        "Linux ARM": {"tensorflow"},
        "macOS ARM": {"tensorflow"},
        "Windows": {"tensorflow-cpu"},
    }


def test_these_tests_run_on_the_pinned_versions():
    pinned = versions(PINS, default_environment())
    installed = {canonicalize_name(d.name): d.version for d in distributions()}
    other = {
        name: (installed[name], version)
        for name, version in pinned.items()
        if name in installed and installed[name] != version
    }
    assert other == {}, "installed, and pinned in constraints.txt"


def test_the_pythons_of_pyproject_labkit_and_environments_agree():
    supported = SpecifierSet(PROJECT["requires-python"])
    assert [f"3.{n}" for n in range(9, 17) if f"3.{n}" in supported] == [*PYTHONS]
    assert [f"{major}.{minor}" for major, minor in __main__.PYTHONS] == [*PYTHONS]
    conda = ENVIRONMENT["dependencies"][0]
    binder = (ROOT / "binder" / "runtime.txt").read_text().strip()
    assert conda.removeprefix("python=") == binder.removeprefix("python-")
    assert binder.removeprefix("python-") in PYTHONS


def test_conda_and_binder_install_what_make_lab_installs():
    python, tool, listed = ENVIRONMENT["dependencies"]
    assert (python.partition("=")[0], tool) == ("python", "pip")
    extras = installation.EXTRAS
    assert listed["pip"] == ["--constraint constraints.txt", f"--editable .[{extras}]"]
    assert ENVIRONMENT["channels"] == ["conda-forge"]
    assert extras == ",".join(generate.EXTRAS)
    assert {*generate.EXTRAS, "dev"} == PROJECT["optional-dependencies"].keys()


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_binder_has_the_pins_of_constraints(python, platform):
    environment = machine(python, platform)
    pinned = versions(PINS, environment)
    assert versions(BINDER_PINS, environment).items() <= pinned.items()


def test_binder_and_a_learner_get_no_tool_of_development():
    dev = {canonicalize_name(r.name) for r in asked_for(["dev"])}
    tools = dev - closure(generate.EXTRAS)
    assert {"pytest", "ruff", "playwright", "hypothesis", "pre-commit"} <= tools
    assert not tools & {canonicalize_name(pin.name) for pin in BINDER_PINS}


def test_as_many_packages_are_announced_as_are_pinned():
    assert installation.count(ROOT, dev=True) == len(PINS)
    assert installation.count(ROOT, dev=False) == len(BINDER_PINS)


def test_binder_list_is_generated():
    assert (ROOT / "binder" / "requirements.txt").read_text() == generate.requirements()


def test_binder_list_asks_for_nothing_outside_its_folder():
    text = (ROOT / "binder" / "requirements.txt").read_text()
    assert not re.search(r"^\s*(-|\.|/|\w+:)", text, re.MULTILINE)
    assert not (ROOT / ".binder").exists()


def closure(extras) -> set[str]:
    """What labkit with these extras needs here, by the packages' own metadata."""
    environment = default_environment()
    todo = [(requirement, {""}) for requirement in asked_for(extras)]
    found = {}
    while todo:
        requirement, asked = todo.pop()
        if not any(holds(requirement, environment | {"extra": e}) for e in asked):
            continue
        name, wanted = canonicalize_name(requirement.name), {"", *requirement.extras}
        if wanted <= found.get(name, set()):
            continue
        found[name] = wanted | found.get(name, set())
        for line in distribution(name).requires or []:
            todo.append((Requirement(line), found[name]))
    return set(found)


def test_binder_list_is_all_that_labkit_needs_there_and_no_more():
    here = versions(BINDER_PINS, default_environment())
    assert here.keys() == closure(generate.EXTRAS)
    assert here.items() <= versions(PINS, default_environment()).items()


def test_post_build_stops_at_errors_and_installs_labkit_and_the_settings():
    text = (ROOT / "binder" / "postBuild").read_text()
    assert text.startswith("#!/bin/bash\n") and re.search("^set -e", text, re.MULTILINE)
    assert "pip install --no-cache-dir --no-deps --editable ." in text
    assert "$NB_PYTHON_PREFIX/share/jupyter/lab/settings" in text
    assert "cp binder/overrides.json" in text


def test_settings_of_jupyterlab_exist_there():
    schemas = Path(sys.prefix, "share", "jupyter", "lab", "schemas")
    settings = json.loads((ROOT / "binder" / "overrides.json").read_text())
    for plugin, values in settings.items():
        package, _, name = plugin.partition(":")
        properties = json.loads((schemas / package / f"{name}.json").read_text())[
            "properties"
        ]
        for key, value in values.items():
            assert value in [choice["const"] for choice in properties[key]["oneOf"]]
    kernels = settings["@jupyterlab/apputils-extension:kernels-settings"]
    assert kernels == {"commsOverSubshells": "disabled"}
