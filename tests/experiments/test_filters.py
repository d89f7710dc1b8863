"""Which filters to remove: how each choice ranks, what is saved, the committed run."""

import json

import numpy as np
import pytest
from long import quick
from markdown import cells

from experiments.prune import filter_tables, filters
from labkit import zoo
from labkit.compress import units
from labkit.compress.budget.filters import (
    NAMES,
    filters_to_remove,
    inner_layers,
    unit_macs,
)
from labkit.zoo import datasets

RUN = json.loads(filters.FILE.read_text())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("criterion", filters.RANKINGS)
def test_every_choice_saves_as_much_and_no_filter_too_many(name, criterion):
    network = zoo.load(name)
    gone = filters.removed(network, filters.ranking(name, criterion))
    small = filters.without(network, gone)
    dearest = max(unit_macs(network, layer) for layer in gone)
    saved = network.macs - small.macs
    assert filters.SAVING * network.macs <= saved
    assert saved < filters.SAVING * network.macs + dearest
    assert {layer: len(w) for layer, w in small.kernels.items() if layer in gone} == {
        layer: len(network.kernels[layer]) - len(f) for layer, f in gone.items()
    }


def test_taylor_per_mac_is_what_the_command_removes():
    network = zoo.load("resnet8")
    gone = filters.removed(network, filters.ranking("resnet8", "Taylor per MAC"))
    assert gone == filters_to_remove("resnet8", filters.SAVING)


def test_the_smallest_scores_go_whatever_they_cost():
    network = zoo.load("resnet8")
    scores = filters.ranking("resnet8", "Taylor")
    gone = filters.removed(network, scores)
    worst = max(scores[layer][f].max(initial=0) for layer, f in gone.items())
    for layer, filters_ in gone.items():
        left = np.delete(scores[layer], filters_)
        emptied = len(left) == len(scores[layer]) // 4
        assert emptied or left.min() >= worst
    assert any(gone.values())


def test_a_fixed_share_is_the_same_in_every_layer():
    network = zoo.load("resnet20")
    criterion = "fixed share of each layer, by norm"
    gone = filters.removed(network, filters.ranking("resnet20", criterion))
    norms = units.weight_norms(network)
    shares = [len(f) / len(norms[layer]) for layer, f in gone.items()]
    assert max(shares) - min(shares) <= 1 / 16
    for layer, f in gone.items():
        assert norms[layer][f].max() <= np.delete(norms[layer], f).min()


def test_draws_differ_and_are_repeated():
    one, other, again = (filters.ranking("resnet8", "random", k) for k in (0, 1, 0))
    layer = inner_layers(zoo.load("resnet8"))[0]
    assert (one[layer] != other[layer]).any()
    np.testing.assert_array_equal(one[layer], again[layer])


def test_ranks_by_hand():
    found = filters.ranks(np.array([5.0, -1.0, 3.0, 9.0]))
    assert found.tolist() == [0.5, 0.0, 0.25, 0.75]


def test_the_run_is_of_the_networks_that_are_here():
    digests = {name: zoo.load(name).digest for name in NAMES}
    assert RUN["networks"] == digests, "run `python -m experiments.prune.filters`"
    assert RUN["saving"] == filters.SAVING
    per_network = 1 + 2 * (len(filters.RANKINGS) - 1 + filters.DRAWS)
    assert len(RUN["rows"]) == per_network * len(NAMES)


@pytest.mark.parametrize("reestimated", [False, True])
def test_what_is_said_of_the_choice_is_so(reestimated):
    def best(name):
        rows = [r for r in RUN["rows"] if r["network"] == name and r["criterion"]]
        rows = [row for row in rows if row["reestimated"] == reestimated]
        return max(rows, key=lambda row: row["validation_accuracy"])["criterion"]

    assert best("resnet20") == "Taylor per MAC"
    assert best("resnet8") == "fixed share of each layer, by Taylor"
    assert len(filters.RANKINGS) == 9


@pytest.mark.parametrize("reestimated", quick([False, True], False))
def test_a_row_is_what_is_measured_now(reestimated):
    split = datasets.load_images("cifar10").validation
    network = zoo.load("resnet8")
    gone = filters.removed(network, filters.ranking("resnet8", "Taylor per MAC"))
    images = zoo.dataset("resnet8").calibration.images[: filters.IMAGES]
    wanted = {"network": "resnet8", "criterion": "Taylor per MAC"}
    wanted["reestimated"] = reestimated
    (row,) = (row for row in RUN["rows"] if wanted.items() <= row.items())
    small = filters.without(network, gone, images if reestimated else None)
    assert row["size_bytes"] == len(small)
    assert row["removed"] == {layer: len(f) for layer, f in gone.items()}
    now = filters.accuracy_of(small, split).value
    assert abs(now - row["validation_accuracy"]) <= 1e-3


def test_the_table_of_made_up_rows():
    rows = [{"network": "resnet8", "criterion": None, "validation_accuracy": 0.9}]
    for criterion in filters.RANKINGS:
        draws = range(3) if criterion == filters.RANDOM else (None,)
        rows += [
            {"network": "resnet8", "criterion": criterion, "reestimated": again}
            | {
                "seed": draw,
                "validation_accuracy": 0.5 + 0.2 * again + 0.1 * (draw or 0),
            }
            for draw in draws
            for again in (False, True)
        ]
    lines = cells(filter_tables.filters_table(rows))
    assert lines[0] == ["none removed", "90.00", ""]
    assert lines[1] == ["Taylor per MAC", "50.00", "70.00"]
    assert lines[-1] == ["random", "60.00 ± 10.00", "80.00 ± 10.00"]
