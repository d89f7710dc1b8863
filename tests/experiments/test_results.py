"""The tables of results say what the committed runs say."""

import json

import pytest

from experiments import glossary, results
from experiments.quantize import sweep
from labkit import zoo
from labkit.common.words import TERMS


def test_the_pages_are_up_to_date():
    page = (results.RESULTS / "README.md").read_text("utf-8")
    assert page == results.page(), "run `make results`"
    for path, (name, section) in results.sections_of_pages().items():
        text = path.read_text("utf-8")
        assert text == results.renewed(text, name, section), "run `make results`"


def test_a_page_without_its_marks_is_not_written_over():
    with pytest.raises(ValueError, match="the page has 0 sections of 'words', not one"):
        results.renewed("<!-- words: here -->", "words", "new")


def test_both_pages_of_words_have_every_term_in_order():
    names = sorted(TERMS, key=str.lower)
    for page in (glossary.for_writers(), glossary.for_learners()):
        rows = page.splitlines()[2:]
        assert len(rows) == len(names)
        for row, name in zip(rows, names, strict=True):
            assert row.removeprefix("| ").removeprefix("**").startswith(name)
            assert TERMS[name].line in row


def test_the_sweep_is_of_the_networks_that_are_here():
    run = json.loads(sweep.FILE.read_text())
    digests = {name: zoo.load(name).digest for name in zoo.NAMES}
    assert run["networks"] == digests, "run `python -m experiments.quantize.sweep`"


def test_a_row_of_the_sweep_is_what_is_measured_now():
    run = json.loads(sweep.FILE.read_text())
    test = zoo.dataset("mlp").test
    network = zoo.load("mlp")
    base = sweep.accuracy(network, test)
    for granularity in ("tensor", "channel"):
        wanted = next(
            row
            for row in run["rows"]
            if row["network"] == "mlp"
            and (row["bits"], row["granularity"]) == (3, granularity)
        )
        now = sweep.row("mlp", network, test, 3, granularity, base)
        assert now["size_bytes"] == wanted["size_bytes"]
        assert abs(now["accuracy"] - wanted["accuracy"]) <= 2e-4


def test_every_published_figure_is_met():
    for name, (published, _) in results.PUBLISHED.items():
        assert results.error(zoo.record(name)) <= published
