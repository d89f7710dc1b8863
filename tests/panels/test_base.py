"""Panels without a browser: every control to its ends, and nothing lost on the way."""

import ast
import hashlib
import json
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from drive_controls import WAIT, few_images, turn
from long import quick
from recomputed.quantization import direct

from labkit import measure, panels
from labkit.common.file_errors import FileError
from labkit.panels import base, measuring, page
from labkit.panels.base import Panel
from labkit.panels.controls import Control
from labkit.panels.quantization.panel import SPEC, quantization_panel
from labkit.panels.quantization.report import lines
from labkit.panels.spec import PanelSpec
from labkit.panels.worker import LatestWins
from labkit.plots.plane import Point
from labkit.quantize import level_grids
from labkit.zoo import networks

NETWORKS = [
    name for name in networks.NAMES if (networks.FOLDER / f"{name}.tflite").exists()
]
SMALL = 300


@pytest.fixture
def small_test_set(monkeypatch):
    """The first images of each test set: a large network's 10,000 take seconds."""
    few_images(monkeypatch, SMALL, "test")


def shown(result):
    return {p.kind: (p.accuracy, p.size_bytes) for p in result.points}


GRIDS = [
    (kind, bits) for kind, grid in level_grids.GRIDS.items() for bits in grid.bits[:2]
]


@pytest.mark.parametrize(("kind", "bits"), GRIDS)
def test_every_grid_has_its_widths_and_its_ticks(kind, bits, small_test_set):
    panel = quantization_panel("mlp", bits=7)
    turn(panel, panel.spec.controls[1], kind)
    assert panel.control("bits").value in level_grids.GRIDS[kind].bits
    result = panel.set(bits=bits)
    assert shown(result) == direct(result.settings)
    assert result.settings["rule"] == "own"
    assert "no deployable file: No runtime here has kernels" in lines(result)[-1]
    w_hat = result.compressed.network.kernels[result.histogram.layer]
    coarsest = result.histogram.grids[0]
    ends = -coarsest.lowest, coarsest.highest
    assert max(ends) == np.abs(w_hat).max()
    assert coarsest.levels == len(coarsest.values) <= 2**bits
    panel.set(grid="uniform", bits=16)
    assert panel.control("bits").max == 16 and panel.settings["rule"] == "minmax"


def test_blocks_of_64_cost_less_and_have_no_deployable_file(small_test_set):
    panel = quantization_panel("mlp", granularity="block")
    of_32, of_64 = panel.set(), panel.set(block=64)
    assert shown(of_64) == direct(of_64.settings)
    assert of_64.compressed.size_bytes < of_32.compressed.size_bytes
    assert "blocks of 32" in lines(of_64)[-1] and "block of 64" in lines(of_64)[0]


def test_all_10_000_images_at_the_default():
    panel = quantization_panel("mlp")
    result = panel.set()
    assert {point.n for point in result.points} == {10_000}
    assert all(point.exact for point in result.points)
    assert shown(result) == direct(panel.settings)
    assert set(result.latency) == {"float32", "deployable"}
    assert result.deflated["packed"] < result.compressed.size_bytes


def test_nothing_runs_twice(monkeypatch):
    ran = []

    class Counted:
        def __init__(self, seed):
            self.seed = seed

        def to_bytes(self):
            return f"a model that no other test has, {self.seed}".encode()

    def refine(runnable, split, stages, cancelled):
        for stage in stages:
            ran.append(stage)
            end = len(split) if stage is None else stage
            yield measure.Accuracy(split.labels[:end] == 1, split.index[:end])

    monkeypatch.setattr("labkit.measure.correctness.refine", refine)
    split = networks.dataset("mlp").test
    stages = (250, 1000, None)

    def sizes(model, take):
        found = measuring.growing(model, split, stages, lambda: False)
        return [accuracy.n for accuracy in islice(found, take)]

    assert sizes(Counted(1), 1) == [250] and ran == [250]
    assert sizes(Counted(1), 2) == [250, 1000] and ran == [250, 1000]
    assert sizes(Counted(1), 3) == [250, 1000, 10_000] and ran == [250, 1000, 10_000]
    assert sizes(Counted(1), 3) == [10_000] * 3 and ran == [250, 1000, 10_000]
    assert sizes(Counted(2), 1) == [250] and ran[3:] == [250]


@pytest.mark.parametrize("name", quick(NETWORKS, "mlp"))
def test_why_there_is_no_deployable_file(name, small_test_set):
    for settings in ({"bits": 5}, {"layers": ()}):
        *_, result = SPEC.positions(network=name, **settings)
        assert result.unavailable in lines(result)[-1]
        assert "deployable" not in shown(result)


def test_settings_cannot_be_changed_from_outside():
    seen = []
    panel, _ = toy(lambda x, cancelled: iter([x]))
    panel.set(x=3)
    with pytest.raises(TypeError, match="does not support item assignment"):
        panel.settings["x"] = 4
    spec = replace(
        panel.spec, compute=lambda settings, cancelled: seen.append(settings) or [1]
    )
    assert list(spec.positions()) == [1] and list(spec.positions(x=7)) == [1]
    assert [dict(settings) for settings in seen] == [{"x": 5}, {"x": 7}]
    with pytest.raises(ValueError, match="x is 101: give a whole number from 0 to 100"):
        spec.positions(x=101)


def test_a_constructor_is_named_and_says_what_it_takes():
    panel = panels.quantization_panel("lenet5", bits=3)
    assert panel.settings["network"] == "lenet5" and panel.settings["bits"] == 3
    assert panels.quantization_panel().settings["network"] == "mlp"
    assert panels.budget_panel().settings["network"] == "resnet8"
    for name in panels.__all__:
        made = getattr(panels, name)
        assert made.__name__ == name and made.__doc__


def test_nothing_is_guessed_where_nothing_is_measured():
    with pytest.raises(ValueError, match="temperature panel measures nothing to guess"):
        panels.temperature_panel("mlp", guess=0.5)
    panel = panels.temperature_panel("mlp")
    with pytest.raises(ValueError, match="measures nothing to guess"):
        panel.guess = 0.5


@pytest.mark.parametrize("guess", [-0.1, 1.5, 93])
def test_a_guess_is_an_accuracy(guess):
    with pytest.raises(ValueError, match="give an accuracy from 0 to 1"):
        quantization_panel("mlp", guess=guess)


def test_saving_before_anything_is_shown():
    with pytest.raises(ValueError, match="nothing to save yet"):
        quantization_panel("mlp").save()


def test_both_files_are_saved_or_none(tmp_path):
    panel = quantization_panel("mlp")
    panel.set(bits=4)
    packed, deployable = panel.save(tmp_path)
    packed.write_bytes(b"of before")
    deployable.unlink()
    deployable.mkdir()
    with pytest.raises(FileError, match=f"{deployable} cannot be written: a folder"):
        panel.save(tmp_path)
    assert packed.read_bytes() == b"of before"
    assert sorted(tmp_path.iterdir()) == sorted([packed, deployable])
    panel.set(bits=5)
    (only,) = panel.save(tmp_path / "new")
    assert only.name == "mlp-5bit-channel-minmax.packed"


def test_a_button_that_fails_says_so():
    panel, _ = toy(lambda x, cancelled: iter([x]))
    panel.button("Save files").click()
    assert "ValueError: there is nothing to save yet: show the panel" in panel.readout
    assert 'role="alert"' in panel.readout


@pytest.mark.parametrize("name", quick(NETWORKS, "mlp"))
def test_figures_follow_the_weights_on_disk(
    name, tmp_path, monkeypatch, small_test_set
):
    folder = tmp_path / "models"
    shutil.copytree(networks.FOLDER, folder, ignore=shutil.ignore_patterns("*.keras"))
    monkeypatch.setattr("labkit.zoo.networks.FOLDER", folder)
    panel = quantization_panel(name, bits=8)
    before = panel.set()

    network = networks.load(name)
    last = list(network.kernels)[-1]
    own = [key for key in network.weights if key.startswith(f"{last}/")]
    changed = network.with_weights(
        {key: np.zeros_like(network.weights[key]) for key in own}
    )
    changed.save(folder / f"{name}.tflite")
    record = json.loads((folder / f"{name}.json").read_text())
    record["sha256"] = hashlib.sha256(changed.to_bytes()).hexdigest()
    (folder / f"{name}.json").write_text(json.dumps(record))

    after = panel.set()
    zeros = float((networks.dataset(name).test.labels == 0).mean())
    accuracies = {kind: accuracy for kind, (accuracy, _) in shown(after).items()}
    assert set(accuracies) == {"float", "packed", "deployable"}
    assert set(accuracies.values()) == {zeros}
    assert shown(after) == direct(panel.settings)
    assert after.deflated["packed"] < before.deflated["packed"]


def test_a_damaged_file_on_disk_is_an_error_in_sight(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    shutil.copytree(networks.FOLDER, folder, ignore=shutil.ignore_patterns("*.keras"))
    panel = quantization_panel("mlp")
    panel.set()
    monkeypatch.setattr("labkit.zoo.networks.FOLDER", folder)
    (folder / "mlp.tflite").write_bytes(b"not a model")
    panel.control("bits").value = 7
    with pytest.raises(networks.NetworkError, match="truncated or changed"):
        panel.wait(WAIT)
    assert "NetworkError" in panel.readout


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = """
import sys
heavy = {"matplotlib", "ai_edge_quantizer", "scipy", "tensorflow"}
from labkit.panels.quantization.panel import SPEC
next(SPEC.positions())
print(sorted(heavy & set(sys.modules)))
*_, result = SPEC.positions()
print(sorted(heavy & set(sys.modules) - {"scipy"}), result.deployed.size_bytes > 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "['ai_edge_quantizer'] True"], done.stderr


# The wiring, with a lesson that computes nothing


def toy(compute, **extra):
    """A panel of one slider, `x` from 0 to 100, and the list of what was drawn."""
    pictures = []

    def points(value):
        def point(kind, size):
            return Point(f"x {value}", "toy", kind, 0.5, 0.4, 0.6, 10, size, True)

        return (point("float", 1000), point("packed", value + 1))

    def draw(figure, result, marks):
        pictures.append((result, marks))

    spec = PanelSpec(
        title="toy",
        controls=(Control("x", "X", range(101), default=5), *extra.get("controls", ())),
        compute=lambda settings, cancelled: compute(**settings, cancelled=cancelled),
        draw=draw,
        points=points,
        lines=lambda value: [f"x is {value}"],
        state=lambda value: f"drawn {value}",
        ledger=lambda value: ([], []),
        files=lambda value: {},
        code=lambda settings: f"x = {settings['x']}",
        prepare=extra.get("prepare"),
    )
    return Panel(spec), pictures


@pytest.fixture
def on_page(monkeypatch):
    """What a displayed panel has put on the page, in order."""
    found = []
    monkeypatch.setattr(base, "display", lambda widget: found.append("controls"))

    class Handle:
        def display(self, data, **_):
            found.append(next(iter(data)))

        def update(self, data, **_):
            found.append(f"new {next(iter(data))}")

    monkeypatch.setattr(base, "DisplayHandle", Handle)
    return found


def test_a_first_estimate_is_on_the_page_while_the_rest_is_computed(on_page):
    seen = []

    def compute(x, cancelled):
        yield x
        seen.extend(on_page)
        yield x * 10

    panel, pictures = toy(compute)
    panel.show()
    assert seen == ["controls", "image/png", "text/html"]
    assert on_page[3:] == ["new image/png", "new text/html"]
    assert [result for result, _ in pictures] == [5, 50] and panel.result == 50


def test_an_error_after_the_first_estimate_is_on_the_page_and_in_the_cell(on_page):
    def compute(x, cancelled):
        yield x
        raise ArithmeticError("too much")

    panel, _ = toy(compute)
    with pytest.raises(ArithmeticError, match="too much"):
        panel.show()
    assert on_page == ["controls", "image/png", "text/html"]
    assert "ArithmeticError: too much — at x=5" in panel.readout


def test_a_panel_prepares_in_a_thread_and_its_error_is_not_lost():
    asked, done = [], threading.Event()

    def prepare(settings):
        asked.append((settings, threading.current_thread()))
        done.set()
        raise OSError("no data")

    def compute(x, cancelled):
        raise OSError("no data")
        yield

    panel, _ = toy(compute, prepare=prepare)
    assert done.wait(WAIT)
    assert asked[0][0] == {"x": 5} and asked[0][1] is not threading.current_thread()
    with pytest.raises(OSError, match="no data"):
        panel.set()


def test_compute_without_a_front_end():
    panel, pictures = toy(lambda x, cancelled: iter([x, x * 10]))
    assert panel.set(x=7) == 70
    assert [result for result, _ in pictures] == [70]
    assert panel.set() == 70 and panel.settings == {"x": 7}
    assert panel.control("x").value == 7 and panel.code == "x = 7"


def test_set_runs_in_the_thread_that_calls_it():
    seen = []

    def compute(x, cancelled):
        seen.append(threading.current_thread())
        yield x

    panel, _ = toy(compute)
    panel.set(x=1)
    panel.control("x").value = 2
    panel.wait(WAIT)
    assert seen[0] is threading.current_thread() and seen[1].name == "panel toy"


def test_an_error_reaches_the_driver_and_the_page():
    def compute(x, cancelled):
        yield x
        if x > 50:
            raise ArithmeticError(f"{x} <is> too much")

    panel, _ = toy(compute)
    with pytest.raises(ArithmeticError, match="60 <is> too much"):
        panel.set(x=60)
    assert "ArithmeticError: 60 &lt;is&gt; too much — at x=60" in panel.readout
    panel.control("x").value = 70
    with pytest.raises(ArithmeticError, match="70 <is> too much"):
        panel.wait(WAIT)
    assert "at x=70" in panel.readout and 'role="alert"' in panel.readout
    panel.control("x").value = 3
    assert panel.wait(WAIT) == 3 and "drawn 3" in panel.readout


def test_the_latest_setting_wins():
    started = []
    gate, inside = threading.Event(), threading.Event()

    def compute(x, cancelled):
        started.append(x)
        if x == 10:
            inside.set()
            gate.wait(WAIT)
        yield x
        while x != 40 and not cancelled():
            time.sleep(0.001)
        if not cancelled():
            yield x * 100

    panel, pictures = toy(compute)
    panel.control("x").value = 10
    assert inside.wait(WAIT)
    for x in range(11, 41):
        panel.control("x").value = x
    gate.set()
    assert panel.wait(WAIT) == 4000
    assert started == [10, 40]
    assert [result for result, _ in pictures] == [10, 40, 4000]
    assert "drawn 4000" in panel.readout


def test_a_new_setting_cancels_the_old_one():
    seen = threading.Event()
    ended = []

    def compute(x, cancelled):
        yield x
        seen.set()
        while x == 1 and not cancelled():
            time.sleep(0.001)
        ended.append((x, cancelled()))
        if not cancelled():
            yield -x

    panel, _ = toy(compute)
    panel.control("x").value = 1
    assert seen.wait(WAIT)
    panel.control("x").value = 2
    assert panel.wait(WAIT) == -2
    assert ended == [(1, True), (2, False)]


def test_a_slow_worker_never_draws_over_a_newer_set():
    gate = threading.Event()
    inside = threading.Event()

    def compute(x, cancelled):
        if x == 1:
            inside.set()
            gate.wait(WAIT)
        yield x

    panel, pictures = toy(compute)
    panel.control("x").value = 1
    assert inside.wait(WAIT)
    assert panel.set(x=2) == 2
    gate.set()
    assert panel.wait(WAIT) == 2
    assert [result for result, _ in pictures] == [2]


def test_set_is_exact_even_when_a_reader_moves_on():
    gate, inside = threading.Event(), threading.Event()

    def compute(x, cancelled):
        if x == 1:
            inside.set()
            gate.wait(WAIT)
        assert not cancelled()
        yield x

    panel, pictures = toy(compute)
    returned = []
    driver = threading.Thread(target=lambda: returned.append(panel.set(x=1)))
    driver.start()
    assert inside.wait(WAIT)
    panel.control("x").value = 2
    assert panel.wait(WAIT) == 2
    gate.set()
    driver.join(WAIT)
    assert returned == [1] and panel.result == 2
    assert [result for result, _ in pictures] == [2]


def test_no_thread_before_the_first_event_and_none_after_the_last():
    def names():
        return [thread.name for thread in threading.enumerate()]

    panel, _ = toy(lambda x, cancelled: iter([x]))
    panel.set(x=2)
    assert "panel toy" not in names()
    panel.control("x").value = 3
    panel.wait(WAIT)
    assert panel.result == 3


def test_waiting_has_an_end():
    gate = threading.Event()
    worker = LatestWins("waiting")
    worker.submit(lambda claim: gate.wait(WAIT))
    with pytest.raises(TimeoutError, match="waiting is still busy"):
        worker.wait(0.01)
    gate.set()
    worker.wait(WAIT)


def test_trail_pin_and_reset():
    panel, pictures = toy(lambda x, cancelled: iter([x]))
    for x in (1, 2, 3):
        panel.set(x=x)
    assert [p.name for p in pictures[-1][1].trail] == ["x 1", "x 2"]
    panel.pin()
    panel.set(x=4)
    assert [p.name for p in pictures[-1][1].pinned] == ["x 3"]
    panel.set(x=3)
    panel.pin()
    assert pictures[-1][1].pinned == ()
    panel.pin()
    assert panel.reset() == 5 and panel.settings == {"x": 5}
    assert pictures[-1][1].pinned == pictures[-1][1].trail == ()


def test_the_trail_is_bounded():
    panel, pictures = toy(
        lambda x, y, cancelled: iter([101 * y + x]),
        controls=(Control("y", "Y", range(5)),),
    )
    for y in range(4):
        for x in range(101):
            panel.set(x=x, y=y)
    assert len(pictures[-1][1].trail) == 299


def test_a_guess_is_drawn():
    panel, pictures = toy(lambda x, cancelled: iter([x]))
    panel.guess = 0.25
    assert pictures == []
    panel.set()
    panel.guess = 0.75
    assert [marks.guess for _, marks in pictures] == [0.25, 0.75]


def test_buttons_work_without_a_mouse():
    panel, pictures = toy(lambda x, cancelled: iter([x]))
    panel.set(x=9)
    panel.button("Pin").click()
    assert [p.name for p in pictures[-1][1].pinned] == ["x 9"]
    panel.button("Reset").click()
    assert panel.wait(WAIT) == 5 and pictures[-1][1].pinned == ()


def test_a_fold_shows_and_hides_its_content():
    code = page.code_box()
    button = page.fold("Code", "code", code)
    for unfolded, display in ((False, "none"), (True, None), (False, "none")):
        button.value = unfolded
        assert code.layout.display == display


def test_a_driver_asks_by_name_and_is_told_the_names():
    panel, _ = toy(lambda x, cancelled: iter([x]))
    with pytest.raises(ValueError, match="there is no setting 'y': x can be set"):
        panel.control("y")
    with pytest.raises(ValueError, match="no button 'Cancel': Pin, Reset, Measure"):
        panel.button("Cancel")
    assert panel.code == "" and panel.control("x").value == 5
    panel.set(x=3)
    assert panel.control("x").value == 3 and panel.code == "x = 3"


def private_members(tree):
    """The private names that a test's code asks of anything but `self`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    } | {
        node.args[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in BY_NAME
        and len(node.args) > 1
        and isinstance(node.args[1], ast.Constant)
    }


BY_NAME = ("setattr", "getattr", "delattr")


def test_no_test_touches_a_private_member_of_a_panel():
    panel, _ = toy(lambda x, cancelled: iter([x]))
    private = {n for n in dir(panel) if n.startswith("_") and not n.endswith("__")}
    assert {"_worker", "_show", "_ipython_display_"} <= private
    code = "panel._worker.claim(); monkeypatch.setattr(panel, '_say', print)"
    assert private_members(ast.parse(code)) == {"_worker", "_say"}
    tests = Path(__file__).parents[1]
    for file in tests.rglob("*.py"):
        if "labkit.panels" in (text := file.read_text(encoding="utf-8")):
            found = private_members(ast.parse(text)) & private
            assert not found, f"{file.name}: {found}"


def test_the_ledger_table():
    result = quantization_panel("mlp", bits=5).set()
    rows, notes = quantization_panel("mlp").spec.ledger(result)
    html = page.ledger_html(rows, ["a < b"])
    assert f"{result.compressed.size_bytes:,}" in html and "a &lt; b" in html
    assert result.unavailable.rstrip(".") in html
    assert page.PENDING not in html and notes
    first = next(SPEC.positions(network="mlp", bits=5))
    rows, notes = quantization_panel("mlp").spec.ledger(first)
    assert page.PENDING in page.ledger_html(rows, notes)
