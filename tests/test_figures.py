"""The recorder of printed and drawn figures sees what changes, and only that."""

import sys

import pytest

from labkit.plots import figure
from labkit.zoo.datasets import ROOT

sys.path.insert(0, str(ROOT / "notebooks"))
import figures  # noqa: E402

LESSON = """\
# %%
import time
print("97.5 % of 1,024 images", time.perf_counter())

# %%
from labkit.plots import figure

picture = figure(2, 1, alt="a line")
picture.add_subplot().plot([0, 1, 2], [5, 6, 7])
picture
"""


@pytest.fixture
def recorded(tmp_path):
    def run(text):
        source = tmp_path / "07_try.py"
        source.write_text(text, "utf-8")
        return {source.stem: figures.record(source)}

    return run


def test_the_numbers_of_a_text_and_of_a_picture():
    assert figures.numbers("97.5 % of 1,024 images") == [97.5, 1024.0]
    picture = figure(2, 1)
    picture.add_subplot().plot([0, 1, 2], [5, 6, 7])
    assert figures.arrays_of(picture)["axes 0 line 0"] == [0, 5, 1, 6, 2, 7]


def test_what_two_equal_runs_print_otherwise_is_no_figure():
    before, again = said(printed=[97.5, 0.1]), said(printed=[97.5, 0.2])
    assert figures.differences(before, again, said(printed=[97.5, 0.7])) == []
    assert figures.differences(before, again, said(printed=[97.6, 0.1])) == [
        "07_try, cell 1, printed: 97.5, now 97.6"
    ]


@pytest.mark.long
def test_equal_runs_agree_and_each_change_is_named(recorded):
    before, again = recorded(LESSON), recorded(LESSON)
    printed = before["07_try"]["cell 1"]["printed"]
    assert printed[:2] == [97.5, 1024.0] and printed != again["07_try"]["cell 1"]
    line = before["07_try"]["cell 2"]["picture 0: axes 0 line 0"]
    assert line == [0, 5, 1, 6, 2, 7]
    assert figures.differences(before, again, before) == []
    changed = LESSON.replace("97.5", "97.6").replace("[5, 6, 7]", "[5, 6, 8]")
    found = figures.differences(before, again, recorded(changed))
    assert found[0] == "07_try, cell 1, printed: 97.5, now 97.6"
    assert "07_try, cell 2, picture 0: axes 0 line 0: 7.0, now 8.0" in found


def said(**rows):
    return {"07_try": {"cell 1": rows}}


def test_rows_that_come_go_or_grow_are_named():
    one, more = said(printed=[1.0]), said(printed=[1.0, 2.0], line=[3.0])
    assert figures.differences(one, one, more) == [
        "07_try, cell 1, line: new",
        "07_try, cell 1, printed: 1 numbers, now 2",
    ]
    assert figures.differences(one, more, one) == []
    assert "0 code cells" in figures.differences({"07_try": {}}, one, one)[0]
