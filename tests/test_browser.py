"""JupyterLab in a real browser: keys go in, pixels and text come out.

Widgets' messages wait for a running cell, as the lab's settings say; `make check` has
them handled meanwhile (JupyterLab's subshells), too. Without a Chromium these tests
skip with a warning on a learner's machine, and fail where CI is set.
"""

import base64

import nbformat
import pytest
from chromium import need_chromium
from long import quick

from bench import browser

TINY = """\
from labkit.panels import quantization_panel
panel = quantization_panel("mlp", bits=3)
panel"""
START = "mlp, 3 bits, channel, min–max"
BUSY = """\
import time
from labkit.plots import figure
for k in range(30):
    picture = figure(3, 2)
    axes = picture.add_subplot()
    axes.plot([0, k], label="$x^2$")
    axes.legend()
    assert len(axes.lines) == 1 and picture.png()
    time.sleep(0.05)
print("lines kept")"""


@pytest.fixture(
    scope="module", params=quick([False, True], False), ids=["subshells off", "on"]
)
def lab(request, tmp_path_factory):
    """A JupyterLab on a tiny notebook: (folder, address, page)."""
    need_chromium()
    folder = tmp_path_factory.mktemp("lab")
    browser.write_notebook(folder / "tiny.ipynb", [TINY, BUSY])
    with (
        browser.jupyter_lab(folder, request.param) as address,
        browser.browser_page() as page,
    ):
        yield folder, address, page


@pytest.fixture(scope="module")
def tiny(lab):
    """A notebook with one panel, run, and a cell that draws while the panel does."""
    _, address, page = lab
    notebook = browser.Notebook(page, address, "tiny.ipynb")
    notebook.run_all()
    assert notebook.errors() == []
    return notebook


@pytest.fixture
def panel(tiny):
    """The tiny notebook's panel, at its first setting."""
    panel = tiny.panel()
    if not (panel.readout().startswith(START) and panel.state().startswith("exact")):
        panel.push("Reset")
        panel.wait_for(START)
    panel.wait_exact()
    return panel


def test_the_slider_from_end_to_end(panel):
    for key, bits in (
        ("Home", 2),
        ("End", 16),
        ("PageDown", None),
        ("ArrowLeft", None),
    ):
        before = panel.picture(), panel.readout()
        panel.press(key)
        panel.wait_until_changed(*before)
        panel.wait_exact()
        assert bits is None or f"mlp, {bits} bits" in panel.readout()
        assert "images" in panel.state() and "exact" in panel.state()


def test_a_fast_row_of_keys_ends_on_the_last(panel):
    for _ in range(9):
        panel.press("ArrowRight")
    panel.wait_for("mlp, 12 bits")
    panel.wait_exact()


def test_the_other_controls_by_keyboard(panel):
    panel.push("tensor")
    panel.wait_for("mlp, 3 bits, tensor, min–max")
    for _ in range(2):
        panel.press("ArrowRight", slider=1)
    panel.wait_for("mlp, 3 bits, tensor, least squares")
    panel.push("Advanced")
    before = panel.picture()
    panel.press("End", slider=3)
    panel.wait_until_drawn(before)
    panel.push("fc2")
    panel.wait_for("mlp, 3 bits, tensor, least squares, 2 layers")
    panel.push("Code")
    code = panel.cell.locator(".labkit-code textarea")
    assert "rule='least_squares', layers=('fc1', 'fc3')" in code.input_value()
    panel.push("lenet5")
    panel.wait_for("lenet5, 3 bits")
    panel.wait_exact()
    before = panel.picture()
    panel.push("Pin")
    panel.wait_until_drawn(before)
    panel.push("Reset")
    panel.wait_for(START)
    panel.push("Code")
    panel.push("Advanced")


def test_saving_writes_and_names_the_files(panel, lab):
    panel.push("Save files")
    text = "saved in saved_models: mlp-3bit-channel-minmax.packed"
    panel.cell.get_by_role("note").filter(has_text=text).wait_for()
    assert (lab[0] / "saved_models" / "mlp-3bit-channel-minmax.packed").stat().st_size


def test_nothing_jumps(panel):
    panel.watch_places()
    for key in ("ArrowRight", "ArrowRight", "End", "Home"):
        shown = panel.picture(), panel.readout()
        panel.press(key)
        panel.wait_until_changed(*shown)
        panel.wait_exact()
    places = panel.watched_places()
    assert len(places) == 1, "readout, picture or ledger moved or went for a frame"


def test_a_panel_and_a_running_cell_both_draw_right(tiny, panel):
    before = panel.picture(), panel.readout()
    tiny.start_last_cell()
    panel.press("End")
    panel.wait_until_changed(*before)
    panel.wait_for("mlp, 16 bits")
    panel.wait_exact()
    tiny.wait_idle()
    assert tiny.errors() == []
    assert tiny.last_output() == "lines kept"


def test_the_saved_notebook_keeps_the_last_picture(tiny, panel, lab):
    before = panel.picture(), panel.readout()
    panel.press("ArrowRight")
    panel.wait_until_changed(*before)
    panel.wait_exact()
    tiny.save()
    saved = nbformat.read(lab[0] / "tiny.ipynb", as_version=4)
    (output,) = [o for o in saved.cells[0].outputs if "image/png" in o.get("data", {})]
    png = base64.b64decode(output.data["image/png"])
    assert png == base64.b64decode(panel.picture().partition(",")[2])
    size = panel.readout().split("packed in ")[1].split(" bytes")[0]
    assert f"{size} bytes" in output.metadata["image/png"]["alt"]
