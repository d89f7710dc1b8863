"""The pruning panel: its criteria, its threshold, its map of a mask."""

from dataclasses import replace
from itertools import cycle, product
from types import SimpleNamespace

import numpy as np
import pytest
from drive_controls import few_images
from long import quick
from recomputed.pruning import WRITTEN_AGAIN, direct

from labkit import zoo
from labkit.common.cache import CACHE
from labkit.compress.criteria import SURGEON, criteria, criterion_scores
from labkit.packed import compressed
from labkit.panels.pruning.panel import SPARSITIES, SPEC, pruning_panel
from labkit.panels.pruning.picture import mask_map
from labkit.panels.pruning.report import lines
from labkit.panels.words import CHANNELS
from labkit.plots.base import figure
from labkit.plots.plane import Marks
from labkit.prune import brain_surgeon, masking, scores

NETWORKS = [name for name in zoo.NAMES if (zoo.FOLDER / f"{name}.tflite").exists()]
SMALL = 300


@pytest.fixture
def small_test_set(monkeypatch):
    """The first images of each test set: a large network's 10,000 take seconds."""
    few_images(monkeypatch, SMALL, "test")


def shown(result):
    return {p.kind: (p.accuracy, p.size_bytes) for p in result.points}


EACH_ONCE = zip(WRITTEN_AGAIN, cycle(masking.SCOPES))


@pytest.mark.parametrize(
    ("criterion", "scope"), quick(product(WRITTEN_AGAIN, masking.SCOPES), *EACH_ONCE)
)
def test_every_criterion_ranks_as_its_formula(criterion, scope, small_test_set):
    layers = ("conv1", "fc2") if criterion == SURGEON else None
    panel = pruning_panel("lenet5", criterion=criterion, scope=scope, layers=layers)
    result = panel.set(sparsity=0.3, seed=3)
    assert shown(result) == direct(result.settings)
    total = sum(w.size for w in result.network.kernels.values())
    assert f"of {total:,} weights left" in "".join(lines(result))


def test_the_surgeon_removes_and_makes_up_for_it(small_test_set, tmp_path):
    """Both files have the compensated weights, and the error of the layer is less."""
    settings = {"layers": ("fc2",), "sparsity": 0.95, "shown": "fc2"}
    panel = pruning_panel("mlp", criterion=SURGEON, **settings)
    result = panel.set()
    kept, before = result.masks["fc2"], zoo.load("mlp").kernels["fc2"]
    now = result.compressed.network.kernels["fc2"]
    assert not now[~kept].any() and np.abs(now - before)[kept].max() > 0.01
    packed, with_zeros = panel.save(tmp_path)
    unpacked = compressed.unpack(packed.read_bytes())
    np.testing.assert_array_equal(unpacked.kernels["fc2"], now)
    assert with_zeros.read_bytes() == result.compressed.network.to_bytes()
    x = zoo.load("mlp").activations(zoo.dataset("mlp").validation.images[:500], "fc2")
    errors = [np.sum((x @ (w - before).T) ** 2) for w in (now, before * kept)]
    assert errors[0] < 0.7 * errors[1]
    by_size = panel.set(criterion="magnitude")
    assert result.accuracy.value > by_size.accuracy.value + 0.02
    assert by_size.compressed.size_bytes == result.compressed.size_bytes
    _, notes = panel.spec.ledger(result)
    assert notes[0].startswith("Surgeon: in both pruned files the weights left are")
    assert not any("ompensated" in note for note in panel.spec.ledger(by_size)[1])


def surgeon_is(monkeypatch, compute):
    """Have the registry's surgeon compute something else, with nothing kept."""
    row = replace(scores.CRITERIA[SURGEON], compute=compute)
    monkeypatch.setitem(scores.CRITERIA, SURGEON, row)
    CACHE.clear()


def test_the_surgeon_is_asked_for_the_chosen_layers_alone(monkeypatch):
    asked = []
    whole = brain_surgeon.obs_scores
    surgeon_is(monkeypatch, lambda w, h: asked.append(w.shape) or whole(w, h))
    found = criterion_scores("lenet5", SURGEON, layers=("conv1", "fc2"))
    assert list(found) == ["conv1", "fc2"] and found["conv1"].shape == (20, 5, 5, 1)
    assert set(asked) <= {(20, 25), (10, 500)}
    asked.clear()
    assert criterion_scores("lenet5", SURGEON, layers=("fc2",))["fc2"] is found["fc2"]
    assert not asked  # kept


def test_the_surgeon_s_long_ranking_can_be_cancelled(monkeypatch):
    calls = []
    surgeon_is(monkeypatch, lambda w, h: calls.append(len(w)) or np.ones(w.shape))
    CACHE.clear()
    settings = {"network": "mlp", "criterion": SURGEON, "layers": ("fc2",)}
    positions = SPEC.positions(cancelled=lambda: len(calls) == 2, **settings)
    assert list(positions) == [] and calls == [25, 25]
    CACHE.clear()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_surgeon_is_offered_where_it_knows_every_layer(name, monkeypatch):
    assert criteria({"network": name}) == tuple(scores.CRITERIA)
    network = zoo.load(name)
    other = next(iter(network.kernels))
    layers = [
        replace(layer, kind="DEPTHWISE_CONV_2D") if layer.name == other else layer
        for layer in network.layers
    ]
    fake = SimpleNamespace(
        kernels=network.kernels,
        layer=lambda name: next(layer for layer in layers if layer.name == name),
    )
    monkeypatch.setattr("labkit.zoo.networks.load", lambda _name: fake)
    assert criteria({"network": name}) == tuple(
        c for c in scores.CRITERIA if c != SURGEON
    )


def test_the_ledger_says_what_zeros_save(small_test_set):
    panel = pruning_panel("mlp")
    rows, notes = panel.spec.ledger(panel.set())
    assert [row.stage for row in rows] == ["float32", "zeros in it", "packed, bitmap"]
    assert rows[1].size_bytes == rows[0].size_bytes > rows[2].size_bytes
    assert rows[1].deflated_bytes < rows[0].deflated_bytes
    assert rows[1].nonzeros == rows[2].nonzeros < rows[0].nonzeros
    assert "not smaller: a zero is stored in as many bits" in "".join(notes)


def test_the_slider_has_small_steps_where_networks_break():
    steps = np.diff(SPARSITIES)
    assert (steps > 0).all() and SPARSITIES[0] == 0 and SPARSITIES[-1] == 0.995
    assert steps[-5:].max() < 0.011 < steps[:5].min()


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_the_threshold_parts_removed_from_kept(scope):
    for layer, w in zoo.load("lenet5").kernels.items():
        settings = {"scope": scope, "shown": layer, "sparsity": 0.68}
        result = next(SPEC.positions(network="lenet5", **settings))
        kept, cut = result.masks[layer], result.cut
        assert (np.abs(w[kept]) >= cut.threshold).all()
        assert (np.abs(w[~kept]) < cut.threshold).all()
        assert cut.removed.sum() == np.sum(~kept) and cut.counts.sum() == w.size
        assert (cut.removed <= cut.counts).all()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"criterion": "random"}, "not by size alone"),
        ({"scope": "output"}, "not by size alone"),
        ({"sparsity": 0}, "left whole"),
        ({"layers": ("fc2",)}, "left whole"),
    ],
)
def test_where_no_threshold_parts_them_none_is_drawn(settings, text):
    result = next(SPEC.positions(network="mlp", **settings))
    alt = SPEC.draw(figure(*SPEC.size), result, Marks())
    assert f"fc1: {result.cut.removed.sum():,} of 235,200" in alt
    assert text in alt


def test_pruning_finds_the_border_of_the_image():
    kept = next(SPEC.positions(network="mlp", sparsity=0.9)).mask_map.kept
    assert kept.shape == (28, 28)
    border = np.concatenate([kept[0], kept[-1], kept[:, 0], kept[:, -1]])
    corner, middle = kept[:4, :4].mean(), kept[10:18, 10:18].mean()
    assert corner < 0.01 < border.mean() < middle / 2


@pytest.mark.parametrize("name", NETWORKS)
def test_a_map_shows_every_weight_once(name):
    network, rng = zoo.load(name), np.random.default_rng(0)
    for layer, w in network.kernels.items():
        kept = rng.random(w.shape) < 0.3
        squares = mask_map(network, layer, kept).kept
        assert squares.shape[0] <= squares.shape[1] and squares.size < 10_000
        assert np.nanmin(squares) >= 0 and np.nanmax(squares) <= 1
        whole = mask_map(network, layer, np.ones(w.shape, bool)).kept
        assert np.nanmin(whole) == np.nanmax(whole) == 1
        counts = kept.sum() / kept.size
        assert abs(np.nanmean(squares) - counts) < 0.01
        none = mask_map(network, layer, np.zeros(w.shape, bool))
        assert np.nanmax(none.kept) == 0 and none.darkest == 1


@pytest.mark.long
def test_channels_given_back_their_mean_and_deviation(small_test_set):
    panel = pruning_panel("resnet8", sparsity=0.5)
    before, after = panel.set(), panel.set(channels=CHANNELS[1])
    assert after.accuracy.value > before.accuracy.value + 0.1
    for layer, kept in after.masks.items():
        assert not after.compressed.network.kernels[layer][~kept].any()
    assert after.compressed.size_bytes == before.compressed.size_bytes
