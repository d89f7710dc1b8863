"""The tables of results say what the committed runs say."""

import json

from experiments import results
from experiments.quantize import sweep
from labkit import zoo


def test_the_page_and_the_readme_are_up_to_date():
    page = (results.RESULTS / "README.md").read_text()
    assert page == results.page(), "run `make results`"
    text = results.README.read_text()
    assert text == results.with_section(text), "run `make results`"


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
