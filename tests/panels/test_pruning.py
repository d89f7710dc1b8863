"""The pruning panel without a browser: every control to its ends, figures as measured.

What a reader sees is compared with a direct call.
"""

from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest
from drive_controls import TURNED, WAIT, few_images, turns

from labkit import measure, zoo
from labkit.common.cache import CACHE
from labkit.compress import pruned
from labkit.compress.criteria import (
    CRITERIA,
    IMAGES,
    SURGEON,
    criteria,
    criterion_scores,
)
from labkit.compress.layer_inputs import input_norms, layer_hessian
from labkit.compress.repair.batch_norm import reestimate_channels
from labkit.packed import compressed
from labkit.panels.pruning.panel import LESSON, SPARSITIES, compute, pruning_panel
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


@lru_cache(maxsize=40)
def by_surgeon(name, layer):
    """A layer's H and scores, for one output after the other."""
    network, images = zoo.load(name), zoo.dataset(name).calibration.images[:IMAGES]
    h, w = layer_hessian(network, images, layer), network.kernels[layer]
    found = [brain_surgeon.surgeon(row.reshape(1, -1), h) for row in w]
    return h, np.concatenate(found).reshape(w.shape)


def compensated(settings, masks):
    """The network with the rest of every pruned layer made up by least squares."""
    network, changes = zoo.load(settings["network"]), {}
    for layer, kept in masks.items():
        h, _ = by_surgeon(settings["network"], layer)
        w = network.kernels[layer]
        rows, stay = w.reshape(len(w), -1), kept.reshape(len(w), -1)
        new = brain_surgeon.compensated(rows, h, stay)
        changes[f"{layer}/kernel"] = new.reshape(w.shape).astype(np.float32)
    return network.with_weights(changes)


def direct_scores(settings):
    """The scores of a setting without the panel's caches."""
    chosen = settings["layers"] or zoo.load(settings["network"]).kernels
    if settings["criterion"] == SURGEON:
        return {k: by_surgeon(settings["network"], k)[1] for k in chosen}
    network, data = (f(settings["network"]) for f in (zoo.load, zoo.dataset))
    rng = np.random.default_rng(settings["seed"])
    gradients = zoo.gradients(settings["network"])
    norms = None
    if settings["criterion"] == "activation_aware":
        norms = input_norms(network, data.calibration.images[:IMAGES])
    make = {
        "magnitude": lambda layer, w: scores.magnitude(w),
        "random": lambda layer, w: scores.random(w, rng),
        "activation_aware": lambda layer, w: scores.activation_aware(w, norms[layer]),
        "taylor": lambda layer, w: scores.taylor(w, gradients.mean[layer]),
        "fisher": lambda layer, w: scores.fisher(w, gradients.squared[layer]),
    }[settings["criterion"]]
    return {layer: make(layer, w) for layer, w in network.kernels.items()}


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, bytes)."""
    network, data = (f(settings["network"]) for f in (zoo.load, zoo.dataset))
    chosen = settings["layers"]
    ranked = {
        layer: s
        for layer, s in direct_scores(settings).items()
        if chosen is None or layer in chosen
    }
    masks = masking.masks(ranked, settings["sparsity"], settings["scope"])
    masked = pruned.apply_masks(network, masks)
    if settings["criterion"] == SURGEON:
        masked = compensated(settings, masks)
    if settings["channels"] == "re-estimated":
        images = data.calibration.images[:IMAGES]
        masked = reestimate_channels(network, masked, images)
    file = pruned.prune_network(masked, masks, settings["storage"])
    assert compressed.unpack(file.packed).digest == masked.digest
    accuracy = measure.accuracy(masked, data.test).value
    return {
        "float": (measure.accuracy(network, data.test).value, len(network)),
        "packed": (accuracy, len(file.packed)),
        "zeros": (accuracy, len(network)),
    }


def shown(result):
    return {p.kind: (p.accuracy, p.size_bytes) for p in result.points}


@pytest.mark.parametrize("name", TURNED)
def test_every_control_to_its_ends(name, small_test_set):
    panel = pruning_panel(name)
    panel.set(sparsity=0.4)
    for result in turns(panel):
        assert shown(result) == direct(result.settings)
        said = "".join(lines(result))
        for accuracy, _ in shown(result).values():
            assert f"{100 * accuracy:.2f} %" in said
        assert f"{shown(result)['packed'][1]:,}" in panel.readout
        assert "exact on all" in panel.readout


@pytest.mark.parametrize("scope", masking.SCOPES)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_criterion_ranks_as_its_formula(criterion, scope, small_test_set):
    few = ("conv1", "stage1_block1_conv1", "stage2_block1_conv1", "fc")
    layers = few if criterion == SURGEON else None
    panel = pruning_panel("resnet8", criterion=criterion, scope=scope, layers=layers)
    result = panel.set(sparsity=0.3, seed=3)
    assert shown(result) == direct(result.settings)
    total = sum(w.size for w in result.network.kernels.values())
    assert f"of {total:,} weights left" in "".join(lines(result))


def test_the_surgeon_removes_and_makes_up_for_it(small_test_set, tmp_path):
    """Both files have the compensated weights, and the error of the layer is less."""
    settings = {"layers": ("fc2",), "sparsity": 0.95, "shown": "fc2"}
    panel = pruning_panel("mlp", criterion=SURGEON, **settings)
    result = panel.set()
    assert shown(result) == direct(result.settings)
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
    _, notes = panel.lesson.ledger(result)
    assert notes[0].startswith("Surgeon: in both pruned files the weights left are")
    assert not any("ompensated" in note for note in panel.lesson.ledger(by_size)[1])


def test_the_surgeon_is_asked_for_the_chosen_layers_alone(monkeypatch):
    asked = []
    whole = brain_surgeon.surgeon
    monkeypatch.setattr(
        "labkit.compress.criteria.surgeon",
        lambda w, h: asked.append(w.shape) or whole(w, h),
    )
    found = criterion_scores("lenet5", SURGEON, layers=("conv1", "fc2"))
    assert list(found) == ["conv1", "fc2"] and found["conv1"].shape == (20, 5, 5, 1)
    assert set(asked) <= {(20, 25), (10, 500)}
    asked.clear()
    assert criterion_scores("lenet5", SURGEON, layers=("fc2",))["fc2"] is found["fc2"]
    assert not asked  # kept


def test_the_surgeon_s_long_ranking_can_be_cancelled(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "labkit.compress.criteria.surgeon",
        lambda w, h: calls.append(len(w)) or np.ones(w.shape),
    )
    CACHE.clear()
    settings = {"criterion": SURGEON, "layers": ("fc2",)}
    positions = compute("mlp", cancelled=lambda: len(calls) == 2, **settings)
    assert list(positions) == [] and calls == [25, 25]
    CACHE.clear()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_surgeon_is_offered_where_it_knows_every_layer(name, monkeypatch):
    assert criteria({"network": name}) == CRITERIA
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
    assert criteria({"network": name}) == tuple(c for c in CRITERIA if c != SURGEON)


def test_from_network_to_network(small_test_set):
    panel = pruning_panel(NETWORKS[0], layers=("fc1",), shown="fc2")
    for name in [*NETWORKS[1:], NETWORKS[0]]:
        panel.control("network").value = name
        result = panel.wait(WAIT)
        assert result.settings["shown"] in zoo.load(name).kernels
        assert shown(result) == direct(result.settings)


def test_all_10_000_images_at_the_default():
    panel = pruning_panel("mlp")
    result = panel.set()
    assert {point.n for point in result.points} == {10_000}
    assert shown(result) == direct(panel.settings)
    assert set(result.deflated) == {"float32", "zeros", "packed"}
    assert set(result.latency) == {"float32", "zeros"}
    rows, notes = panel.lesson.ledger(result)
    assert [row.stage for row in rows] == ["float32", "zeros in it", "packed, bitmap"]
    assert rows[1].size_bytes == rows[0].size_bytes > rows[2].size_bytes
    assert rows[1].deflated_bytes < rows[0].deflated_bytes
    assert rows[1].nonzeros == rows[2].nonzeros < rows[0].nonzeros
    assert "not smaller: a zero is stored in as many bits" in "".join(notes)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_first_estimate_comes_before_everything_slow(name):
    first = next(compute(network=name, sparsity=0.44))
    assert first.accuracy.n == 250 and first.latency is None
    test = zoo.dataset(name).test
    again = measure.accuracy(first.compressed.network, test, 250)
    np.testing.assert_array_equal(first.accuracy.correct, again.correct)


def test_the_slider_has_small_steps_where_networks_break():
    steps = np.diff(SPARSITIES)
    assert (steps > 0).all() and SPARSITIES[0] == 0 and SPARSITIES[-1] == 0.995
    assert steps[-5:].max() < 0.011 < steps[:5].min()


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_the_threshold_parts_removed_from_kept(scope):
    for layer, w in zoo.load("lenet5").kernels.items():
        settings = {"scope": scope, "shown": layer, "sparsity": 0.68}
        result = next(compute(network="lenet5", **settings))
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
    result = next(compute("mlp", **settings))
    alt = LESSON.draw(figure(*LESSON.size), result, Marks())
    assert f"fc1: {result.cut.removed.sum():,} of 235,200" in alt
    assert text in alt


def test_pruning_finds_the_border_of_the_image():
    kept = next(compute(network="mlp", sparsity=0.9)).mask_map.kept
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


def test_channels_given_back_their_mean_and_deviation(small_test_set):
    panel = pruning_panel("resnet8", sparsity=0.5)
    before, after = panel.set(), panel.set(channels=CHANNELS[1])
    assert after.accuracy.value > before.accuracy.value + 0.1
    for layer, kept in after.masks.items():
        assert not after.compressed.network.kernels[layer][~kept].any()
    assert after.compressed.size_bytes == before.compressed.size_bytes


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"sparsity": 0.999}, "sparsity is 0.999: choose one of 0.0, 0.1"),
        ({"criterion": "size"}, "criterion is 'size': choose one of 'magnitude'"),
        ({"scope": "row"}, "scope is 'row': choose one of 'layer', 'global', 'output'"),
        ({"storage": "zip"}, "storage is 'zip': choose one of 'bitmap'"),
        ({"layers": ("fc9",)}, "layers is ('fc9',): give a tuple of 'fc1'"),
        ({"bits": 4}, "there is no setting 'bits': network, criterion, sparsity"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_sentence(settings, sentence):
    panel = pruning_panel("mlp")
    with pytest.raises(ValueError) as raised:
        panel.set(**settings)
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_code_reproduces_the_figures(criterion, capsys, small_test_set):
    panel = pruning_panel("mlp", criterion=criterion, sparsity=0.64)
    some, every = (("fc2", "fc3"), None)
    for settings in (
        {"layers": some, "storage": "rice"},
        {
            "layers": some if criterion == SURGEON else every,
            "scope": "global",
            "channels": CHANNELS[1],
            "seed": 4,
        },
    ):
        result = panel.set(**settings)
        scope = {}
        exec(panel.code, scope)
        accuracy, size = shown(result)["packed"]
        assert f"packed: {accuracy:.2%}, {size:,} bytes" in capsys.readouterr().out
        assert scope["compressed"].packed == result.compressed.packed


def test_the_saved_files_are_the_measured_ones(tmp_path, small_test_set):
    panel = pruning_panel("mlp", sparsity=0.985, layers=("fc1",))
    result = panel.set()
    packed, with_zeros = panel.save(tmp_path)
    assert packed.name == "mlp-magnitude-layer-98.5-1layers-bitmap.packed"
    assert with_zeros.name == "mlp-magnitude-layer-98.5-1layers.tflite"
    assert with_zeros.read_bytes() == result.compressed.network.to_bytes()
    unpacked = compressed.unpack(packed.read_bytes())
    assert unpacked.digest == result.compressed.network.digest
