"""The panel of removed units without a browser: files that are smaller, and as told."""

import numpy as np
import pytest
from drive_controls import few_images
from long import quick

from labkit import zoo
from labkit.compress import units as structured
from labkit.compress.budget.units import SCOPES, UNIT_CRITERIA, prune_units
from labkit.panels.units.panel import SPEC, units_panel
from labkit.panels.units.report import lines
from labkit.panels.words import CHANNELS
from labkit.prune import units

NETWORKS = [name for name in zoo.NAMES if (zoo.FOLDER / f"{name}.tflite").exists()]
SMALL = 300


@pytest.fixture
def small_test_set(monkeypatch):
    """The first images of each test set: a large network's 10,000 take seconds."""
    few_images(monkeypatch, SMALL, "test")


@pytest.mark.parametrize("name", quick(NETWORKS, "lenet5", "resnet8"))
@pytest.mark.parametrize("criterion", UNIT_CRITERIA)
def test_a_masked_network_says_the_same_as_the_smaller_one(name, criterion):
    network, images = zoo.load(name), zoo.dataset(name).validation.images[:20]
    small = prune_units(name, criterion, 0.3)
    masked = structured.mask_units(network, small.kept).predict(images)
    difference = np.abs(small.network.predict(images) - masked).max()
    assert difference <= 1e-4 * np.abs(masked).max()
    assert len(small.network) < len(network) and small.network.macs < network.macs


def test_a_seed_draws_other_units_and_the_same_ones_again():
    one, other, again = (prune_units("mlp", "random", 0.5, seed=k) for k in (1, 2, 1))
    assert (one.kept["fc1"] != other.kept["fc1"]).any()
    np.testing.assert_array_equal(one.kept["fc1"], again.kept["fc1"])
    digests = {prune_units("mlp", "norm", 0.5, seed=k).network.digest for k in (1, 2)}
    assert len(digests) == 1


@pytest.mark.parametrize("scope", SCOPES)
def test_the_units_left_are_those_of_the_largest_scores(scope):
    small = prune_units("lenet5", "norm", 0.5, scope)
    scores = structured.weight_norms(zoo.load("lenet5"))
    for layer, kept in small.kept.items():
        assert scores[layer][kept].min() >= scores[layer][~kept].max(initial=0)
    if scope == "layer":
        left = {layer: kept.sum() for layer, kept in small.kept.items()}
        assert left == {"conv1": 10, "conv2": 25, "fc1": 250}


def test_together_layers_are_ranked_by_what_they_have_in_common():
    """Norms of short and long filters are no more comparable than their lengths."""
    kept = prune_units("lenet5", "norm", 0.3, "global").kept
    scores = structured.weight_norms(zoo.load("lenet5"))
    common = {layer: units.normalized(scores[layer]) for layer in kept}
    worst_left = min(common[layer][k].min() for layer, k in kept.items())
    best_gone = max(common[layer][~k].max(initial=0) for layer, k in kept.items())
    assert worst_left >= best_gone


def test_taylors_scores_of_all_layers_are_changes_of_one_loss():
    kept = prune_units("mlp", "taylor", 0.3, "global").kept
    scores = zoo.gradients("mlp").units
    worst_left = min(scores[layer][k].min() for layer, k in kept.items())
    best_gone = max(scores[layer][~k].max(initial=0) for layer, k in kept.items())
    assert worst_left >= best_gone


def test_the_picture_has_every_layers_units():
    result = next(SPEC.positions(network="resnet8", fraction=0.5))
    for layer, before in result.widths.before.items():
        kept = result.smaller.network.kernels[layer]
        assert before == len(zoo.load("resnet8").kernels[layer])
        assert result.widths.left[layer] == len(kept)
    assert result.widths.left["fc"] == 10 == result.widths.before["fc"]
    assert result.costs.latency is None and result.costs.macs < 0.4


def test_branches_taken_out_have_no_units_left(small_test_set):
    panel = units_panel("resnet20", fraction=0, blocks=("stage1_block1_add",))
    result = panel.set()
    assert result.widths.left["stage3_block3_conv2"] == 0
    assert result.widths.left["stage1_block1_conv2"] == 16
    assert "branches left: 1" in lines(result)[0]
    assert "stage1_block2_conv1" not in panel.control("layers").value


def test_the_channels_left_get_their_mean_and_deviation_back(small_test_set):
    panel = units_panel("resnet8", fraction=0.15)
    before, after = panel.set(), panel.set(channels=CHANNELS[1])
    assert after.accuracy.value > before.accuracy.value + 0.1
    assert len(after.smaller.network) == len(before.smaller.network)


def test_latency_is_beside_the_float_network_s(small_test_set):
    panel = units_panel("mlp")
    result = panel.set()
    assert result.costs.latency == pytest.approx(
        result.latency["smaller"].median_us / result.latency["float32"].median_us
    )
    rows, _ = panel.spec.ledger(result)
    assert rows[1].parameters < rows[0].parameters and rows[1].macs < rows[0].macs
