"""Rooms of labkit: imports point one way, and each room has one door."""

import ast
import importlib
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import labkit

ROOT = Path(labkit.__file__).parent.parent
FOLDER = ROOT / "labkit"

# A room imports rooms of lower rows, and of its own row as long as there is no circle.
ROWS = (
    "common",
    "quantize prune lowrank distill",
    "packed model integer measure",
    "compress zoo",
    "train plots checks",
    "panels",
    "__main__",
)
# What a room imports beside the standard library and labkit.
PACKAGES = {
    "common": "numpy",
    "quantize": "numpy ml_dtypes",
    "prune": "numpy",
    "lowrank": "numpy",
    "distill": "numpy",
    "packed": "numpy",
    "model": "numpy ai_edge_litert flatbuffers",
    "integer": "numpy ai_edge_litert",
    "measure": "numpy scipy ai_edge_litert",
    "compress": "numpy ai_edge_litert ai_edge_quantizer",
    "zoo": "numpy PIL pooch tqdm",
    "train": "numpy keras tensorflow tqdm",
    "plots": "numpy matplotlib",
    "checks": "numpy",
    "panels": "numpy ipywidgets IPython",
    "__main__": "",
}
# The one import of Keras outside train/: (room, function, package).
INSIDE_A_FUNCTION = {("zoo", "keras_model", "keras")}
NEVER = {"matplotlib.pyplot"}


ROW = {room: i for i, rooms in enumerate(ROWS) for room in rooms.split()}


def module_name(path: Path) -> str:
    """labkit/plots/base.py -> "plots.base", labkit/plots/__init__.py -> "plots"."""
    parts = path.relative_to(FOLDER).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path.read_text("utf-8") for path in FOLDER.rglob("*.py")}
ROOMS = sorted(set(PACKAGES) - {"__main__"})


def room_of(module: str) -> str:
    """ "plots.base" -> "plots"."""
    return module.partition(".")[0]


def imports(source: str) -> set[tuple[str, str]]:
    """Every import of a module, as (the function it stands in or "", the dotted name).

    `from a import b` counts as "a.b", wherever it stands.
    """
    found = set()

    def visit(node, function):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.Import):
            found.update((function, alias.name) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            dots = "." * node.level + (node.module or "")
            found.update((function, f"{dots}.{alias.name}") for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child, function)

    visit(ast.parse(source), "")
    return found


def target(name: str) -> str:
    """The module of labkit that an import reads: "labkit.zoo.load" -> "zoo"."""
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in SOURCES:
        parts.pop()
    return ".".join(parts) or "__init__"


def problems(module: str, source: str) -> list[str]:
    """A sentence for every import that `module` of labkit must not have."""
    room, found = room_of(module), []
    if room not in ROW:
        return [f"labkit.{module} is in no room: name its room in ROWS and PACKAGES"]
    for function, name in sorted(imports(source)):
        package = name.partition(".")[0]
        if (room, function, package) in INSIDE_A_FUNCTION:
            continue
        if package == "labkit":
            other = room_of(target(name))
            allowed = ROW.get(other, 99) <= ROW[room]
            if other == room and target(name) == room != module:
                allowed = False  # a file goes to its own room's files, not to its door
        else:
            allowed = package in sys.stdlib_module_names
            allowed = allowed or package in PACKAGES[room].split()
        if not allowed or any(f"{name}.".startswith(f"{never}.") for never in NEVER):
            found.append(f"labkit.{module} imports {name}")
    return found


def test_modules_import_what_they_may():
    checked = {
        module: source for module, source in SOURCES.items() if module != "__init__"
    }
    assert [
        p for module, source in checked.items() for p in problems(module, source)
    ] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("quantize.affine", "import tensorflow as tf"),
        ("quantize.affine", "from labkit import model"),
        ("quantize.affine", "from labkit.model.network import Network"),
        ("quantize.affine", "from labkit import quantize"),
        ("model.network", "def lazily():\n    from labkit import zoo"),
        ("model.network", "if True:\n    import matplotlib"),
        ("measure.correctness", "from labkit.zoo.datasets import load_images"),
        ("zoo.networks", "import keras"),
        ("zoo.networks", "def load():\n    import keras"),
        ("zoo.networks", "from labkit.panels import base"),
        ("plots.base", "from matplotlib import pyplot as plt"),
        ("plots.base", "import matplotlib.pyplot"),
        ("plots.base", "import ipywidgets"),
        ("checks.base", "from labkit.panels.words import points"),
        ("panels.base", "from matplotlib.figure import Figure"),
        ("checks.base", "from .predictions import Predictions"),
        ("a_new_module", ""),
    ],
)
def test_a_forbidden_import_is_seen(module, source):
    assert len(problems(module, source)) == 1


def test_keras_stands_inside_the_one_function():
    assert problems("zoo.networks", "def keras_model(name):\n    import keras") == []
    assert ("keras_model", "keras") in imports(SOURCES["zoo.networks"])


def graph(of) -> dict[str, set[str]]:
    """What imports what, by `of`: module -> its name in the graph."""
    found = {}
    for module, source in SOURCES.items():
        if module == "__init__":
            continue
        names = {of(target(n)) for _, n in imports(source) if n.startswith("labkit.")}
        found.setdefault(of(module), set()).update(names - {of(module), "__init__"})
    return found


def test_no_files_import_each_other_in_a_circle():
    order = list(TopologicalSorter(graph(lambda module: module)).static_order())
    assert order.index("zoo.datasets") < order.index("zoo.networks")


def test_no_rooms_import_each_other_in_a_circle():
    order = list(TopologicalSorter(graph(room_of)).static_order())
    assert order.index("common") < order.index("measure") < order.index("panels")


def test_the_rooms_are_those_that_labkit_states():
    entries = {path.name for path in FOLDER.iterdir()} - {"__pycache__"}
    assert entries == {"__init__.py", "__main__.py", *labkit.ROOMS}
    assert set(labkit.ROOMS) == set(PACKAGES) - {"__main__"} == set(ROW) - {"__main__"}
    for room in labkit.ROOMS:
        assert f"\n    {room} " in labkit.__doc__


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_says_what_lives_there_and_offers_it(room):
    door = importlib.import_module(f"labkit.{room}")
    assert len(door.__doc__) > 60
    assert door.__all__ and len(set(door.__all__)) == len(door.__all__)
    for name in door.__all__:
        assert getattr(door, name) is not None
    # A file of the same name would hide what the door offers.
    files = {path.stem for path in (FOLDER / room).iterdir()}
    assert not files & set(door.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        door.nothing  # noqa: B018


def loaded(code: str) -> list[str]:
    """Which heavy packages a child has loaded after some code."""
    heavy = (
        "{'tensorflow', 'keras', 'matplotlib', 'ipywidgets', 'ai_edge_litert', 'numpy'}"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys\n{code}\nprint(*sorted({heavy} & set(sys.modules)))",
        ],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_labkit_itself_loads_nothing():
    assert loaded("import labkit") == []


@pytest.mark.parametrize("room", sorted(set(ROWS[1].split()) & set(ROOMS)))
def test_arithmetic_loads_numpy_alone(room):
    assert loaded(f"from labkit.{room} import *") == ["numpy"]


def test_doors_load_nothing_heavy():
    rooms = ", ".join(f"labkit.{room}" for room in ROOMS)
    assert set(loaded(f"import {rooms}")) <= {"numpy"}


def test_exploring_loads_no_tensorflow():
    names = [
        f"labkit.{module}"
        for module in SOURCES
        if room_of(module) not in ("train", "__main__", "__init__")
    ]
    code = f"import importlib\nfor name in {names}: importlib.import_module(name)"
    assert not {"tensorflow", "keras"} & set(loaded(code))


def shown_code() -> dict[str, str]:
    """What readers copy: lessons, and the code that panels hold as text."""
    lessons = sorted((ROOT / "notebooks/src").glob("*.py"))
    found = {path.name: path.read_text("utf-8") for path in lessons}
    for module, source in SOURCES.items():
        if room_of(module) != "panels":
            continue
        for i, text in enumerate(texts(source)):
            lines = [line.strip().removeprefix(">>> ") for line in text.splitlines()]
            lines = [line for line in lines if line.startswith(("from ", "import "))]
            if any(line.startswith("from labkit") for line in lines):
                found[f"{module}, text {i}"] = "\n".join(lines)
    return found


def texts(source: str) -> list[str]:
    """The strings of a file, f-strings with _ for what is filled in."""
    found, parts = [], set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(value) for value in node.values}
            values = [
                v.value if isinstance(v, ast.Constant) else "_" for v in node.values
            ]
            found.append("".join(values))
        elif isinstance(node, ast.Constant) and id(node) not in parts:
            found.append(str(node.value))
    return found


@pytest.mark.parametrize("where", shown_code())
def test_what_readers_copy_imports_from_rooms(where):
    rooms = set(ROOMS)
    for node in ast.walk(ast.parse(shown_code()[where])):
        if isinstance(node, ast.Import):
            assert not [a.name for a in node.names if a.name.startswith("labkit.")]
        if isinstance(node, ast.ImportFrom) and node.module == "labkit":
            assert {alias.name for alias in node.names} <= rooms
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("labkit."):
            room = node.module.removeprefix("labkit.")
            assert room in rooms
            door = importlib.import_module(node.module)
            names = {alias.name for alias in node.names} - {"_"}
            assert names <= set(door.__all__)
