"""The committed runs of the repairs and of the bits assigned to layers."""

import json

import pytest

from experiments.quantize import feedback, repair
from experiments.quantize import sensitivity as assigned
from experiments.scores import accuracy_of, scores
from labkit import zoo
from labkit.compress.quantized import quantize_network
from labkit.compress.repair.equalization import equalize
from labkit.compress.repair.error_feedback import output_error, round_with_feedback
from labkit.quantize.symmetric import quantize

REPAIRS = json.loads(repair.FILE.read_text())
ASSIGNED = json.loads(assigned.FILE.read_text())
DIGESTS = {name: zoo.load(name).digest for name in zoo.NAMES}
REPAIRED = zoo.NAMES


def rows(section, **wanted):
    return [
        row
        for row in REPAIRS[section]
        if all(row[key] == value for key, value in wanted.items())
    ]


def test_the_runs_are_of_the_networks_that_are_here():
    runs = {name: run["digest"] for name, run in REPAIRS["runs"].items()}
    wanted = {name: DIGESTS[name] for name in REPAIRED}
    assert runs == wanted, "run `python -m experiments.quantize.repair`"
    maps = {entry["network"]: entry["digest"] for entry in ASSIGNED["networks"]}
    assert maps == DIGESTS, "run `python -m experiments.quantize.sensitivity`"


@pytest.mark.parametrize("name", REPAIRED)
def test_every_setting_is_there_once(name):
    found = rows("repairs", network=name)
    settings = {(r["bits"], r["granularity"], r["rule"], r["method"]) for r in found}
    assert len(found) == len(settings) == 3 * 2 * 2 * 5
    found = rows("algorithms", network=name)
    assert len({(r["bits"], r["algorithm"]) for r in found}) == len(found) == 3 * 4
    assert all(("reason" in row) != ("accuracy" in row) for row in found)


def test_a_repaired_row_is_what_is_measured_now():
    setting = {"bits": 3, "granularity": "tensor", "rule": "minmax"}
    network, data = zoo.load("mlp"), zoo.dataset("mlp")
    images = data.calibration.images[: repair.IMAGES]
    base = accuracy_of(network, data.test)
    made = repair.repaired(network, equalize(network), images, tuple(setting.values()))
    for method, position in made:
        (row,) = rows("repairs", network="mlp", method=method, **setting)
        now = scores("mlp", position.network, base)
        assert row["size_bytes"] == position.size_bytes
        assert abs(row["accuracy"] - now["accuracy"]) <= 5e-4


def test_a_feedback_row_is_what_is_measured_now():
    w, (x, new) = zoo.load("mlp").kernels["fc3"], feedback.layer_inputs("fc3")
    nearest = quantize(w, 3, "channel")
    fed = round_with_feedback(w, x[: feedback.IMAGES], nearest)
    for rounding, tensor in (("nearest", nearest), ("error_feedback", fed)):
        (row,) = rows(
            "feedback_layers", layer="fc3", bits=3, rule="minmax", rounding=rounding
        )
        error = output_error(w, tensor.decode(), new)
        assert row["validation_error"] == pytest.approx(error, rel=0.05)


def test_error_feedback_beats_the_whole_inverse_and_nearest_in_every_row():
    for row in rows("feedback_layers", rounding="error_feedback"):
        same = {key: row[key] for key in ("layer", "bits", "rule")}
        for other in ("nearest", "whole_inverse"):
            (worse,) = rows("feedback_layers", rounding=other, **same)
            assert row["validation_error"] < worse["validation_error"]


def test_renewing_one_networks_rows_keeps_the_others():
    new = {"repairs": [{"network": "lenet5", "bits": 1}]}
    content = repair.merged(REPAIRS, "lenet5", new, seconds=1.4)
    kept = [row for row in REPAIRS["repairs"] if row["network"] != "lenet5"]
    assert [row for row in content["repairs"] if row["network"] != "lenet5"] == kept
    assert [r for r in content["repairs"] if r["network"] == "lenet5"] == new["repairs"]
    order = [zoo.NAMES.index(row["network"]) for row in content["repairs"]]
    assert order == sorted(order)
    assert content["runs"]["lenet5"]["seconds"] == 1
    assert content["runs"]["mlp"] == REPAIRS["runs"]["mlp"]


@pytest.mark.parametrize("entry", ASSIGNED["networks"], ids=lambda e: e["network"])
def test_assignments_fit_their_budgets(entry):
    for row in entry["assignments"]:
        assert list(row["bits"]) == list(zoo.load(entry["network"]).kernels)
        budget = row["budget_bytes"]
        assert budget is None or row["payload_bytes"] <= budget
    budgets = {r["budget_bytes"] for r in entry["assignments"]} - {None}
    for budget in budgets:
        predicted = {
            row["method"]: row["predicted_loss_increase"]
            for row in entry["assignments"]
            if row["budget_bytes"] == budget
        }
        assert predicted["exact"] <= predicted["greedy"] + 1e-12


def test_an_assignment_is_what_is_measured_now():
    (entry,) = (e for e in ASSIGNED["networks"] if e["network"] == "mlp")
    network, data = zoo.load("mlp"), zoo.dataset("mlp")
    row = next(r for r in entry["assignments"] if r["method"] == "exact")
    mixed = quantize_network(
        network, row["bits"], ASSIGNED["granularity"], ASSIGNED["rule"]
    )
    assert mixed.size_bytes == row["size_bytes"]
    now = accuracy_of(mixed.network, data.test).value
    assert abs(now - row["test_accuracy"]) <= 2e-4
