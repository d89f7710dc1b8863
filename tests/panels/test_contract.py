"""What holds for every panel: figures as recomputed, and drawn where they belong.

The clock is a made-up one: how long a file takes is measured in `measure`'s own tests.
"""

from html import escape

import nbformat
import numpy as np
import pytest
from artists import lines_at
from drive_controls import WAIT, all_at_an_end, few_images, nothing_kept, turns
from fake_trainings import fake_distillation, fake_quantized_training
from long import quick
from matplotlib.colors import to_hex
from nbclient import NotebookClient
from panel_cases import CASES, panel_of, spec_of
from recomputed.qat import CALIBRATION

from labkit import panels, zoo
from labkit.common.registries import Row
from labkit.common.words import TERMS
from labkit.measure.timing import Latency
from labkit.model.runtime import Runner
from labkit.packed.compressed import unpack
from labkit.panels import one_by_one, page
from labkit.panels.qat import panel as qat_module
from labkit.panels.qat import report as qat_report
from labkit.plots.base import GREEN, ORANGE, figure
from labkit.plots.plane import KINDS, Marks, describe, height

SMALL = 260  # images: the first estimate has 250
NETWORKS = ("lenet5", "resnet8")
DRAWN = [name for name, case in CASES.items() if case.plane]
TURNED = [(name, "mlp") for name in CASES] + [
    (name, network)
    for name in CASES
    for network in NETWORKS
    if network in spec_of(name).controls[0].values and name not in ("rank",)
]
LENET5 = [(name, "lenet5") for name in DRAWN]
# resnet20 is resnet8 with more of the same blocks: one panel goes there.
MOVES = [(name, "lenet5") for name in CASES if name != "budget"]
MOVES += [("budget", "resnet8"), ("quantization", "resnet8")]
FAR = [(name, case.moves[1]) for name, case in CASES.items()]
FAR = [*dict.fromkeys([*MOVES, *FAR, ("quantization", "resnet20")])]


def latency(models):
    """Each model a time of its own."""
    return {
        name: Latency(10.0 + k, 1, 1, 30, 1, "cpu") for k, name in enumerate(models)
    }


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few images, a made-up clock and made-up trainings; nothing of another test."""
    few_images(monkeypatch, SMALL, "test", "validation")
    monkeypatch.setattr("labkit.measure.timing.latency", latency)
    monkeypatch.setattr(one_by_one, "MACS", 0)
    for module in (qat_module, qat_report):
        monkeypatch.setattr(module, "CALIBRATION_IMAGES", CALIBRATION)
    fake_quantized_training(monkeypatch)
    fake_distillation(monkeypatch)
    with nothing_kept():
        yield


def shown(name, result):
    """Kind -> (accuracy, bytes) of every point."""
    points = spec_of(name).points(result)
    return {p.kind: (p.accuracy, p.size_bytes) for p in points}


def assert_as_recomputed(name, panel, result):
    """Points, readout, state, code and alt text have the recomputed figures."""
    case = CASES[name]
    assert shown(name, result) == case.direct(result.settings)
    points = panel.spec.points(result)
    for point in points:
        assert point.exact or point.kind == "static"  # 16 bits: one by one
        assert f"{100 * point.accuracy:.2f} %" in panel.readout
        if point.kind != "float":
            assert f"{point.size_bytes:,}" in panel.readout
        assert not case.plane or describe(point) in panel.alt
    for text in case.words(result):
        assert text in panel.readout, text
    assert "exact" in panel.readout
    assert not case.plane or f"exact on all {SMALL} test images" in panel.readout
    assert panel.code == panel.spec.code(result.settings)
    compile(panel.code, name, "exec")


def test_every_panel_has_a_case():
    offered = [name for name in panels.__all__ if name.endswith("_panel")]
    assert sorted(f"{name}_panel" for name in CASES) == offered


@pytest.mark.long
@pytest.mark.parametrize(("name", "network"), TURNED)
def test_every_control_to_its_ends(name, network):
    start = CASES[name].start if network == "mlp" else {"layers": None}
    start |= {"steps": 20} if (name, network) == ("qat", "resnet8") else {}
    known = {control.name for control in spec_of(name).controls}
    start = {key: value for key, value in start.items() if key in known}
    panel = panel_of(name, CASES[name], network=network, **start)
    assert_as_recomputed(name, panel, panel.set())
    for result in turns(panel):
        assert_as_recomputed(name, panel, result)


@pytest.mark.parametrize("end", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize("name", CASES)
def test_all_controls_at_an_end(name, end):
    panel = panel_of(name, CASES[name])
    assert_as_recomputed(name, panel, all_at_an_end(panel, end))


@pytest.mark.parametrize("name", CASES)
def test_the_ledger_has_every_file_and_every_figure(name):
    panel = panel_of(name, CASES[name])
    result = panel.set()
    assert set(result.latency) == set(CASES[name].timed)
    assert set(result.latency) <= set(result.deflated)
    rows, notes = panel.spec.ledger(result)
    html = page.ledger_html(rows, notes)
    assert page.PENDING not in html
    files = [row for row in rows if not isinstance(row, tuple)]
    assert len(files) == len(result.deflated)
    for row in files:
        assert f"{row.deflated_bytes:,}" in html and f"{row.size_bytes:,}" in html
    sizes = {size for _, size in shown(name, result).values()}
    assert sizes <= {row.size_bytes for row in files}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [(name, sentence) for name, case in CASES.items() for sentence in case.refused],
)
def test_a_setting_that_does_not_fit_is_one_sentence(name, sentence):
    panel = panel_of(name, CASES[name])
    before = dict(panel.settings)
    with pytest.raises(ValueError) as raised:
        panel.set(**CASES[name].refused[sentence])
    assert str(raised.value).startswith(sentence)
    assert panel.settings == before and "ValueError" in panel.readout


@pytest.mark.parametrize(("name", "other"), quick(FAR, *MOVES))
def test_from_network_to_network(name, other):
    panel = panel_of(name, CASES[name], **CASES[name].moves[0])
    for network in (other, "mlp"):
        panel.control("network").value = network
        result = panel.wait(WAIT)
        assert result.settings["network"] == network
        assert shown(name, result) == CASES[name].direct(result.settings)
        for control in panel.spec.controls:
            choices = control.choices(result.settings)
            if not isinstance(choices, range):
                offered = [value for _, value in panel.control(control.name).options]
                assert offered == list(choices), control.name


@pytest.mark.parametrize(
    ("name", "network"),
    quick([*LENET5, ("quantization", "resnet20")], *LENET5),
)
def test_a_first_estimate_comes_before_everything_slow(name, network, monkeypatch):
    spec = spec_of(name)
    first = next(spec.positions(network=network))
    points = spec.points(first)
    assert {point.n for point in points} == {250} and not first.latency
    assert "estimate on the first 250 of 260" in spec.state(first)
    assert page.PENDING in page.ledger_html(*spec.ledger(first))
    few_images(monkeypatch, 250, "test", "validation")
    wanted = CASES[name].direct(first.settings)
    found = shown(name, first)
    assert found == {kind: wanted[kind] for kind in found}


@pytest.mark.parametrize("name", CASES)
def test_saved_files_are_the_measured_ones(name, tmp_path):
    settings, names = CASES[name].saved
    panel = panel_of(name, CASES[name], **settings)
    result = panel.set()
    paths = panel.save(tmp_path / "new")
    assert [path.name for path in paths] == list(names)
    data = zoo.dataset("mlp")
    split = data.test if CASES[name].plane else data.validation
    measured = {(round(a, 9), size) for a, size in shown(name, result).values()}
    for path in paths:
        content = path.read_bytes()
        runs = content if path.suffix == ".tflite" else unpack(content).to_bytes()
        logits = Runner(runs, batch_size=SMALL).run(split.images)
        right = float(np.mean(logits.argmax(axis=1) == split.labels))
        assert (round(right, 9), len(content)) in measured, path.name


@pytest.mark.parametrize("name", DRAWN)
def test_points_and_marks_are_drawn_at_their_figures(name):
    """First on a frame of its own, then with other figures on the same frame."""
    panel = panel_of(name, CASES[name])
    before, spec = panel.set(), panel.spec
    control = spec.controls[2]
    other = control.choices(panel.settings)[-1]
    result = panel.set(**{control.name: (other,) if control.several else other})
    first = spec.points(before)
    pinned, trail = spec.points(result)[-1], first[-1]
    picture = figure(*spec.size)
    spec.draw(picture, before, Marks())
    marks = Marks(trail=(trail,), pinned=(pinned,), guess=0.5)
    alt = spec.draw(picture, result, marks)
    (plane,) = [
        axes for axes in picture.axes if axes.get_ylabel().startswith("accuracy")
    ]

    def where(point):
        return getattr(point, "share", point.size_bytes), height(point.accuracy)

    of_bytes = plane.get_xlabel().startswith("size")
    for point in spec.points(result):
        if not of_bytes and point.kind == "float":
            continue
        (x, _), ends = where(point), [height(point.low), height(point.high)]
        marks_here = lines_at(plane, *where(point))
        colour, marker, _ = KINDS[point.kind]
        assert any(
            line.get_marker() == (marker if of_bytes else "o")
            and to_hex(line.get_color()).upper() == colour
            for line in marks_here
        ), point
        assert any(
            np.allclose(line.get_xdata(), x) and np.allclose(line.get_ydata(), ends)
            for line in plane.lines
            if len(line.get_xdata()) == 2
        ), point
    assert any(line.get_alpha() == 0.35 for line in lines_at(plane, *where(trail)))
    rings = [
        line
        for line in lines_at(plane, *where(pinned))
        if to_hex(line.get_color()).upper() == GREEN
    ]
    assert len(rings) == 1 and rings[0].get_markerfacecolor() == "none"
    levels = {
        to_hex(line.get_color()).upper(): line.get_ydata()[0]
        for line in plane.lines
        if len(line.get_xdata()) == 2 and list(line.get_xdata()) == [0, 1]
    }
    base = spec.points(result)[0].accuracy
    assert levels[ORANGE] == height(0.5) and levels["#000000"] == height(base)
    assert "Your guess: 50.00 %" in alt == picture.alt


def test_panels_in_cells_keep_their_pictures_and_never_import_keras():
    cells = {
        "from labkit import panels\nresult = None": "",
        "panel = panels.quantization_panel('mlp', bits=5)\npanel": " bytes",
        "result = panel.set(bits=3)\nprint(len(result.compressed.packed))": "",
        "panels.qat_panel('mlp', weights=2)": "no training",
        "panels.temperature_panel('mlp', temperature=4)": "T = 4",
        "panels.distillation_panel('mlp')": "no training",
        "import sys\nprint('keras' in sys.modules)": "",
    }
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    NotebookClient(notebook, timeout=WAIT, kernel_name="python3").execute()
    for cell, part in zip(notebook.cells, cells.values(), strict=True):
        pictures = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        assert len(pictures) == (1 if part else 0)
        for picture in pictures:
            assert part in picture.metadata["image/png"]["alt"]
    size = int(notebook.cells[2].outputs[-1].text)
    first = notebook.cells[1].outputs
    (picture,) = [o for o in first if "image/png" in o.get("data", {})]
    assert f"{size:,} bytes" in picture.metadata["image/png"]["alt"]
    tables = [o for o in first if "<table" in o.get("data", {}).get("text/html", "")]
    assert len(tables) == 1 and f"{size:,}" in tables[0].data["text/html"]
    assert notebook.cells[-1].outputs[-1].text.strip() == "False"


@pytest.mark.parametrize("name", CASES)
def test_at_most_four_controls_stand_outside_the_fold(name):
    controls = spec_of(name).controls
    assert 1 <= len([control for control in controls if not control.advanced]) <= 4


@pytest.mark.parametrize("name", CASES)
def test_a_panel_explains_its_terms_and_each_choice_of_its_menus(name):
    panel = panel_of(name, CASES[name])
    assert panel.spec.terms
    for term in panel.spec.terms:
        assert f"<b>{term}</b>" in panel.words
        assert escape(TERMS[term].line) in panel.words
    for control in panel.spec.controls:
        for row in control.texts.values():
            if isinstance(row, Row):
                assert escape(row.line) in panel.words, (control.name, row.name)
