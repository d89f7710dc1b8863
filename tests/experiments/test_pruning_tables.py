"""The tables of pruned networks and lottery tickets say what their runs say."""

import json
import math

import numpy as np
import pytest
from markdown import cells
from scipy import stats

from experiments.paired import paired, points, spread
from experiments.prune import lottery, lottery_tables, pruned, tables
from experiments.prune.tables import TARGETS, candidate, reached, targets_table
from labkit import zoo
from labkit.measure.over_seeds import PairedSeeds


def test_the_run_is_of_the_networks_that_are_here():
    run = json.loads(pruned.FILE.read_text())
    files = {row["title"]: row["sha256"] for row in run["rows"]}
    wanted = {name: zoo.pruned_record(name)["sha256"] for name in zoo.pruned_names()}
    assert files == wanted, "run `python -m experiments.prune.pruned`"
    digests = {name: zoo.load(name).digest for name in zoo.NAMES}
    assert run["networks"] == digests, "run `python -m experiments.prune.pruned`"


def test_a_row_is_what_its_record_says():
    for row in json.loads(pruned.FILE.read_text())["rows"]:
        record = zoo.pruned_record(row["title"])
        assert row["accuracy"] == pytest.approx(record["test_accuracy"], abs=2e-4)
        if row["how"] == "weights":
            assert row["nonzero"] == sum(record["kept"].values())
            assert row["macs"] == row["dense_macs"]
        else:
            assert row["macs"] == record["macs"] < row["dense_macs"]


def made_up(**changes):
    row = {
        "title": "mlp-0.92",
        "network": "mlp",
        "how": "weights",
        "weights": 1000,
        "nonzero": 80,
        "macs": 1000,
        "dense_macs": 1000,
        "size_bytes": 500,
        "dense_bytes": 4000,
        "dense_accuracy": 0.98,
        "accuracy": 0.98,
        "difference": 0.0,
        "difference_interval": [-0.01, 0.01],
        "epochs": 3,
        "training_seconds": 120,
    }
    return row | changes


def test_a_target_takes_the_network_with_just_enough_removed():
    twelve, many = TARGETS[:2]
    better = made_up(nonzero=10, accuracy=0.99)
    other = made_up(network="lenet5", nonzero=80)
    rows = [better, made_up(), made_up(nonzero=100), other]
    assert candidate(twelve, rows) is rows[1]
    assert candidate(many, rows) is better
    assert candidate(many, rows[1:]) is None
    filters = TARGETS[-1]
    assert candidate(filters, [made_up(network="resnet20", nonzero=1)]) is None
    smaller = made_up(network="resnet20", how="filters", macs=730)
    assert candidate(filters, [smaller]) is smaller
    assert candidate(filters, [smaller | {"macs": 731}]) is None


def test_a_limit_may_be_met_exactly():
    twelve, many = TARGETS[:2]
    assert reached(twelve, made_up())
    assert not reached(twelve, made_up(accuracy=0.9799))
    assert reached(many, made_up(accuracy=0.9801))
    assert not reached(many, made_up(accuracy=0.9800))
    zeros, filters = TARGETS[-2:]
    assert reached(zeros, made_up(accuracy=0.9765))
    assert not reached(zeros, made_up(accuracy=0.9764))
    assert reached(filters, made_up(accuracy=0.975))


def test_the_tables_of_made_up_rows():
    rows = [made_up(accuracy=0.979), made_up(title="other", nonzero=10)]
    first, second, *others = cells(targets_table(rows))
    assert first[2:] == ["92.0% (12.5×)", "2.10", "2.00", "**no**"]
    assert second[2:] == ["99.0% (100.0×)", "2.00", "1.99", "**no**"]
    assert all(line[-1] == "not tried yet" for line in others)
    twelve, many = cells(tables.pruned_table(rows[::-1]))
    assert twelve[1:4] == ["92.0% of the weights", "80", "12.5"]
    assert "arXiv 1506.02626" in twelve[-1] and many[-1] == ""


def test_every_target_has_a_published_figure_of_its_network():
    for title in tables.PUBLISHED:
        assert any(title.startswith(target.network) for target in TARGETS)


def test_paired_is_students_interval():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5))
    found = paired(dict(enumerate(a)), dict(enumerate(b)) | {9: 1.0})
    wanted = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert found.mean == pytest.approx((a - b).mean()) and found.n == 5
    assert PairedSeeds(1, 0.1, 2, 5).winner == 1
    assert PairedSeeds(-1, -2, -0.1, 5).winner == -1
    assert PairedSeeds(0.5, -0.1, 1.1, 5).winner == 0


def test_one_seed_decides_nothing():
    found = paired({0: 2.0}, {0: 1.0})
    assert (found.mean, found.low, found.high) == (1.0, -math.inf, math.inf)
    assert found.winner == 0
    with pytest.raises(ValueError, match="no seed is in both"):
        paired({0: 1.0}, {1: 1.0})


def test_points_and_spread_by_hand():
    assert points(PairedSeeds(0.0031, 0.0001, 0.0061, 5)) == "+0.31 (+0.01 to +0.61)"
    assert spread([0.97, 0.99]) == "98.00 ± 1.41"
    assert spread([1000, 2000], 0, 1) == "1,500 ± 707"
    assert spread([0.5]) == "50.00"


def row_of(kind, seed, round_, iteration, accuracy):
    stop = {"iteration": iteration, "test_accuracy": accuracy}
    left = 0.8**round_
    return {"kind": kind, "seed": seed, "round": round_, "left": left, "stop": stop}


@pytest.fixture
def tickets():
    """Two seeds: rewound is 0.5 points better than dense and stops in half the time."""
    rows = []
    for seed, dense in ((0, 0.97), (1, 0.98)):
        rows.append(row_of("rewound", seed, 0, 4000, dense))
        rows.append(row_of("rewound", seed, 7, 2000, dense + 0.005))
        rows.append(row_of("reinitialized", seed, 7, 6000, dense - 0.01))
        rows.append(row_of("rewound", seed, 9, 2000, dense))  # its partner is to come
    return rows


def test_the_levels_of_the_tickets(tickets):
    dense, level = cells(lottery_tables.levels_table(tickets))
    assert dense == ["100.0 (dense)", "2", "97.50 ± 0.71", "4,000 ± 0", *[""] * 4]
    assert level[:4] == ["21.0", "2", "98.00 ± 0.71", "2,000 ± 0"]
    assert level[4:6] == ["96.50 ± 0.71", "6,000 ± 0"]
    assert level[6].startswith("+0.50 (") and level[7].startswith("+1.50 (")


def test_the_paper_stands_beside_the_tickets(tickets):
    ((left, theirs, ours),) = cells(lottery_tables.beside_table(tickets))
    assert left == "21.0" and "38 % sooner" in theirs
    assert "stops 50% sooner than dense, +0.50" in ours
    assert "3.00 times as soon as reinitialized, +1.50" in ours


def test_tickets_that_did_not_run_are_left_out(monkeypatch, tmp_path, tickets):
    monkeypatch.setattr(lottery, "FILE", tmp_path / "lottery.json")
    assert lottery_tables.sections() == ""
    run = {"command": "a command", "seconds": 3, "settings": lottery.SETTINGS}
    run |= {"machine": {"cpu": "a CPU", "cores": 2}, "rows": tickets}
    lottery.FILE.write_text(json.dumps(run))
    assert "| 21.0 | 2 |" in lottery_tables.sections()
    assert "arXiv 1803.03635" in tables.sections()
