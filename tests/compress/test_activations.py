"""Ranges of activations: what each rule covers, and what rounding then does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from long import quick

from labkit import zoo
from labkit.compress import activations
from labkit.compress.activations import RULES, calibrate, fake_quantize_activations
from labkit.compress.deploy import deployable
from labkit.measure.correctness import accuracy
from labkit.model.graph import NetworkError

numbers = arrays(np.float32, st.integers(1, 200), elements=st.floats(-50, 50, width=32))


@given(values=numbers, bits=st.integers(2, 8), rule=st.sampled_from(sorted(RULES)))
def test_every_range_contains_zero_and_no_more_than_minmax(values, bits, rule):
    lo, hi = RULES[rule](values, bits)
    widest_lo, widest_hi = activations.minmax_range(values, bits)
    assert widest_lo <= lo <= 0 <= hi <= widest_hi


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_range_may_be_too_narrow_for_a_histogram(rule):
    values = np.array([1.28e-43, 0], np.float32)
    lo, hi = RULES[rule](values, 8)
    assert lo == 0 <= hi <= values.max()


def _error(values, ends, bits):
    scale = (ends[1] - ends[0]) / (2**bits - 1)
    inside = np.clip(values, *ends)
    return float(np.sum((values - np.rint(inside / scale) * scale) ** 2))


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_least_squares_has_the_least_error_of_the_rules(bits):
    values = np.random.default_rng(0).laplace(size=20_000).clip(0)
    errors = {rule: _error(values, RULES[rule](values, bits), bits) for rule in RULES}
    assert errors["least_squares"] == min(errors.values())
    tried = [
        _error(values, (0, shrink * values.max()), bits)
        for shrink in np.linspace(0.05, 1, 400)
    ]
    assert errors["least_squares"] < 1.02 * min(tried)


def test_more_images_never_narrow_the_minmax_range():
    network, images = zoo.load("mlp"), zoo.dataset("mlp").calibration.images
    few, many = (calibrate(network, images[:n], 8) for n in (5, 100))
    for name, grid in few.items():
        assert many[name].lo <= grid.lo and grid.hi <= many[name].hi


@pytest.mark.parametrize("name", zoo.NAMES)
def test_only_the_first_layer_reads_pixels(name):
    network = zoo.load(name)
    first, *others = network.kernels
    assert activations.inner_layers(network) == others


def test_kept_layers_have_eight_bits():
    network, images = zoo.load("mlp"), zoo.dataset("mlp").calibration.images[:5]
    grids = calibrate(network, images, 4, kept=["fc3"])
    assert {name: grid.bits for name, grid in grids.items()} == {"fc2": 4, "fc3": 8}


@pytest.mark.parametrize("name", quick(["lenet5", "resnet8"], "lenet5"))
def test_eight_bits_in_the_graph_cost_what_the_deployed_file_costs(name):
    """The second implementation: ai_edge_quantizer's static 8-bit file."""
    network, dataset = zoo.load(name), zoo.dataset(name)
    images = dataset.calibration.images[:50]
    split = dataset.validation.take(500)
    simulated = accuracy(fake_quantize_activations(network, images, 8), split)
    deployed = accuracy(deployable(network, 8, "static"), split)
    assert abs(simulated.value - deployed.value) <= 0.012


def test_few_bits_cost_more_than_many():
    network, dataset = zoo.load("resnet8"), zoo.dataset("resnet8")
    images, split = dataset.calibration.images[:50], dataset.validation.take(500)
    at = {
        bits: accuracy(fake_quantize_activations(network, images, bits), split).value
        for bits in (8, 4, 2)
    }
    assert at[8] > at[4] > at[2]


def test_bad_input_is_named():
    network, images = zoo.load("mlp"), zoo.dataset("mlp").calibration.images[:5]
    with pytest.raises(ValueError, match="choose one of minmax, percentile"):
        calibrate(network, images, 8, rule="best")
    with pytest.raises(ValueError, match="no images"):
        calibrate(network, images[:0], 8)
    with pytest.raises(ValueError, match="no layer with a kernel: \\['fc9'\\]"):
        calibrate(network, images, 8, kept=["fc9"])


@pytest.mark.parametrize("name", quick(zoo.NAMES, "mlp", "lenet5", "resnet8"))
def test_one_run_for_all_layers_reads_what_each_layer_reads(name, monkeypatch):
    network, images = zoo.load(name), zoo.dataset(name).calibration.images[:7]
    together = dict(activations.layer_inputs(network, images))
    monkeypatch.setattr(activations, "ROOM", 1)  # one layer at a time
    apart = dict(activations.layer_inputs(network, images))
    assert list(together) == list(apart) == activations.inner_layers(network)
    for layer, values in together.items():
        np.testing.assert_array_equal(values, network.activations(images, layer))
        np.testing.assert_array_equal(values, apart[layer])


def test_inner_activations_of_layers_that_share_an_input_and_of_none():
    network, images = zoo.load("resnet8"), zoo.dataset("resnet8").test.images[:130]
    layers = ["stage2_block1_shortcut", "stage2_block1_conv1", "fc"]
    found = network.inner_activations(images, layers, batch_size=50)
    assert list(found) == layers
    np.testing.assert_array_equal(*(found[layer] for layer in layers[:2]))
    assert found["fc"].shape == (130, 64)
    with pytest.raises(NetworkError, match="reads the images"):
        network.inner_activations(images, ["conv1", "fc"])
