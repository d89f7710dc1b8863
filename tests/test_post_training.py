"""Rounding without training: bits of each layer, activations, and the packed file."""

import numpy as np
import pytest

from labkit import zoo
from labkit.compress import read_packed, unpack
from labkit.measure import accuracy
from labkit.post_training import Setting, kept_layers, round_network

NETWORKS = zoo.NAMES


def rounded(name, setting, images=20):
    calibration = zoo.dataset(name).calibration.images[:images]
    return round_network(zoo.load(name), calibration, Setting.named(setting))


@pytest.mark.parametrize("name", NETWORKS)
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


@pytest.mark.parametrize("name", NETWORKS)
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
