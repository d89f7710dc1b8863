"""No lesson hangs on its machine: on how fast it is, on how far it trains."""

import ast
import re
import sys

import pytest
from lesson_flow import Flow

from labkit.checks.relations import shown
from labkit.zoo.datasets import ROOT

sys.path.insert(0, str(ROOT / "notebooks"))
import build  # noqa: E402

SOURCES = build.sources()
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
TIME = re.compile(r"\btime\b|latenc|(?:^|_)us$|µs|seconds|faster|slower|perf_counter")
# Parts of a ledger that are no times.
COUNTED = re.compile("byte|mac|parameter|bits|smaller|fewer|difference", re.I)
# What holds after any number of steps of a live training, and why.
ALWAYS = {
    "assert weights - left == round(SPARSE * weights)",  # masks are kept at every step
    "assert smaller < 32 / trained.bits",  # bytes follow from shapes and bits
}


def called(node: ast.AST) -> str:
    """What a call calls; nothing for another node."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def is_timed(node: ast.AST) -> bool:
    return bool(TIME.search(called(node).rpartition(".")[2]))


def is_live(node: ast.AST) -> bool:
    """A live training, or a panel set to one."""
    name = called(node)
    words = {word.arg for word in getattr(node, "keywords", ())}
    return name.startswith("live.") or (name == "panel.set" and "steps" in words)


def is_distilled(node: ast.AST) -> bool:
    """A move of the distillation panel, which trains."""
    return is_live(node) or called(node) == "panel.set"


def trainings(code: str) -> Flow:
    """Where live trainings flow to in a lesson."""
    return Flow(is_distilled if "distillation_panel(" in code else is_live)


TIMES = Flow(
    is_timed,
    lambda text: bool(TIME.search(text)),
    lambda text: bool(COUNTED.search(text)),
)


def code_of(source) -> str:
    cells = build.read_source(source).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


@each_source
def test_no_lesson_asserts_a_time(source):
    assert TIMES.asserts(code_of(source)) == []


@each_source
def test_no_lesson_asserts_what_a_live_training_reached(source):
    code = code_of(source)
    assert set(trainings(code).asserts(code)) <= ALWAYS


@pytest.mark.parametrize(
    "code",
    [
        "t = latency(files)\nassert t['a'].median_us < 3",
        "t = latency(files)\nassert t['a'] < t['b']",
        "rows = {k: (1, times[k].median_us) for k in 'ab'}\n"
        "ledger = pd.DataFrame(rows)\nledger['times faster'] = 1 / ledger\n"
        "faster = ledger['times faster'].unstack()\nassert faster.min() > 1",
        "def took(f):\n    start = time.perf_counter()\n    f()\n"
        "    return time.perf_counter() - start\nassert took(f) < took(g)",
        "for t in latency(files).values():\n    found.append(t)\n"
        "np.testing.assert_array_less(found[0], found[1])",
        "assert rows[0].latency.median_us < 9",
    ],
)
def test_an_asserted_time_is_found(code):
    assert len(TIMES.asserts(code)) == 1


@pytest.mark.parametrize(
    "code",
    [
        "rows = [replace(r, us=t) for r, t in zip(rows, latency(files).values())]\n"
        "assert rows[1].size_bytes < 3 and len({row.bits for row in rows}) == 1",
        "cost = pd.DataFrame(latency(f))\nassert (cost[['bytes', 'MACs']] > 1).all()",
        "t = latency(files)\nprint(t)\nassert sizes[0] < sizes[1]",
    ],
)
def test_what_is_no_time_may_be_asserted(code):
    assert TIMES.asserts(code) == []


def test_an_asserted_training_is_found():
    code = "p = live.result(live.pruning('mlp', 0.9, 5))\nassert judge(p) > 0.9"
    assert len(trainings(code).asserts(code)) == 1
    code = "r = panel.set(steps=80)\nvalue = r.trained_accuracy.value\nassert value > 1"
    assert len(trainings(code).asserts(code)) == 1


@each_source
def test_a_page_says_which_figures_are_its_machine_s(source):
    """Near each cell that times or trains live, prose names the machine."""
    cells = build.read_source(source).cells
    source_of = trainings(code_of(source)).source
    for place, cell in enumerate(cells):
        if cell.cell_type != "code":
            continue
        nodes = list(ast.walk(ast.parse(cell.source)))
        if any(is_timed(node) or source_of(node) for node in nodes):
            near = cells[max(0, place - 12) : place + 9]
            prose = " ".join(c.source for c in near if c.cell_type == "markdown")
            assert re.search(r"\bmachine\b|\bprocessor\b", prose), cell.source


def test_a_relation_that_does_not_hold_is_said():
    text = shown({"A takes longer": True, "B takes longer": False})
    assert text.splitlines() == [
        "this run shows: A takes longer",
        "this run does NOT show: B takes longer",
    ]
