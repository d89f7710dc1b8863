"""The panel of removed units without a browser: files that are smaller, and as told."""

import numpy as np
import pytest
from drive_controls import TURNED, WAIT, few_images, turns

from labkit import measure, zoo
from labkit.compress import units as structured
from labkit.compress.budget.units import IMAGES, SCOPES, UNIT_CRITERIA, prune_units
from labkit.compress.repair.batch_norm import reestimate_channels
from labkit.panels.units.panel import compute, units_panel
from labkit.panels.units.report import lines
from labkit.panels.words import CHANNELS
from labkit.prune import units

NETWORKS = [name for name in zoo.NAMES if (zoo.FOLDER / f"{name}.tflite").exists()]
SMALL = 300


@pytest.fixture
def small_test_set(monkeypatch):
    """The first images of each test set: a large network's 10,000 take seconds."""
    few_images(monkeypatch, SMALL, "test")


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, bytes)."""
    base, data = zoo.load(settings["network"]), zoo.dataset(settings["network"])
    test, images = data.test, data.calibration.images[:IMAGES]
    small = base
    for layer in base.layers:
        blocks = settings["blocks"]
        if layer.kind == "ADD" and blocks is not None and layer.name not in blocks:
            small = small.remove_branch(layer.name)
    bundles = structured.bundles(small)
    ranked = structured.bundle_scores(bundles, scores_of(base, settings, images))
    if settings["layers"] is not None:
        ranked = {name: ranked[name] for name in settings["layers"]}
    if settings["scope"] == "global" and settings["criterion"] != "taylor":
        ranked = {name: s / np.sqrt((s**2).sum()) for name, s in ranked.items()}
    kept = units.choose(ranked, settings["fraction"], settings["scope"])
    gone = structured.removed_units(bundles, kept)
    small = structured.remove_units(small, kept)
    if settings["channels"] == CHANNELS[1]:
        channels = {
            name: np.delete(np.arange(len(base.kernels[name])), units_)
            for name, units_ in gone.items()
        }
        small = reestimate_channels(base, small, images, channels)
    return {
        "float": (measure.accuracy(base, test).value, len(base)),
        "deployable": (measure.accuracy(small, test).value, len(small)),
    }


def scores_of(base, settings, images):
    """Layer -> scores, without the panel's caches."""
    if settings["criterion"] == "norm":
        return {
            name: np.abs(w).reshape(len(w), -1).sum(axis=1, dtype=float)
            for name, w in base.kernels.items()
        }
    if settings["criterion"] == "activation":
        return structured.mean_activations(base, images)
    if settings["criterion"] == "taylor":
        return zoo.gradients(settings["network"]).units
    rng = np.random.default_rng(0)
    return {name: rng.random(len(w)) for name, w in base.kernels.items()}


def shown(result):
    return {p.kind: (p.accuracy, p.size_bytes) for p in result.points}


@pytest.mark.parametrize("name", TURNED)
def test_every_control_to_its_ends(name, small_test_set):
    panel = units_panel(name)
    panel.set(fraction=0.2)
    for result in turns(panel):
        assert shown(result) == direct(result.settings)
        said = "".join(lines(result))
        for accuracy, _ in shown(result).values():
            assert f"{100 * accuracy:.2f} %" in said
        assert f"{shown(result)['deployable'][1]:,} bytes" in said
        assert f"{result.smaller.network.macs:,} MACs" in panel.readout
        assert "exact on all" in panel.readout


def test_the_largest_network_at_one_position(small_test_set):
    result = units_panel("resnet20").set(fraction=0.3)
    assert shown(result) == direct(result.settings)


@pytest.mark.parametrize("name", NETWORKS)
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
    result = next(compute("resnet8", fraction=0.5))
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


def test_all_10_000_images_at_the_default():
    panel = units_panel("mlp")
    result = panel.set()
    assert {point.n for point in result.points} == {10_000}
    assert shown(result) == direct(panel.settings)
    assert set(result.latency) == set(result.deflated) == {"float32", "smaller"}
    assert result.costs.latency == pytest.approx(
        result.latency["smaller"].median_us / result.latency["float32"].median_us
    )
    rows, _ = panel.lesson.ledger(result)
    assert rows[1].parameters < rows[0].parameters and rows[1].macs < rows[0].macs


@pytest.mark.parametrize("name", NETWORKS)
def test_a_first_estimate_comes_before_everything_slow(name):
    first = next(compute(network=name, fraction=0.35))
    assert first.accuracy.n == 250 and first.latency is None


def test_from_network_to_network(small_test_set):
    panel = units_panel(NETWORKS[0], layers=("fc1",))
    for name in [*NETWORKS[1:], NETWORKS[0]]:
        panel.control("network").value = name
        result = panel.wait(WAIT)
        assert shown(result) == direct(result.settings)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"fraction": 1.0}, "fraction is 1.0: choose one of 0.0, 0.05"),
        ({"criterion": "size"}, "criterion is 'size': choose one of 'norm'"),
        ({"scope": "output"}, "scope is 'output': choose one of 'layer', 'global'"),
        ({"layers": ("fc3",)}, "layers is ('fc3',): give a tuple of 'fc1', 'fc2'"),
        ({"blocks": ("add",)}, "blocks is ('add',): give a tuple of , or None for all"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_sentence(settings, sentence):
    panel = units_panel("mlp")
    with pytest.raises(ValueError) as raised:
        panel.set(**settings)
    assert str(raised.value).startswith(sentence)


def test_the_code_reproduces_the_figures(capsys, small_test_set):
    panel = units_panel("resnet8", fraction=0.25)
    for settings in (
        {"criterion": "activation", "scope": "global"},
        {"blocks": ("stage1_block1_add",), "channels": CHANNELS[1]},
    ):
        result = panel.set(**settings)
        scope = {}
        exec(panel.code, scope)
        accuracy, size = shown(result)["deployable"]
        assert f"{accuracy:.2%}, {size:,} bytes, " in capsys.readouterr().out
        assert scope["small"].digest == result.smaller.network.digest


def test_the_saved_file_is_the_measured_one(tmp_path, small_test_set):
    panel = units_panel("mlp", fraction=0.75, layers=("fc1",))
    result = panel.set()
    (path,) = panel.save(tmp_path)
    assert path.name == "mlp-units-norm-layer-75-1layers.tflite"
    assert path.read_bytes() == result.smaller.network.to_bytes()
