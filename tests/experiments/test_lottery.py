"""Lottery tickets: what is pruned a round, what a ticket begins with, resuming."""

import json

import numpy as np
import pytest

from experiments.prune import lottery
from labkit.zoo import datasets


def test_the_levels_are_those_of_the_paper():
    rng = np.random.default_rng(0)
    masks, levels = lottery.load_masks(0, 0), []
    kernels = [rng.normal(size=kept.shape) for kept in masks]
    for _ in range(lottery.ROUNDS + 1):
        levels.append(100 * lottery.left(masks))
        fewer = lottery.next_masks(kernels, masks, lottery.SETTINGS["pruned_a_round"])
        for kernel, before, after in zip(kernels, masks, fewer, strict=True):
            assert not (after & ~before).any()
            gone = np.abs(kernel[before & ~after])
            assert gone.max() <= np.abs(kernel[after]).min()
        masks = fewer
    wanted = [100, 51.3, 21.1, 13.5, 3.6]
    at = [levels[k] for k in (0, *lottery.REINITIALIZED)]
    assert at == pytest.approx(wanted, abs=0.06)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Two rounds on 300 images, 200 iterations each."""
    pytest.importorskip("keras", reason="the extra `train` is not installed")
    settings = lottery.SETTINGS | {"iterations": 200, "widths": [784, 20, 10]}
    settings |= {"pruned_a_round": [0.2, 0.1]}
    for name, value in {
        "SETTINGS": settings,
        "SEEDS": 1,
        "ROUNDS": 2,
        "REINITIALIZED": (2,),
        "MARKS": (100, 200),
        "FILE": tmp_path / "lottery.json",
        "RUNS": tmp_path / "runs",
    }.items():
        monkeypatch.setattr(lottery, name, value)
    dataset = datasets.Dataset("mnist")
    for name in ("train", "validation", "test"):
        dataset.__dict__[name] = getattr(datasets.load_images("mnist"), name).take(300)
    monkeypatch.setattr(datasets, "load_images", lambda name, full=False: dataset)


@pytest.mark.long
def test_a_run_that_stops_goes_on_to_the_same_rows(small, monkeypatch):
    lottery.main()
    whole = json.loads(lottery.FILE.read_text())["rows"]
    assert [(row["kind"], row["round"]) for row in whole] == [
        ("rewound", 0), ("rewound", 1), ("rewound", 2), ("reinitialized", 2)
    ]  # fmt: skip
    assert whole[2]["left"] == whole[3]["left"] < whole[1]["left"] < 1
    for row in whole:
        assert [mark["iteration"] for mark in row["marks"]] == [100, 200]
        losses = [mark["validation_loss"] for mark in row["marks"]]
        assert row["stop"]["validation_loss"] == min(losses)
        assert row["stop"]["test_accuracy"] > 0.5
    run = json.loads(lottery.FILE.read_text())
    run["rows"] = whole[:2]
    lottery.FILE.write_text(json.dumps(run))
    lottery.main()
    again = json.loads(lottery.FILE.read_text())["rows"]
    for row, other in zip(whole, again, strict=True):
        assert row | {"seconds": 0} == other | {"seconds": 0}
    monkeypatch.setattr(lottery, "one", None)
    lottery.main()  # complete: nothing is trained


def test_a_ticket_begins_with_the_weights_of_the_dense_network(small, monkeypatch):
    began = {}

    def spy(start, masks, dataset, seed):
        began[tuple(seed)] = start.kernels[0]
        return {}, list(start.kernels)

    monkeypatch.setattr(lottery, "trained", spy)
    for kind, round_ in (("rewound", 0), ("rewound", 1), ("reinitialized", 1)):
        lottery.one(kind, 3, round_, None)
    dense, ticket, new = began.values()
    np.testing.assert_array_equal(ticket, dense)
    assert (new != dense).mean() > 0.99
    assert len(began) == 3  # each sees its images in an order of its own
