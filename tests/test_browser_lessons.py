"""Each lesson opened in a fresh JupyterLab: it runs, and its panel follows the keys."""

import shutil

import pytest
from test_browser import need_chromium

from benchmarks import browser
from labkit.data import ROOT

LESSONS = ("00_the_bench.ipynb", "01_quantization_error.ipynb")


@pytest.fixture(params=[False, True], ids=["subshells off", "on"])
def lab(request, tmp_path):
    """A JupyterLab on copies of the notebooks: (folder, address, page)."""
    need_chromium()
    for name in LESSONS:
        shutil.copy(ROOT / "notebooks" / name, tmp_path)
    with (
        browser.jupyter_lab(tmp_path, request.param) as address,
        browser.browser_page() as page,
    ):
        yield tmp_path, address, page


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_runs_and_its_panel_follows_the_keys(lab, name):
    _, address, page = lab
    notebook = browser.Notebook(page, address, name)
    notebook.run_all()
    assert notebook.errors() == []
    panel = notebook.panel()
    panel.wait_exact()
    before = panel.picture(), panel.readout()
    panel.press("ArrowRight")
    panel.wait_until_changed(*before)
    panel.wait_exact()
    after = panel.picture(), panel.readout()
    assert before[0] != after[0] and before[1] != after[1]
    panel.press("ArrowLeft")
    panel.wait_until_changed(*after)
    panel.wait_exact()
    assert panel.readout().splitlines()[0] == before[1].splitlines()[0]
    notebook.shut_down()
