"""Networks trained anew while a kernel runs: no panel mixes the old and the new."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from drive_controls import few_images, nothing_kept
from long import quick

from labkit import zoo
from labkit.compress.budget import low_rank
from labkit.compress.budget.units import prune_units, unit_scores
from labkit.compress.criteria import criterion_scores
from labkit.measure.timing import Latency
from labkit.model.graph import NetworkError
from labkit.panels import measuring
from labkit.panels.activations.panel import activations_panel
from labkit.panels.budget.panel import budget_panel
from labkit.panels.clipping.panel import clipping_panel
from labkit.panels.pruning.panel import pruning_panel
from labkit.panels.qat.panel import qat_panel
from labkit.panels.quantization.panel import quantization_panel
from labkit.panels.rank.panel import rank_panel
from labkit.panels.temperature.panel import temperature_panel
from labkit.panels.units.panel import units_panel

NAME = "mlp"


@pytest.fixture(autouse=True)
def few_and_nothing_kept(monkeypatch):
    few_images(monkeypatch, 200, "test")

    def latency(models):
        return {name: Latency(1, 1, 1, 30, 1, "cpu") for name in models}

    monkeypatch.setattr("labkit.measure.timing.latency", latency)
    with nothing_kept():
        yield


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A copy of the zoo's files that a test may replace."""
    folder = tmp_path / "models"
    folder.mkdir()
    for file in zoo.FOLDER.glob(f"{NAME}.*"):
        if file.suffix != ".keras":
            shutil.copy(file, folder)
    shutil.copytree(zoo.GRADIENTS_FOLDER, folder / "gradients")
    monkeypatch.setattr("labkit.zoo.networks.FOLDER", folder)
    monkeypatch.setattr("labkit.zoo.networks.GRADIENTS_FOLDER", folder / "gradients")
    return folder


def train_anew(folder):
    """Another network of the same name, and its gradients: all weights reversed."""
    old, slopes = zoo.load(NAME), zoo.gradients(NAME)
    new = old.with_weights(
        {name: w[::-1] if "fc2" in name else w for name, w in old.weights.items()}
    )
    record = zoo.record(NAME) | {"sha256": hashlib.sha256(new.to_bytes()).hexdigest()}
    new.save(folder / f"{NAME}.tflite")
    (folder / f"{NAME}.json").write_text(json.dumps(record))
    write_gradients(folder, slopes, new.digest)
    return new


def write_gradients(folder, slopes, digest):
    """Gradients in which other weights and units matter."""
    turned = replace(
        slopes,
        mean={layer: g[::-1] for layer, g in slopes.mean.items()},
        squared={layer: g[::-1] for layer, g in slopes.squared.items()},
        units={layer: u[::-1] for layer, u in slopes.units.items()},
        network_digest=digest,
    )
    (folder / "gradients" / f"{NAME}.npz").write_bytes(turned.to_bytes())


def files(panel):
    """All that a panel shows: its points, and the files that "Save" would write."""
    points = {p.kind: (p.accuracy, p.size_bytes) for p in panel.result.points}
    return points, panel.spec.files(panel.result)


REPLACED = [
    (quantization_panel, {"bits": 4}),
    (quantization_panel, {"bits": 8, "mode": "static"}),
    (clipping_panel, {"clip": 50}),
    (activations_panel, {}),
    (qat_panel, {"weights": 2}),
    (pruning_panel, {"channels": "re-estimated"}),
    (pruning_panel, {"criterion": "taylor"}),
    (pruning_panel, {"criterion": "activation_aware"}),
    (units_panel, {}),
    (units_panel, {"criterion": "taylor"}),
    (rank_panel, {}),
    (rank_panel, {"method": "responses", "images": 20, "by": "energy"}),
    (temperature_panel, {"digit": 1}),
]


@pytest.mark.parametrize(
    ("panel_of", "settings"),
    quick(
        REPLACED,
        (quantization_panel, {"bits": 8, "mode": "static"}),
        (activations_panel, {}),
        (pruning_panel, {"criterion": "taylor"}),
        (units_panel, {"criterion": "taylor"}),
        (temperature_panel, {"digit": 1}),
    ),
)
def test_a_network_trained_anew_is_another_network(panel_of, settings, models):
    panel = panel_of(NAME, **settings)
    panel.set()
    before = files(panel)
    new = train_anew(models)
    result = panel.set()
    assert result.network == new
    marks = panel.marks
    panel.pin()
    with nothing_kept():
        fresh = panel_of(NAME, **settings)
        fresh.set()
    assert files(panel) == files(fresh) != before
    assert {point.group for point in marks.trail} <= {result.group}
    old = {kind: figures for kind, figures in before[0].items() if kind != "float"}
    for point in marks.trail:
        assert (point.accuracy, point.size_bytes) != old.get(point.kind)


def test_the_budget_panel_asks_for_a_map_of_the_new_network(models):
    panel = budget_panel(NAME)
    panel.set()
    train_anew(models)
    with pytest.raises(NetworkError, match="has no map of this network"):
        panel.set()


def test_gradients_computed_anew_rank_anew(models):
    slopes = zoo.gradients(NAME)
    before = [
        criterion_scores(NAME, name) for name in ("taylor", "fisher", "magnitude")
    ]
    units = unit_scores(NAME, "taylor")
    pruned = prune_units(NAME, "taylor").network
    write_gradients(models, slopes, slopes.network_digest)
    after = [criterion_scores(NAME, name) for name in ("taylor", "fisher", "magnitude")]
    same = [
        np.array_equal(a["fc2"], b["fc2"]) for a, b in zip(before, after, strict=True)
    ]
    assert same == [False, False, True]
    turned = unit_scores(NAME, "taylor")["fc2"]
    np.testing.assert_array_equal(turned, units["fc2"][::-1])
    assert prune_units(NAME, "taylor").network != pruned


def test_gradients_of_the_network_before_are_refused(models):
    old = (models / "gradients" / f"{NAME}.npz").read_bytes()
    zoo.gradients(NAME)
    train_anew(models)
    (models / "gradients" / f"{NAME}.npz").write_bytes(old)
    with pytest.raises(NetworkError, match="gradients of another network"):
        zoo.gradients(NAME)


def test_committed_losses_measured_anew_choose_anew(tmp_path, monkeypatch):
    from labkit.compress.budget import rank_sensitivity

    def ranks():
        return low_rank.low_rank_network(NAME, "svd", 0.3, "loss").ranks

    before, found = ranks(), json.loads(rank_sensitivity.FILE.read_text())
    for entry in found["networks"]:
        for record in entry["losses"]:
            for layer, row in record["layers"].items():
                worse = 1000 if layer == "fc2" else 0.001
                row["loss_increase"] = [worse * loss for loss in row["loss_increase"]]
    file = tmp_path / "rank_sensitivity.json"
    file.write_text(json.dumps(found))
    monkeypatch.setattr(rank_sensitivity, "FILE", file)
    assert ranks() != before


def test_equal_files_of_other_objects_share_what_was_made():
    network = zoo.load(NAME)
    copy = type(network).from_bytes(network.to_bytes())
    split = zoo.dataset(NAME).test
    (one,) = measuring.growing(network, split, (None,), lambda: False)
    (other,) = measuring.growing(copy, split.take(200), (None,), lambda: pytest.fail())
    np.testing.assert_array_equal(one.correct, other.correct)
