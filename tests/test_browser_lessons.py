"""Each lesson opened in a fresh JupyterLab: it runs, and its panels follow the keys.

`make test` runs their cells without a browser, and a panel in one (`test_browser.py`).
"""

import shutil

import pytest
from chromium import need_chromium

from bench import browser
from labkit.zoo.datasets import ROOT

pytestmark = pytest.mark.long
FOLDER = ROOT / "notebooks"
LESSONS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
# For each panel of a lesson, from the top: a slider, a key, the key that undoes it.
# None of them starts a training that the lesson did not run.
MOVES = {
    "00_the_bench": [(0, "ArrowRight", "ArrowLeft")],
    "01_quantization_error": [
        (1, "ArrowLeft", "ArrowRight"),
        (0, "ArrowRight", "ArrowLeft"),
    ],
    "01b_where_bits_matter": [(0, "ArrowRight", "ArrowLeft")],
    "02_integers_only": [(1, "ArrowRight", "ArrowLeft")],
    "02b_train_for_it": [(2, "Home", "End")],
    "03_pruning_thresholds": [(0, "ArrowRight", "ArrowLeft")],
    "03b_train_under_a_mask": [(0, "ArrowRight", "ArrowLeft")],
    "03c_what_zeros_are_worth": [(0, "ArrowRight", "ArrowLeft")],
    "04_distillation_temperatures": [
        (0, "ArrowRight", "ArrowLeft"),
        (2, "ArrowRight", "ArrowLeft"),
    ],
    "04b_what_else_to_pass_on": [(0, "ArrowLeft", "ArrowRight")],
    "05_low_rank": [(0, "ArrowRight", "ArrowLeft")],
    "05b_ranks_for_a_budget": [(1, "ArrowRight", "ArrowLeft")],
}
# Widgets' messages while a cell runs, or after it: both ways for the quickest lesson.
RUNS = [(name, False) for name in LESSONS]
RUNS += [("00_the_bench", True)]


@pytest.mark.parametrize(
    ("name", "subshells"),
    RUNS,
    ids=[f"{name}, subshells {'on' if on else 'off'}" for name, on in RUNS],
)
def test_a_lesson_runs_and_its_panels_follow_the_keys(tmp_path, name, subshells):
    need_chromium()
    shutil.copy(FOLDER / f"{name}.ipynb", tmp_path)
    with (
        browser.jupyter_lab(tmp_path, subshells) as address,
        browser.browser_page() as page,
    ):
        notebook = browser.Notebook(page, address, f"{name}.ipynb")
        notebook.run_all()
        assert notebook.errors() == []
        for number, move in enumerate(MOVES[name]):
            follow_the_keys(notebook.panel(number), *move)
        notebook.shut_down()


def follow_the_keys(panel, slider, there, back):
    """The picture and the readout change with one key, and come back with another."""
    panel.wait_exact()
    before = panel.picture(), panel.readout()
    panel.press(there, slider)
    panel.wait_until_changed(*before)
    panel.wait_exact()
    after = panel.picture(), panel.readout()
    assert before[0] != after[0] and before[1] != after[1]
    panel.press(back, slider)
    panel.wait_until_changed(*after)
    panel.wait_exact()
    assert panel.readout().splitlines()[0] == before[1].splitlines()[0]
