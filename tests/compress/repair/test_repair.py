"""Repairs after quantizing: bias correction and batch-norm re-estimation."""

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.compress.pruned import apply_masks, prune_network
from labkit.compress.quantized import quantize_network
from labkit.compress.repair.batch_norm import (
    reestimate_batch_norm,
    reestimate_channels,
    rescaled,
)
from labkit.compress.repair.bias_correction import correct_biases
from labkit.compress.repair.statistics import channel_statistics
from labkit.compress.responses import answers
from labkit.model import flatbuffer
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.packed.codec import payload_bytes
from labkit.packed.compressed import unpack
from labkit.prune.masking import masks
from labkit.quantize.granularity import GRANULARITIES

IMAGES = 200
REPAIRS = {"bias": correct_biases, "batch norm": reestimate_batch_norm}


def calibration(name, n=IMAGES):
    return zoo.dataset(name).calibration.images[:n]


def accuracy(network, name, n=500):
    split = zoo.dataset(name).validation.take(n)
    return float((network.predict(split.images).argmax(axis=1) == split.labels).mean())


def without_bias(network):
    """The network with the bias of its first layer left out."""
    model = flatbuffer.unpack(network.to_bytes())
    operator = model.subgraphs[0].operators[0]
    operator.inputs = [*operator.inputs[:2], -1]
    return Network.from_bytes(flatbuffer.pack(model))


def test_answers_of_a_dense_layer_are_a_product():
    network, images = zoo.load("mlp"), calibration("mlp")
    x = images.reshape(IMAGES, -1) / np.float32(255)
    expected = x @ network.weights["fc1/kernel"].T + network.weights["fc1/bias"]
    found = answers(network, images, "fc1")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert (found < 0).any()  # before the ReLU


def test_answers_of_a_convolution_become_the_next_layers_input():
    network, images = zoo.load("resnet8"), calibration("resnet8", 20)
    found = answers(network, images, "stage1_block1_conv1")
    assert found.shape == (20, 32, 32, 16) and (found < 0).any()
    after = network.activations(images, "stage1_block1_conv2")
    np.testing.assert_array_equal(np.maximum(found, 0), after)


def test_statistics_over_more_images_than_run_at_once():
    network, images = zoo.load("lenet5"), calibration("lenet5", 1101)
    outputs = answers(network, images, "conv1").astype(np.float64)
    found = channel_statistics(network, images, "conv1")
    assert found.mean.shape == found.deviation.shape == (20,)
    np.testing.assert_allclose(found.mean, outputs.mean(axis=(0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(found.deviation, outputs.std(axis=(0, 1, 2)), rtol=1e-5)


def test_a_constant_channel_has_no_deviation():
    network = zoo.load("mlp")
    kernel = network.weights["fc1/kernel"].copy()
    kernel[0] = 0
    changed = network.with_weights({"fc1/kernel": kernel})
    found = channel_statistics(changed, calibration("mlp"), "fc1")
    assert found.mean[0] == pytest.approx(network.weights["fc1/bias"][0], abs=1e-6)
    assert found.deviation[0] < 1e-6 < found.deviation[1]


def test_the_first_layers_correction_is_e_times_the_mean_input():
    """Nagel et al. 2019, sec. 4.2: the second way to the same number."""
    network, images = zoo.load("mlp"), calibration("mlp")
    compressed = quantize_network(network, 3)
    repaired = correct_biases(network, compressed, images)
    e = compressed.network.kernels["fc1"] - network.kernels["fc1"]
    mean = (images.reshape(IMAGES, -1) / 255).mean(axis=0)
    moved = repaired.network.weights["fc1/bias"] - network.weights["fc1/bias"]
    np.testing.assert_allclose(moved, -e @ mean, atol=1e-5)
    assert np.abs(moved).max() > 1e-3


@pytest.mark.parametrize("name", quick(["mlp", "lenet5", "resnet8"], "mlp", "lenet5"))
@pytest.mark.parametrize("repair", REPAIRS)
def test_every_layer_has_the_float_networks_mean_and_deviation(name, repair):
    network, images = zoo.load(name), calibration(name)
    compressed = quantize_network(network, 3, "channel")
    repaired = REPAIRS[repair](network, compressed, images).network
    for layer in network.kernels:
        wanted = channel_statistics(network, images, layer)
        found = channel_statistics(repaired, images, layer)
        size = wanted.deviation.max()
        np.testing.assert_allclose(found.mean, wanted.mean, atol=1e-4 * size)
        varies = wanted.deviation > 1e-6
        ratio = found.deviation[varies] / wanted.deviation[varies]
        assert np.abs(ratio - 1).max() < 1e-3 or repair == "bias"


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("repair", REPAIRS)
def test_the_codes_stay_and_the_file_unpacks(repair, granularity):
    network = zoo.load("lenet5")
    compressed = quantize_network(network, 2, granularity)
    before = compressed.network.to_bytes()
    repaired = REPAIRS[repair](network, compressed, calibration("lenet5", 50))
    assert unpack(repaired.packed).to_bytes() == repaired.network.to_bytes()
    assert compressed.network.to_bytes() == before != repaired.network.to_bytes()
    for layer, tensor in repaired.quantized.items():
        np.testing.assert_array_equal(tensor.q, compressed.quantized[layer].q)
        same = np.array_equal(tensor.scale, compressed.quantized[layer].scale)
        assert same == (repair == "bias")
    channels = sum(len(kernel) for kernel in network.kernels.values())
    more = repair == "batch norm" and granularity == "tensor"
    payload = sum(map(payload_bytes, repaired.quantized.values()))
    old = sum(map(payload_bytes, compressed.quantized.values()))
    assert payload - old == more * 4 * (channels - len(network.kernels))


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize(("grid", "bits"), [("binary", 1), ("kmeans", 2)])
def test_batch_norm_on_other_grids(grid, bits, granularity):
    network = zoo.load("lenet5")
    compressed = quantize_network(network, bits, granularity, grid=grid)
    repaired = reestimate_batch_norm(network, compressed, calibration("lenet5", 50))
    assert unpack(repaired.packed).to_bytes() == repaired.network.to_bytes()
    for layer, tensor in repaired.quantized.items():
        np.testing.assert_array_equal(tensor.q, compressed.quantized[layer].q)
    before = accuracy(compressed.network, "lenet5")
    assert accuracy(repaired.network, "lenet5") > min(before, 0.98)


@pytest.mark.parametrize(
    ("name", "sparsity", "gained"),
    quick([("resnet8", 0.5, 0.1), ("lenet5", 0.85, 0.3)], ("lenet5", 0.85, 0.3)),
)
def test_batch_norm_after_pruning(name, sparsity, gained):
    network = zoo.load(name)
    scores = {layer: np.abs(kernel) for layer, kernel in network.kernels.items()}
    pruned = prune_network(network, masks(scores, sparsity), "bitmap")
    repaired = reestimate_batch_norm(network, pruned, calibration(name))
    assert unpack(repaired.packed).to_bytes() == repaired.network.to_bytes()
    assert len(repaired.packed) == len(pruned.packed)
    for layer, kernel in pruned.network.kernels.items():
        new = repaired.network.kernels[layer]
        np.testing.assert_array_equal(new == 0, kernel == 0)
        assert (np.sign(new) == np.sign(kernel)).all()
    before = accuracy(pruned.network, name)
    assert accuracy(repaired.network, name) > before + gained


@pytest.mark.parametrize("repair", REPAIRS)
def test_a_float_network_needs_no_repair(repair):
    network = zoo.load("mlp")
    compressed = quantize_network(network, 2, layers=())
    repaired = REPAIRS[repair](network, compressed, calibration("mlp"))
    for name, weight in network.weights.items():
        np.testing.assert_allclose(repaired.network.weights[name], weight, atol=1e-6)


@pytest.mark.parametrize("repair", REPAIRS)
def test_layers_left_float_keep_their_kernels(repair):
    network = zoo.load("mlp")
    compressed = quantize_network(network, {"fc1": 2})
    repaired = REPAIRS[repair](network, compressed, calibration("mlp"))
    assert list(repaired.quantized) == ["fc1"]
    for layer in ("fc2", "fc3"):
        kernel = repaired.network.kernels[layer]
        np.testing.assert_array_equal(kernel, network.kernels[layer])
        bias = repaired.network.weights[f"{layer}/bias"]
        assert not np.array_equal(bias, network.weights[f"{layer}/bias"])


def test_a_channel_without_codes_keeps_its_scale():
    network = zoo.load("mlp")
    kernel = network.weights["fc2/kernel"].copy()
    kernel[5] *= 1e-6  # rounds to zeros beside the others
    network = network.with_weights({"fc2/kernel": kernel})
    compressed = quantize_network(network, 4)
    repaired = reestimate_batch_norm(network, compressed, calibration("mlp"))
    assert not compressed.quantized["fc2"].q[5].any()
    scale = repaired.quantized["fc2"].scale
    assert scale[5] == compressed.quantized["fc2"].scale[0]
    assert np.isfinite(scale).all() and (scale > 0).all()


def test_gains_reach_every_block_of_a_channel():
    tensor = quantize_network(zoo.load("mlp"), 4, "block").quantized["fc3"]
    gain = np.linspace(0.5, 2, 10)
    decoded = rescaled(tensor, gain).decode()
    np.testing.assert_allclose(decoded, tensor.decode() * gain[:, None], rtol=1e-6)


@pytest.mark.parametrize("name", quick(["mlp", "resnet8"], "mlp"))
def test_pruned_channels_get_their_mean_and_deviation_back(name):
    network, images = zoo.load(name), zoo.dataset(name).calibration.images[:60]
    sizes = {layer: np.abs(w) for layer, w in network.kernels.items()}
    pruned = apply_masks(network, masks(sizes, 0.5, "output"))
    repaired = reestimate_channels(network, pruned, images)
    for layer, kernel in repaired.kernels.items():
        np.testing.assert_array_equal(kernel == 0, pruned.kernels[layer] == 0)
        wanted = channel_statistics(network, images, layer)
        found = channel_statistics(repaired, images, layer)
        size = wanted.deviation.max()
        np.testing.assert_allclose(found.mean, wanted.mean, atol=2e-4 * size)
        np.testing.assert_allclose(found.deviation, wanted.deviation, atol=2e-3 * size)


def test_a_channel_of_zeros_gets_its_mean_alone():
    network, images = zoo.load("mlp"), zoo.dataset("mlp").calibration.images[:60]
    kernel = network.kernels["fc1"].copy()
    kernel[7] = 0
    repaired = reestimate_channels(
        network, network.with_weights({"fc1/kernel": kernel}), images
    )
    assert not repaired.kernels["fc1"][7].any()
    wanted = channel_statistics(network, images, "fc1").mean[7]
    assert repaired.weights["fc1/bias"][7] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.long
def test_what_they_are_worth():
    """On images that were not calibrated on, one scale a tensor, 4 bits."""
    network = zoo.load("resnet8")
    compressed = quantize_network(network, 4)
    images = calibration("resnet8")
    broken = accuracy(compressed.network, "resnet8")
    biased = correct_biases(network, compressed, images).network
    normal = reestimate_batch_norm(network, compressed, images).network
    assert accuracy(biased, "resnet8") > broken + 0.2
    assert accuracy(normal, "resnet8") > broken + 0.3


@pytest.mark.parametrize("repair", REPAIRS.values())
def test_what_is_refused(repair):
    network, images = zoo.load("mlp"), calibration("mlp")
    with pytest.raises(ValueError, match="no images to observe"):
        repair(network, quantize_network(network, 2), images[:0])
    bare = without_bias(network)
    with pytest.raises(ValueError, match="layer fc1 has no bias to correct"):
        repair(bare, quantize_network(bare, 2), images)
    with pytest.raises(NetworkError, match="there is no layer 'fc9'"):
        channel_statistics(network, images, "fc9")
    with pytest.raises(ValueError, match="pool1 has no weights: choose from conv1"):
        channel_statistics(zoo.load("lenet5"), images, "pool1")
