"""The tables of low rank say what their runs say."""

import json

import numpy as np
import pytest
from markdown import cells

from experiments.lowrank import beside, tables
from experiments.lowrank import files as lowrank_files
from experiments.lowrank import ranks as lowrank
from experiments.lowrank import smaller as lowrank_smaller
from experiments.prune import smaller
from labkit import zoo
from labkit.compress import factorized
from labkit.compress.responses import answers, observe
from labkit.measure.timing import Latency

MACHINE = {"cpu": "a CPU", "cores": 2}


def made_up(method, rank, accuracy, p, error, plain):
    return {
        "scope": "fc1",
        "share": None,
        "ranks": {"fc1": rank},
        "method": method,
        "macs": 1000,
        "size_bytes": 4000,
        "output_error": error,
        "test_accuracy": accuracy,
        "test_difference": accuracy - plain,
        "test_p_value": p,
    }


@pytest.fixture
def run():
    """Rank 1: better. Rank 2: worse, and further off. Rank 3: no difference."""
    rows = []
    for rank, plain, aware, p, error in (
        (1, 0.50, 0.60, 1e-9, 2.0),
        (2, 0.97, 0.95, 0.04, 5.0),
        (3, 0.975, 0.975, 1.0, 1.0),
    ):
        rows.append(made_up("svd", rank, plain, 1.0, 4.0, plain))
        rows.append(made_up("responses", rank, aware, p, error, plain))
        rows.append(made_up("inputs", rank, 0.9, 1e-9, 8.0, plain))
    head = {"command": "a command", "seconds": 3, "machine": MACHINE}
    return head | {"test_accuracy": 0.98, "calibration_images": 50, "rows": rows}


def test_a_target_names_the_files_that_are_against_it(run, monkeypatch):
    monkeypatch.setattr("labkit.zoo.networks.lowrank_names", list)
    further, worse, better, *trained = cells(tables.targets_table(run))
    assert further[2:] == ["1 of 3: fc1, rank 2", "**no**"]
    assert worse[2:] == ["1 of 3: fc1, rank 2", "**no**"]
    # Rank 3 loses half a point only.
    assert better[2:] == ["1 of 2: fc1, rank 2", "**no**"]
    assert [line[-1] for line in trained] == ["not trained yet"] * 2
    run["rows"] = run["rows"][:3]
    assert [line[-1] for line in cells(tables.targets_table(run))[:3]] == ["yes"] * 3
    assert tables.worse(run["rows"]) == []


def test_a_loss_of_exactly_a_point_counts(run):
    run["rows"][6]["test_accuracy"] = 0.97
    assert len(tables.losing(run)) == 3
    assert [row["ranks"]["fc1"] for row in tables.not_better(run)] == [2, 3]


def test_stars_and_errors_beside_plain_svd(run):
    one, two, three = cells(tables.paired_table(run["rows"]))
    assert one[0] == "fc1, rank 1" and one[3] == "50.00"
    assert one[4:] == ["60.00 (+10.00*)", "90.00 (+40.00*)", "0.50", "2.00"]
    assert two[4] == "95.00 (-2.00*)" and three[4] == "97.50 (+0.00)"
    shares = {"share": 0.5, "scope": lowrank.WHOLE, "ranks": {"fc1": 7, "fc2": 3}}
    assert tables.place(shares) == "all layers, 50% of the weights (ranks 7, 3)"


def trained(budget, points):
    return zoo.record("resnet20") | {
        "name": "resnet20",
        "budget": budget,
        "macs": int(budget - 1e5),
        "size_bytes": 700_000,
        "test_accuracy": zoo.record("resnet20")["test_accuracy"] - points / 100,
    }


def test_trained_networks_beside_the_published_curve(monkeypatch):
    records = {
        "resnet20-26M": trained(26_000_000, 0.4),
        "resnet20-22.7M": trained(22_700_000, 0.86),
        "resnet20-5M": trained(5_000_000, 9.0),
        "resnet8-8M": trained(26_000_000, 0.0) | {"name": "resnet8"},
    }
    monkeypatch.setattr("labkit.zoo.networks.lowrank_names", lambda: list(records))
    monkeypatch.setattr("labkit.zoo.networks.lowrank_record", records.get)
    first, second = cells(tables.targets_table(None))
    assert first[2:] == ["+0.40 points", "yes"]
    assert second[2:] == ["+0.86 points", "**no**"]
    lines = {line[0]: line for line in cells(tables.curve_table())}
    assert lines["none"][1:4] == ["40.5", "8.35", ""]
    assert lines["26"][2:5] == ["8.75", "+0.40", "25.9"]
    assert lines["26"][7] == "+0.40" and lines["22.7"][7] == "+0.86"
    assert lines["17.4"][4] == "not trained"
    assert lines["5"][1:5] == ["", "", "", "4.9"]


def test_factorized_beside_small_and_pruned():
    level, rows, others = smaller.SPARSITIES[0], [], []
    for seed in range(3):
        row = {"sparsity": level, "seed": seed, "size_bytes": 2000}
        ranks = {"fc1": 7, "fc2": 3 + (seed > 1), "fc3": None}
        ours = {"ranks": ranks, "untrained_accuracy": 0.5, "accuracy": 0.95}
        rows.append(row | ours)
        for kind, gain in ((smaller.SMALL, -0.01), (smaller.PRUNED, 0.02)):
            gain += 0.001 * seed
            others.append(row | {"kind": kind, "accuracy": 0.95 + gain})
    (line,) = cells(beside.smaller_table(rows, others))
    assert line[:4] == ["2.0 ± 0.0"] * 3 + ["7-3-whole or 7-4-whole"]
    assert line[4:8] == ["50.00 ± 0.00", "95.00 ± 0.00", "94.10 ± 0.10", "97.10 ± 0.10"]
    assert line[8].startswith("+0.90 (") and line[10].startswith("-2.10 (")
    assert line[9] == "factorized is better than small"
    assert line[11] == "pruned is better than factorized"


def test_only_what_has_run_is_on_the_page(monkeypatch, tmp_path, run):
    for experiment in (lowrank, lowrank_smaller, lowrank_files):
        monkeypatch.setattr(experiment, "FILE", tmp_path / experiment.__name__)
    monkeypatch.setattr("labkit.zoo.networks.lowrank_names", list)
    page = tables.sections()
    assert "not trained yet" in page and "Factors of" not in page
    assert "##" in page and "microseconds" not in page
    lowrank.FILE.write_text(json.dumps(run))
    head = {key: run[key] for key in ("command", "seconds", "machine")}
    row = {"network": "mlp", "size_bytes": 9, "validation_accuracy": 0.5}
    files = [
        row | {"method": lowrank_files.WHOLE, "macs": 100, "latency_us": 10.0},
        row | {"method": "svd", "macs": 50, "latency_us": 8.0},
    ]
    files = head | {"share": 0.5, "validation_images": 7, "rows": files}
    lowrank_files.FILE.write_text(json.dumps(files))
    lines = tables.sections().split("\n")
    assert "Bonferroni" in " ".join(lines)
    assert "| `mlp` | svd | 0.0 | 50 | 0.50 | 8.0 | 0.80 | 1.60 | 50.0 |" in lines


def test_the_run_is_of_the_network_that_is_here():
    run = json.loads(lowrank.FILE.read_text())
    network = zoo.load("mlp")
    assert run["networks"] == {"mlp": network.digest}, "run experiments.lowrank.ranks"
    wanted = [ranks for _, _, ranks in lowrank.wanted(network)]
    assert [g["svd"]["ranks"] for g in tables.groups(run["rows"])] == wanted


@pytest.mark.long
def test_a_row_is_what_is_measured_now():
    network, data = zoo.load("mlp"), zoo.dataset("mlp")
    images = data.calibration.images[: lowrank.IMAGES]
    observed = observe(network, images, "responses")
    rows = json.loads(lowrank.FILE.read_text())["rows"]
    for layer, rank in (("fc2", 2), ("fc1", 10)):
        ranks = {layer: rank}
        low = factorized.factorize_network(network, ranks, "responses", observed)
        plain = factorized.factorize_network(network, ranks)
        found = lowrank.row(
            "responses", lowrank.scores(low, data), lowrank.scores(plain, data)
        )
        row = next(
            r for r in rows if found["method"] == r["method"] and ranks == r["ranks"]
        )
        assert (row["macs"], row["size_bytes"]) == (low.macs, len(low))
        for name in ("validation_accuracy", "test_accuracy", "test_difference"):
            assert row[name] == pytest.approx(found[name], abs=4e-4)
        right = answers(network, data.validation.images, layer)
        error = lowrank.output_error(low, data.validation.images, layer, right)
        assert row["output_error"] == pytest.approx(error, rel=1e-3)


def test_the_output_error_is_that_of_the_layer():
    network = zoo.load("mlp")
    images = zoo.dataset("mlp").validation.images[:30]
    right = answers(network, images, "fc3")
    assert lowrank.output_error(network, images, "fc3", right + 2) == pytest.approx(40)
    assert lowrank.output_error(network, images, "fc3", right) == 0
    cut = factorized.factorize_network(network, {"fc3": 9})
    change = cut.predict(images) - network.predict(images)
    wanted = np.square(change).sum(axis=1).mean()
    found = lowrank.output_error(cut, images, "fc3", right)
    assert found == pytest.approx(wanted, rel=1e-4)


def test_files_of_one_network_are_compared_with_the_whole_one(monkeypatch):
    def timed(files):
        return {name: Latency(5.0, 4.0, 6.0, 30, 1, "a CPU") for name in files}

    monkeypatch.setattr(lowrank_files, "latency", timed)
    monkeypatch.setattr(lowrank_files, "VALIDATION", 100)
    monkeypatch.setattr(lowrank_files, "IMAGES", {"mlp": 200})
    whole, *cut = lowrank_files.rows("mlp")
    assert (whole["method"], whole["macs"]) == ("whole", 266_200)
    assert [row["method"] for row in cut] == ["svd", "responses", "inputs"]
    assert all(0.49 < row["macs"] / 266_200 < 0.51 for row in cut)
    assert whole["validation_accuracy"] > 0.95
