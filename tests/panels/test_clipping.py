"""The clip panel without a browser: every control to its ends, figures as measured."""

from itertools import pairwise

import numpy as np
import pytest
from drive_controls import TURNED, WAIT, few_images, turns

from labkit import compress, measure, zoo
from labkit.compress.clipped import clip_network, quantize_clipped
from labkit.packed.compressed import pack, unpack
from labkit.panels.clipping import curves
from labkit.panels.clipping.panel import clipping_panel, compute
from labkit.panels.clipping.plot import OPTIMUM
from labkit.panels.clipping.report import lines
from labkit.quantize import clipping
from labkit.quantize.affine import sqnr_db
from labkit.quantize.range_rules import RANGES
from labkit.quantize.symmetric import quantize

NETWORKS = [name for name in zoo.NAMES if (zoo.FOLDER / f"{name}.tflite").exists()]
SMALL = 300


@pytest.fixture
def small_test_set(monkeypatch):
    """The first images of each test set: a large network's 10,000 take seconds."""
    few_images(monkeypatch, SMALL, "test")


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, bytes)."""
    network = zoo.load(settings["network"])
    test = zoo.dataset(settings["network"]).test
    layers = None if settings["scope"] == "all" else (settings["layer"],)
    compressed = clip_network(network, settings["bits"], settings["clip"] / 100, layers)
    return {
        "float": (measure.accuracy(network, test).value, len(network)),
        "packed": (
            measure.accuracy(compressed.network, test).value,
            len(pack(network, compressed.quantized)),
        ),
    }


def shown(result):
    return {p.kind: (p.accuracy, p.size_bytes) for p in result.points}


@pytest.mark.parametrize("name", TURNED)
def test_every_control_to_its_ends(name, small_test_set):
    panel = clipping_panel(name)
    panel.set(clip=60)
    for result in turns(panel):
        assert shown(result) == direct(result.settings)
        said = "".join(lines(result))
        for accuracy, _ in shown(result).values():
            assert f"{100 * accuracy:.2f} %" in said
        w = zoo.load(name).kernels[result.settings["layer"]]
        w_hat = result.compressed.network.kernels[result.settings["layer"]]
        assert f"SQNR {sqnr_db(w, w_hat):.1f} dB" in said
        assert f"{shown(result)['packed'][1]:,}" in panel.readout
        assert "exact on all" in panel.readout


def test_from_network_to_network(small_test_set):
    panel = clipping_panel(NETWORKS[0], scope="one", clip=50)
    for name in [*NETWORKS[1:], NETWORKS[0]]:
        panel.control("network").value = name
        result = panel.wait(WAIT)
        layer = result.settings["layer"]
        assert layer in zoo.load(name).kernels and layer == result.curves.layer
        assert list(result.compressed.quantized) == [layer]
        assert shown(result) == direct(result.settings)


def test_all_10_000_images_at_the_default():
    panel = clipping_panel("mlp")
    result = panel.set()
    assert {point.n for point in result.points} == {10_000}
    assert shown(result) == direct(panel.settings)
    assert set(result.latency) == set(result.deflated) == {"float32", "packed"}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_first_estimate_comes_before_everything_slow(name):
    first = next(compute(network=name, bits=6, clip=70))
    assert first.accuracy.n == 250 and first.latency is None
    test = zoo.dataset(name).test
    again = measure.accuracy(first.compressed.network, test, 250)
    np.testing.assert_array_equal(first.accuracy.correct, again.correct)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_curve_at_the_slider_is_the_error_of_the_weights(name, bits):
    network = zoo.load(name)
    for layer in list(network.kernels)[:2]:
        w = network.kernels[layer].astype(np.float64)
        found = curves.curves(network, layer, bits)
        for clip in (1, 20, 55, 100):
            w_hat = quantize_clipped(w, bits, clip / 100).decode()
            errors = found.errors[curves.CLIPS.index(clip)]
            inside = np.clip(
                w, -clip / 100 * np.abs(w).max(), clip / 100 * np.abs(w).max()
            )
            energy = np.sum(w**2)
            clipping_part = np.sum((w - inside) ** 2) / energy
            roundoff_part = np.sum((inside - w_hat) ** 2) / energy
            assert errors.clipping == pytest.approx(clipping_part, rel=1e-4, abs=1e-9)
            assert errors.roundoff == pytest.approx(roundoff_part, rel=1e-3, abs=1e-9)
            assert errors.total == pytest.approx(10 ** (-sqnr_db(w, w_hat) / 10), 1e-3)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("bits", [2, 5, 8])
def test_no_rule_is_better_than_the_best_clip(name, bits):
    network = zoo.load(name)
    for layer, w in network.kernels.items():
        best, *rules = curves.curves(network, layer, bits).choices
        assert best.name == OPTIMUM and len(rules) == len(RANGES)
        assert all(a.sqnr_db >= b.sqnr_db for a, b in pairwise([best, *rules]))
        searched = clipping.optimum(clipping.measured(w), 2**bits - 1)
        assert best.sqnr_db > searched.sqnr_db - 0.1


@pytest.mark.parametrize("rule", RANGES)
def test_a_rules_mark_is_where_the_lab_puts_its_grid(rule):
    from labkit.panels.quantization.report import RULE_TEXTS

    network = zoo.load("resnet8")
    layer = "conv1"
    w = network.kernels[layer]
    quantized = quantize(w, 4, rule=rule)
    (mark,) = (
        choice
        for choice in curves.curves(network, layer, 4).choices
        if choice.name == RULE_TEXTS[rule]
    )
    end = quantized.grid()[-1] / np.abs(w).max()
    assert mark.share == pytest.approx(float(end), rel=1e-6)
    assert mark.sqnr_db == pytest.approx(sqnr_db(w, quantized.decode()), abs=1e-3)


def test_fewer_bits_want_a_narrower_clip():
    network = zoo.load("mlp")
    shares = [
        curves.curves(network, "fc1", bits).choices[0].share for bits in range(2, 9)
    ]
    assert all(a < b for a, b in pairwise(shares))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"bits": 9}, "bits is 9: give a whole number from 2 to 8"),
        ({"clip": 0}, "clip is 0: give a whole number from 1 to 100"),
        ({"clip": 101}, "clip is 101: give a whole number from 1 to 100"),
        ({"clip": 0.5}, "clip is 0.5: give a whole number"),
        ({"layer": "conv9"}, "layer is 'conv9': choose one of 'fc1'"),
        ({"scope": "two"}, "scope is 'two': choose one of 'all', 'one'"),
        ({"rule": "kl"}, "there is no setting 'rule': network, bits, clip"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_sentence(settings, sentence):
    panel = clipping_panel("mlp")
    with pytest.raises(ValueError) as raised:
        panel.set(**settings)
    assert str(raised.value).startswith(sentence)


def test_a_layer_of_zeros_has_no_curve():
    network = zoo.load("mlp")
    zeros = np.zeros_like(network.kernels["fc3"])
    with pytest.raises(ValueError, match="all weights of fc3 are 0"):
        curves.curves(network.with_weights({"fc3/kernel": zeros}), "fc3", 4)
    with pytest.raises(ValueError, match="there is no layer 'fc9'"):
        curves.curves(network, "fc9", 4)


def test_the_code_reproduces_the_figures(capsys, small_test_set):
    panel = clipping_panel("mlp", clip=45)
    for settings in ({"bits": 3}, {"scope": "one", "layer": "fc2"}):
        result = panel.set(**settings)
        scope = {}
        exec(panel.code, scope)
        accuracy, size = shown(result)["packed"]
        printed = capsys.readouterr().out
        assert f"packed: {accuracy:.2%}, {size:,} bytes" in printed
        assert f"SQNR of {result.settings['layer']}" in printed
        assert scope["compressed"].network.digest == result.compressed.network.digest


def test_the_saved_file_is_the_measured_one(tmp_path, small_test_set):
    panel = clipping_panel("mlp", clip=45, layer="fc2", scope="one")
    result = panel.set()
    (path,) = panel.save(tmp_path)
    assert path.name == "mlp-4bit-clip45-fc2.packed"
    unpacked = unpack(path.read_bytes())
    assert unpacked.digest == result.compressed.network.digest


def test_a_clip_at_the_peak_is_the_rule_min_max():
    network = zoo.load("lenet5")
    clipped = clip_network(network, 4, 1.0)
    assert clipped.packed == compress.quantize_network(network, 4).packed


def test_one_layer_leaves_the_others():
    network = zoo.load("mlp")
    clipped = clip_network(network, 3, 0.5, ("fc2",))
    for name, kernel in network.kernels.items():
        same = np.array_equal(kernel, clipped.network.kernels[name])
        assert same == (name != "fc2")
    with pytest.raises(ValueError, match="there is no layer 'fc9' with a kernel"):
        clip_network(network, 3, 0.5, ("fc9",))


@pytest.mark.parametrize("share", [0, -0.5, 1.01, float("nan")])
def test_a_share_is_above_0_and_at_most_1(share):
    with pytest.raises(
        ValueError, match="share is .*: give a (finite )?number above 0"
    ):
        quantize_clipped(np.ones(3), 4, share)


def test_a_tensor_of_zeros_has_scale_1():
    quantized = quantize_clipped(np.zeros((2, 3)), 4, 0.5)
    assert quantized.scale.tolist() == [1] and not quantized.q.any()
