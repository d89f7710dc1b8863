"""Notebooks agree with their sources, keep budgets, and type no figures into prose."""

import ast
import re
import sys

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from labkit.zoo.datasets import ROOT

sys.path.insert(0, str(ROOT / "notebooks"))
import build  # noqa: E402

SOURCES = build.sources()
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)

# A figure with a unit of measurement: what a notebook must print, not say.
MEASURED = re.compile(
    r"\d+\.\d+ ?(?:%|points|µs|ms|s\b|kB|MB|dB)"
    r"|\d ?(?:µs|ms|kB)\b|\b\d+,\d{3} (?:B|bytes)"
)
# Figures that follow from a definition, and those of a question's made-up scene.
NOT_MEASURED = {"6.02 dB", "1.7 MB", "99.9 %"}


def code_lines(cell) -> int:
    return sum(1 for line in cell.source.splitlines() if line.strip())


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook) -> str:
    return "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def test_there_are_lessons():
    assert [source.stem for source in SOURCES][:2] == [
        "00_the_bench",
        "01_quantization_error",
    ]


@each_source
def test_notebook_equals_its_source(source):
    assert build.difference(source) is None


@each_source
def test_built_notebook_may_be_published(source):
    notebook = nbformat.read(build.target(source), as_version=4)
    assert build.problems(notebook) == []
    assert notebook.metadata == build.METADATA
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "not one run from top to bottom"


@each_source
def test_a_notebook_keeps_its_budgets(source):
    notebook = build.read_source(source)
    lines = [code_lines(cell) for cell in code_cells(notebook)]
    words = len(prose(notebook).split())
    assert len(notebook.cells) <= 80
    assert np.median(lines) <= 6
    assert np.percentile(lines, 90) <= 15
    assert max(lines) <= 25
    assert 8 <= words / sum(lines) <= 16


@each_source
def test_a_notebook_has_its_frame(source):
    text = prose(build.read_source(source))
    for part in (
        "**What you'll do.**",
        "**What you'll learn**",
        "**What you'll need.**",
        "## Recap",
        "**Where this stops being true.**",
        "**Transfer question.**",
    ):
        assert part in text, part
    assert text.count("<details>") == text.count("</details>")
    exercises = len(
        re.findall(r"\*\*Exercise \d\*\* \(\d+ minutes, \d+ points\)", text)
    )
    assert exercises >= 1
    assert text.count("<summary>Hint") == text.count("<summary>Solution") == exercises


@each_source
def test_every_prediction_is_asked_and_settled(source):
    code = "\n".join(cell.source for cell in code_cells(build.read_source(source)))
    asked = re.findall(r'guesses\.guess\(\s*"([^"]+)"', code)
    settled = re.findall(r'guesses\.settle\(\s*"([^"]+)"', code)
    assert asked and sorted(asked) == sorted(settled)


@each_source
def test_sections_and_questions_are_numbered_without_gaps(source):
    text = prose(build.read_source(source))
    for what in (
        r"^## (\d+)\. ",
        r"\*\*Predict (\d+)\.\*\*",
        r"\*\*Exercise (\d+)\*\*",
    ):
        numbers = [int(number) for number in re.findall(what, text, re.M)]
        assert numbers == list(range(1, len(numbers) + 1)) != [], what


def without_question(cells) -> list[str]:
    """The guesses that do not follow their question, "Predict 3" for "3a. …"."""
    alone, before = [], ""
    for cell in cells:
        if cell.cell_type == "code":
            for guess in re.findall(r'guesses\.guess\(\s*"([^"]+)"', cell.source):
                asked = re.findall(r"\*\*Predict (\d+)\.\*\*", before)
                number = re.findall(r"^\d+(?=[a-z]?\. )", guess)
                if not number or asked[-1:] != number:
                    alone.append(guess)
        before = cell.source if cell.cell_type == "markdown" else ""
    return alone


@each_source
def test_the_question_of_a_guess_stands_right_before_it(source):
    assert without_question(build.read_source(source).cells) == []


@pytest.mark.parametrize(
    ("question", "guess"),
    [
        ("A sentence.", "5. a layer"),
        ("**Predict 4.** Which?", "5. a layer"),
        ("**Predict 5.** Which? **Predict 6.** How many?", "5b. a layer"),
        ("**Predict 5.** Which?", "a layer"),
    ],
)
def test_a_guess_without_its_question_is_recognised(question, guess):
    code = new_code_cell(f'guesses.guess("{guess}", None)')
    assert without_question([new_markdown_cell(question), code]) == [guess]
    right = new_markdown_cell("**Predict 5.** Which?")
    assert without_question([right, new_code_cell("1"), code]) == [guess]


@each_source
def test_no_measured_figure_is_typed_into_prose(source):
    found = set(MEASURED.findall(prose(build.read_source(source))))
    assert found <= NOT_MEASURED


@pytest.mark.parametrize("text", ["it reached 97.86 %", "16.5 µs", "271,386 bytes"])
def test_a_measured_figure_is_recognised(text):
    assert MEASURED.findall(text)


@each_source
def test_a_figure_is_followed_by_a_sentence_or_a_check(source):
    """After a picture come prose, or code that settles or asserts and then prose."""
    cells = build.read_source(source).cells
    for place, cell in enumerate(cells):
        if cell.cell_type == "code" and re.search(r"^draw_\w+\(", cell.source, re.M):
            after = [c.cell_type for c in cells[place + 1 : place + 5]]
            assert "markdown" in after


@each_source
def test_a_notebook_draws_without_pyplot_and_without_tensorflow(source):
    for cell in code_cells(build.read_source(source)):
        for node in ast.walk(ast.parse(cell.source)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in names:
                root = name.split(".")[0]
                assert root not in {"matplotlib", "tensorflow", "keras", "ipywidgets"}


@each_source
def test_the_solution_in_the_fold_passes_its_check(source):
    """What a reader copies from a fold is run against the check of its exercise."""
    from labkit import checks

    text = prose(build.read_source(source))
    for solution in re.findall(r"<summary>Solution.*?```python\n(.*?)```", text, re.S):
        scope = {"np": np}
        exec(solution, scope)
        name = re.search(r"def (\w+)", solution)[1]
        verdict = getattr(checks, f"check_{name}")(scope[name])
        assert verdict, verdict


@each_source
def test_exercise_cells_are_stubs(source):
    code = [cell.source for cell in code_cells(build.read_source(source))]
    stubs = [text for text in code if "raise NotImplementedError" in text]
    assert len(stubs) == sum("import check_" in text for text in code) > 0


@each_source
def test_ids_depend_on_the_cells_alone(source):
    first, second = build.read_source(source), build.read_source(source)
    ids = [cell["id"] for cell in first.cells]
    assert ids == [cell["id"] for cell in second.cells]
    assert len(set(ids)) == len(ids)
    nbformat.validate(first)


def source_file(folder, text):
    path = folder / "07_try.py"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of notebooks of its own."""
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    return tmp_path


GOOD = """\
# %% [markdown]
# # Try

# %% tags=["nbval-check-output"]
print(6 * 7)
"""


def test_a_build_runs_cells_and_is_found_equal(folder):
    source = source_file(folder, GOOD)
    path = build.build(source)
    built = nbformat.read(path, as_version=4)
    assert built.cells[1].outputs[0].text == "42\n"
    assert built.cells[1].metadata == {"tags": ["nbval-check-output"]}
    assert build.difference(source) is None
    first = path.read_bytes()
    build.build(source)
    assert path.read_bytes() == first


def test_an_edited_source_and_a_missing_notebook_are_told(folder):
    source = source_file(folder, GOOD)
    assert "is missing" in build.difference(source)
    build.build(source)
    source_file(folder, GOOD.replace("6 * 7", "6 * 8"))
    assert "another cell 1" in build.difference(source)
    source_file(folder, GOOD + "\n# %%\n1\n")
    assert "2 cells, its source 3" in build.difference(source)


def test_a_failing_cell_leaves_the_old_notebook(folder):
    path = build.build(source_file(folder, GOOD))
    before = path.read_bytes()
    with pytest.raises(build.BuildError, match="ZeroDivisionError"):
        build.build(source_file(folder, GOOD + "\n# %%\n1 / 0\n"))
    assert path.read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == ["07_try.ipynb", "07_try.py"]


def published(output=None, **metadata):
    cell = new_code_cell("1", outputs=[output] if output else [])
    return new_notebook(cells=[new_markdown_cell("# T"), cell], metadata=metadata)


@pytest.mark.parametrize(
    ("notebook", "hint"),
    [
        (published(new_output("stream", name="stdout", text="x" * 500_000)), "over"),
        (published(widgets={}), "metadata.widgets"),
        (published(new_output("stream", name="stderr", text="a warning")), "stderr"),
        (published(new_output("error", ename="KeyError", evalue="k")), "KeyError"),
        (
            published(new_output("stream", text=f"in {ROOT}/data")),
            "of this machine",
        ),
        (
            published(new_output("display_data", {"text/html": f"<i>{ROOT}</i>"})),
            "of this machine",
        ),
    ],
)
def test_what_must_not_be_published_is_refused(notebook, hint):
    assert any(hint in text for text in build.problems(notebook))


def test_clean_drops_widgets_and_the_notice_and_keeps_pictures():
    from labkit.plots.base import figure

    picture = figure(2, 1, alt="empty")
    data, metadata = picture._repr_mimebundle_()
    outputs = [
        new_output("stream", name="stderr", text=build.NOTICE + "\n"),
        new_output("display_data", {build.WIDGET: {}, "text/plain": "VBox()"}),
        new_output("display_data", dict(data), metadata=metadata),
    ]
    notebook = published(widgets={"state": {}})
    notebook.cells[1].outputs = outputs
    build.clean(notebook)
    (kept,) = notebook.cells[1].outputs
    assert kept.data["text/plain"] == "empty"
    assert len(kept.data["image/png"]) <= len(data["image/png"])
    assert "widgets" not in notebook.metadata
