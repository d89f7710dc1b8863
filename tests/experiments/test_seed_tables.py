"""The tables of pruning over seeds, from small made-up runs."""

import json

import pytest
from markdown import cells

from experiments.frames import over_seeds
from experiments.paired import paired
from experiments.prune import schedules, seed_tables, smaller, tables
from experiments.prune.seed_tables import verdict
from labkit.measure.over_seeds import PairedSeeds

MACHINE = {"cpu": "a CPU", "cores": 2}


def test_a_verdict_is_what_the_interval_says():
    assert verdict("a", "b", PairedSeeds(0.02, 0.01, 0.03, 5)) == "a is better than b"
    assert (
        verdict("a", "b", PairedSeeds(-0.02, -0.03, -0.01, 5)) == "b is better than a"
    )
    said = verdict("a", "b", PairedSeeds(0.01, -0.01, 0.03, 5))
    assert said == "undecided between a and b"


@pytest.fixture
def sizes():
    """Three seeds: pruned is 2 to 3 points better than small, removed sometimes."""
    rows = []
    for seed in range(3):
        rows.append(
            {"kind": "dense", "sparsity": 0.0, "seed": seed, "accuracy": 0.98}
            | {"hidden": [300, 100], "size_bytes": 10**6, "parameters": 266_610}
        )
        small = 0.90 + 0.01 * seed
        for kind, accuracy in (
            (smaller.PRUNED, small + 0.02 + 0.005 * seed),
            (smaller.REMOVED, small + (0.01 if seed else -0.01)),
            (smaller.SMALL, small),
        ):
            rows.append(
                {"kind": kind, "sparsity": 0.9, "seed": seed, "accuracy": accuracy}
                | {"hidden": [40, 13 + (seed > 1)], "size_bytes": 1500 + seed}
                | {"parameters": 300 + seed}
            )
    return rows


def test_pruned_beside_small(sizes):
    (line,) = cells(seed_tables.smaller_table(sizes))
    assert line[:3] == ["90", "1.5 ± 0.0", "1.5 ± 0.0"]
    assert line[3] == "40-13 or 40-14"
    assert line[6:9] == ["93.50 ± 1.50", "91.33 ± 2.08", "91.00 ± 1.00"]
    assert line[9] == "+2.50 (+1.26 to +3.74)"  # 0.5 * 4.303 / sqrt(3)
    one, other = seed_tables.smaller_verdicts(sizes).split("\n")
    assert one.endswith("at 90 %, pruned is better than small.")
    assert other.endswith("at 90 %, undecided between neurons removed and small.")
    assert seed_tables.dense_line(sizes) == "Before pruning: 98.00 ± 0.00 % (3 seeds)."


def test_a_level_waits_for_all_kinds(sizes):
    extra = dict(sizes[1], sparsity=0.8)
    assert seed_tables.sparsities([*sizes, extra], smaller.KINDS) == [0.9]


@pytest.fixture
def ways():
    """Two seeds: cubic is 1 point better than one-shot, random 5 to 9 points worse."""
    gains = {"one-shot": (0, 0), "iterative": (-0.01, 0.01), "cubic": (0.01, 0.01)}
    gains["random"] = (-0.07, -0.07)
    return [
        {"kind": kind, "sparsity": 0.95, "seed": seed, "dense_accuracy": 0.98}
        | {"accuracy": 0.9 + gain[seed], "before": 0.5}
        for seed in range(2)
        for kind, gain in gains.items()
    ]


def test_schedules_beside_one_shot(ways):
    lines = {line[1]: line for line in cells(seed_tables.schedules_table(ways))}
    assert list(lines) == list(schedules.KINDS)
    assert lines["one-shot"][2:] == ["2", "50.00 ± 0.00", "90.00 ± 0.00", "", ""]
    assert lines["iterative"][3] == "" and lines["random"][3] == "50.00 ± 0.00"
    assert lines["iterative"][-1] == "undecided between iterative and one-shot"
    assert lines["cubic"][-2].startswith("+1.00 (+1.00 to")
    assert lines["random"][-1] == "one-shot is better than random"


def test_only_what_has_run_is_on_the_page(monkeypatch, tmp_path, sizes, ways):
    for experiment in (smaller, schedules):
        name = f"{experiment.__name__.rpartition('.')[2]}.json"
        monkeypatch.setattr(experiment, "FILE", tmp_path / name)
    assert seed_tables.sections() == ""
    for experiment, rows in ((smaller, sizes), (schedules, ways)):
        run = {"command": "a command", "seconds": 3, "machine": MACHINE, "rows": rows}
        run["settings"] = experiment.settings()
        experiment.FILE.write_text(json.dumps(run))
    page = tables.sections()
    assert "| 90 | 1.5 ± 0.0 |" in page and "| 95 | cubic | 2 |" in page
    assert "in 10 prunings within the first 50% of the steps" in " ".join(page.split())


@pytest.mark.parametrize("experiment", [smaller, schedules])
def test_a_committed_run_is_whole_and_of_these_settings(experiment):
    if not experiment.FILE.exists():
        return  # the page leaves its section out
    run = json.loads(experiment.FILE.read_text())
    assert run["settings"] == experiment.settings()
    keys = "kind", "sparsity", "seed"
    rows = [{key: row[key] for key in keys} for row in run["rows"]]
    assert rows == experiment.wanted()


def test_pairing_ignores_what_only_one_side_has(ways):
    short = [row for row in ways if (row["kind"], row["seed"]) != ("cubic", 1)]
    accuracy = over_seeds(short, seed_tables.KEYS, "accuracy")
    found = paired(accuracy[0.95, "cubic"], accuracy[0.95, "one-shot"])
    assert found.n == 1 and found.winner == 0
