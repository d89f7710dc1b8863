"""Imports of labkit point one way, and each module uses the packages it is allowed."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import labkit

FOLDER = Path(labkit.__file__).parent

# A module imports its own row of this list and the rows above it, never one below.
ORDER = CORE, MODEL_FILE, USERS, PANELS, COMMAND = range(5)

# Module or folder of labkit: its row, and what it imports beside the standard library.
ALLOWED = {
    "__init__": (CORE, ""),
    "aciq": (CORE, ""),
    "affine": (CORE, "numpy"),
    "allocation": (CORE, "numpy"),
    "arguments": (CORE, "numpy"),
    "archive": (CORE, "numpy pooch tqdm"),
    "cache": (CORE, ""),
    "clipping": (CORE, "numpy"),
    "children": (CORE, ""),
    "codec": (CORE, "numpy"),
    "coded": (CORE, "numpy"),
    "curvature": (CORE, "numpy"),
    "dark_knowledge": (CORE, "numpy"),
    "data": (CORE, "numpy PIL"),
    "distill": (CORE, "numpy"),
    "divergence": (CORE, "numpy"),
    "ending": (CORE, ""),
    "entropy": (CORE, "numpy"),
    "file_errors": (CORE, ""),
    "files": (CORE, ""),
    "footprint": (CORE, "numpy"),
    "formats": (CORE, "numpy ml_dtypes"),
    "gap": (CORE, "numpy"),
    "gradients": (CORE, "numpy"),
    "grids": (CORE, "numpy"),
    "groups": (CORE, "numpy"),
    "inputs": (CORE, "numpy"),
    "intervals": (CORE, "numpy"),
    "keys": (CORE, "numpy"),
    "kmeans": (CORE, "numpy"),
    "likeness": (CORE, "numpy"),
    "memory": (CORE, ""),
    "live": (CORE, "numpy"),
    "lowrank": (CORE, "numpy"),
    "optima": (CORE, "numpy"),
    "packing": (CORE, "numpy"),
    "prune": (CORE, "numpy"),
    "quantize": (CORE, "numpy"),
    "ranges": (CORE, "numpy"),
    "reading": (CORE, "numpy"),
    "rounding": (CORE, "numpy"),
    "seeds": (CORE, "scipy"),
    "sparse": (CORE, "numpy"),
    "words": (CORE, ""),
    "vouched": (CORE, ""),
    "branches": (MODEL_FILE, ""),
    "channels": (MODEL_FILE, "numpy"),
    "clipped": (MODEL_FILE, "numpy"),
    "compress": (MODEL_FILE, "numpy"),
    "contents": (MODEL_FILE, "numpy ai_edge_litert"),
    "deploy": (MODEL_FILE, "numpy ai_edge_quantizer"),
    "factorized": (MODEL_FILE, "numpy"),
    "folding": (MODEL_FILE, "numpy ai_edge_litert"),
    "graph": (MODEL_FILE, "numpy ai_edge_litert"),
    "insertion": (MODEL_FILE, "numpy ai_edge_litert"),
    "integer": (MODEL_FILE, "numpy ai_edge_litert"),
    "latency": (MODEL_FILE, "numpy"),
    "layer_inputs": (MODEL_FILE, "numpy"),
    "ledger": (MODEL_FILE, "numpy"),
    "measure": (MODEL_FILE, "numpy"),
    "mixed": (MODEL_FILE, "numpy"),
    "modelfile": (MODEL_FILE, "numpy ai_edge_litert flatbuffers"),
    "network": (MODEL_FILE, "numpy"),
    "probe": (MODEL_FILE, ""),
    "pruned": (MODEL_FILE, "numpy"),
    "rank_choice": (MODEL_FILE, "numpy"),
    "rank_costs": (MODEL_FILE, "numpy ai_edge_litert"),
    "rank_sensitivity": (MODEL_FILE, "numpy"),
    "recipes": (MODEL_FILE, "ai_edge_quantizer"),
    "repair": (MODEL_FILE, "numpy"),
    "responses": (MODEL_FILE, "numpy"),
    "sensitivity": (MODEL_FILE, "numpy"),
    "removal": (MODEL_FILE, "numpy"),
    "resizing": (MODEL_FILE, "numpy"),
    "runtime": (MODEL_FILE, "numpy ai_edge_litert"),
    "splitting": (MODEL_FILE, ""),
    "students": (MODEL_FILE, "numpy"),
    "structured": (MODEL_FILE, "numpy"),
    "surgery": (MODEL_FILE, "numpy ai_edge_litert flatbuffers"),
    "trial": (MODEL_FILE, "numpy"),
    "activations": (MODEL_FILE, "numpy"),
    "post_training": (MODEL_FILE, "numpy"),
    "checks": (USERS, "numpy"),
    "plots": (USERS, "numpy matplotlib"),
    "inner_filters": (USERS, ""),
    "train": (USERS, "numpy keras tensorflow tqdm"),
    "unit_choice": (USERS, "numpy"),
    "zoo": (USERS, "numpy"),
    "panels": (PANELS, "numpy ipywidgets IPython"),
    "__main__": (COMMAND, ""),
}
# The one import of Keras outside train/: (module, function, package).
INSIDE_A_FUNCTION = {("zoo", "keras_model", "keras")}
NEVER = {"matplotlib.pyplot"}


def module_name(path: Path) -> str:
    """labkit/plots/base.py -> "plots.base", labkit/plots/__init__.py -> "plots"."""
    parts = path.relative_to(FOLDER).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path.read_text("utf-8") for path in FOLDER.rglob("*.py")}


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


def problems(module: str, source: str) -> list[str]:
    """A sentence for every import that `module` of labkit must not have."""
    room = module.partition(".")[0]
    if room not in ALLOWED:
        return [
            f"labkit.{module} is in no row of ALLOWED in tests/test_imports.py: add it"
        ]
    row, packages = ALLOWED[room]
    found = []
    for function, name in sorted(imports(source)):
        package, _, rest = name.partition(".")
        if (room, function, package) in INSIDE_A_FUNCTION:
            continue
        if package == "labkit":
            other = rest.partition(".")[0]
            allowed = other in ALLOWED and ALLOWED[other][0] <= row
        else:
            allowed = package in sys.stdlib_module_names or package in packages.split()
        if not allowed or any(f"{name}.".startswith(f"{never}.") for never in NEVER):
            found.append(f"labkit.{module} imports {name}")
    return found


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_a_module_imports_what_it_may(module):
    assert problems(module, SOURCES[module]) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("quantize", "import tensorflow as tf"),
        ("quantize", "from labkit import network"),
        ("quantize", "from labkit.network import Network"),
        ("network", "def lazily():\n    from labkit import zoo"),
        ("network", "if True:\n    import matplotlib"),
        ("zoo", "import keras"),
        ("zoo", "def load():\n    import keras"),
        ("zoo", "from labkit.panels import base"),
        ("plots.base", "from matplotlib import pyplot as plt"),
        ("plots.base", "import matplotlib.pyplot"),
        ("plots.base", "import ipywidgets"),
        ("panels.base", "from matplotlib.figure import Figure"),
        ("checks.base", "from .predictions import Predictions"),
        ("a_new_module", ""),
    ],
)
def test_a_forbidden_import_is_seen(module, source):
    assert len(problems(module, source)) == 1


def test_keras_stands_inside_the_one_function():
    assert problems("zoo", "def keras_model(name):\n    import keras") == []
    assert ("keras_model", "keras") in imports(SOURCES["zoo"])


def target(name: str) -> str:
    """The module of labkit that an import reads: "labkit.zoo.load" -> "zoo"."""
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in SOURCES:
        parts.pop()
    return ".".join(parts) or "__init__"


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        module: {
            target(name) for _, name in imports(source) if name.startswith("labkit.")
        }
        for module, source in SOURCES.items()
    }
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("data") < order.index("zoo") < order.index("__main__")


def test_exploring_loads_no_tensorflow():
    names = [
        f"labkit.{module}"
        for module in SOURCES
        if module.partition(".")[0] not in ("train", "__main__", "__init__")
    ]
    code = "\n".join(
        [
            "import importlib, sys",
            f"for name in {names}: importlib.import_module(name)",
            "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
