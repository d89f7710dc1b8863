"""Rounding without training: bits of each layer, activations, and the packed file."""

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.compress.post_training import (
    Setting,
    kept_layers,
    round_in_graph,
    round_network,
)
from labkit.compress.quantized import quantize_network
from labkit.measure.correctness import accuracy
from labkit.model.fake_quant import inserted_grids
from labkit.packed.compressed import read_packed, unpack

NETWORKS = zoo.NAMES


def rounded(name, setting, images=20):
    calibration = zoo.dataset(name).calibration.images[:images]
    return round_network(zoo.load(name), calibration, Setting.named(setting))


@pytest.mark.parametrize("name", quick(NETWORKS, "mlp", "lenet5", "resnet8"))
def test_the_packed_file_is_the_network(name):
    result = rounded(name, "W4A3")
    assert unpack(result.packed).to_bytes() == result.network.to_bytes()
    opened = read_packed(result.packed)
    assert opened.network.digest == result.network.digest
    assert opened.packed == result.packed
    assert set(opened.quantized) == set(result.quantized)
    for layer, tensor in result.quantized.items():
        np.testing.assert_array_equal(opened.quantized[layer].q, tensor.q)
        assert opened.quantized[layer].bits == tensor.bits


@pytest.mark.parametrize("name", quick(NETWORKS, "mlp", "lenet5", "resnet8"))
def test_first_and_last_layer_keep_8_bits(name):
    network = zoo.load(name)
    bits = {layer: q.bits for layer, q in rounded(name, "W2A2").quantized.items()}
    first, last = kept_layers(network)
    assert [first, *_ends(bits)] == [first, first, last]
    assert {bits.pop(first), bits.pop(last)} == {8} and set(bits.values()) <= {2}


def _ends(bits):
    names = list(bits)
    return names[0], names[-1]


def test_activations_have_as_many_values_as_their_bits_say():
    network = rounded("lenet5", "W8A3").network
    images = zoo.dataset("lenet5").validation.images[:20]
    for layer, most in (("conv2", 8), ("fc1", 8), ("fc2", 256)):
        values = len(np.unique(network.activations(images, layer)))
        assert most / 4 < values <= most
    assert len(np.unique(network.activations(images, "conv1"))) > 200  # pixels


def test_more_bits_are_better():
    split = zoo.dataset("resnet8").validation
    found = [
        accuracy(rounded("resnet8", setting).network, split, 500).value
        for setting in ("W2A8", "W4A8", "W8A8")
    ]
    assert found == sorted(found) and found[0] < found[2] - 0.2
    base = accuracy(zoo.load("resnet8"), split, 500).value
    assert found[2] == pytest.approx(base, abs=0.01)


@pytest.mark.parametrize("name", ["W9A4", "W4", "w4a4", "W4A1", "W04A", ""])
def test_a_setting_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="is no setting: write W4A8, 2 to 8 bits"):
        Setting.named(name)


def test_a_setting_has_2_to_8_bits():
    assert str(Setting(8, 2)) == "W8A2"
    with pytest.raises(ValueError, match="'W16A4' is no setting"):
        Setting(16, 4)


def test_round_in_graph_with_float_weights_and_with_ends_kept():
    network, images = zoo.load("lenet5"), zoo.dataset("lenet5").calibration.images[:20]
    floats = round_in_graph(network, images, None, 4)
    assert not floats.quantized
    for layer, kernel in network.kernels.items():
        np.testing.assert_array_equal(floats.network.kernels[layer], kernel)
    assert unpack(floats.packed).digest == floats.network.digest
    kept = round_in_graph(network, images, 3, 4, kept=kept_layers(network))
    bits = {layer: tensor.bits for layer, tensor in kept.quantized.items()}
    assert bits == {"conv1": 8, "conv2": 3, "fc1": 3, "fc2": 8}
    grids = inserted_grids(kept.network.to_bytes())
    assert {name: grid.bits for name, grid in grids.items()} == {
        "conv2_grid": 4, "fc1_grid": 4, "fc2_grid": 8,
    }  # fmt: skip


def test_the_ranges_are_those_of_the_network_with_rounded_weights():
    network, images = zoo.load("resnet8"), zoo.dataset("resnet8").calibration.images[:9]
    rounded = quantize_network(network, 4, "channel")
    made = round_in_graph(network, images, 4, 8)
    grids = inserted_grids(made.network.to_bytes())
    assert grids["fc_grid"].hi == rounded.network.activations(images, "fc").max()
    assert grids["fc_grid"].hi != network.activations(images, "fc").max()
