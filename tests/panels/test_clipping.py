"""The clip panel's curves and marks, and networks with clipped weights."""

from itertools import pairwise

import numpy as np
import pytest
from long import quick

from labkit import compress, zoo
from labkit.compress.clipped import clip_network, quantize_clipped
from labkit.panels.clipping import curves
from labkit.panels.clipping.plot import OPTIMUM
from labkit.quantize import clipping
from labkit.quantize.affine import sqnr_db
from labkit.quantize.range_rules import RANGES
from labkit.quantize.symmetric import quantize

NETWORKS = [name for name in zoo.NAMES if (zoo.FOLDER / f"{name}.tflite").exists()]


@pytest.mark.parametrize("name", quick(NETWORKS, "mlp", "lenet5"))
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


@pytest.mark.parametrize("name", quick(NETWORKS, "mlp", "lenet5"))
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


def test_a_layer_of_zeros_has_no_curve():
    network = zoo.load("mlp")
    zeros = np.zeros_like(network.kernels["fc3"])
    with pytest.raises(ValueError, match="all weights of fc3 are 0"):
        curves.curves(network.with_weights({"fc3/kernel": zeros}), "fc3", 4)
    with pytest.raises(ValueError, match="there is no layer 'fc9'"):
        curves.curves(network, "fc9", 4)


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
