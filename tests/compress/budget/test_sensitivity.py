"""Layers x bits maps: each cell by hand, and the committed maps of the zoo."""

import json

import numpy as np
import pytest

from labkit import zoo
from labkit.common.knapsack import bits_of, exact, greedy
from labkit.compress.budget import sensitivity as module
from labkit.compress.budget.sensitivity import (
    Sensitivity,
    committed_sensitivity,
    cross_entropy,
    score,
    sensitivity,
)
from labkit.compress.quantized import quantize_network
from labkit.model.graph import NetworkError
from labkit.packed.codec import payload_bytes
from labkit.quantize.symmetric import quantize


@pytest.fixture(scope="module")
def split():
    return zoo.dataset("mlp").validation.take(500)


@pytest.fixture(scope="module")
def found(split):
    return sensitivity(zoo.load("mlp"), split, bits=(8, 2, 4))


def test_cross_entropy_is_minus_the_log_of_the_softmax():
    logits = np.random.default_rng(0).normal(0, 3, (50, 10))
    labels = np.random.default_rng(1).integers(0, 10, 50)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(softmax[np.arange(50), labels]).mean()
    assert cross_entropy(logits, labels) == pytest.approx(expected)
    shifted = cross_entropy(logits + 1e4, labels)
    assert shifted == pytest.approx(expected)  # no overflow
    assert cross_entropy(np.eye(3) * 1000, np.arange(3)) == 0


def test_a_cell_is_one_layer_quantized_and_the_others_float(found, split):
    network = zoo.load("mlp")
    tensor = quantize(network.kernels["fc2"], 2, "channel")
    alone = network.with_weights({"fc2/kernel": tensor.decode()})
    logits = alone.predict(split.images)
    (cell,) = (c for c in found.cells if (c.layer, c.bits) == ("fc2", 2))
    right = (logits.argmax(axis=1) == split.labels).mean()
    loss = cross_entropy(logits, split.labels) - found.base.loss
    assert cell.accuracy == pytest.approx(right)
    assert cell.loss_increase == pytest.approx(loss, abs=1e-6)
    assert cell.size_bytes == payload_bytes(tensor)


def test_the_table_of_layers_by_ascending_bits(found, split):
    assert found.layers == ("fc1", "fc2", "fc3") and found.bits == (2, 4, 8)
    assert found.images == 500 and found.base == score(zoo.load("mlp"), split)
    sizes = found.table("size_bytes")
    for row, kernel in zip(sizes, zoo.load("mlp").kernels.values(), strict=True):
        expected = [payload_bytes(quantize(kernel, b, "channel")) for b in (2, 4, 8)]
        assert row.tolist() == expected
    loss = found.table("loss_increase")
    assert loss.shape == (3, 3)
    assert (loss[:, 0] > 10 * np.abs(loss[:, 2])).all()  # 2 bits hurt, 8 do not
    assert found.table("accuracy")[:, 2] == pytest.approx(found.base.accuracy, abs=0.01)


def test_progress_sees_every_layer_and_threads_change_nothing(split):
    seen = []

    def progress(layers):
        for layer in layers:
            seen.append(layer)
            yield layer

    few = split.take(100)
    network = zoo.load("lenet5")
    one = sensitivity(network, few, (4, 3), "tensor", "least_squares", progress, 1)
    assert seen == list(network.kernels)
    two = sensitivity(network, few, (4, 3), "tensor", "least_squares")
    assert one == two
    assert (one.granularity, one.rule) == ("tensor", "least_squares")


def test_a_layer_inside_a_residual_block():
    network, few = zoo.load("resnet8"), zoo.dataset("resnet8").validation.take(100)
    layer = "stage2_block1_shortcut"
    found = sensitivity(network, few, bits=(2,))
    (cell,) = (c for c in found.cells if c.layer == layer)
    alone = score(quantize_network(network, {layer: 2}, "channel").network, few)
    assert cell.accuracy == alone.accuracy
    loss = alone.loss - found.base.loss
    assert cell.loss_increase == pytest.approx(loss, abs=1e-4)


def test_a_record_is_json_and_back(found):
    assert Sensitivity.from_record(json.loads(json.dumps(found.record()))) == found


def test_bits_are_assigned_from_a_map(found):
    network = zoo.load("mlp")
    loss, sizes = found.table("loss_increase"), found.table("size_bytes")
    budget = int(sizes[:, 1].sum())  # what 4 bits everywhere take
    for frontier in (exact(loss, sizes), greedy(loss, sizes)):
        place = frontier.within(budget)
        bits = bits_of(frontier, place, found.layers, found.bits)
        mixed = quantize_network(network, bits, found.granularity, found.rule)
        payload = sum(map(payload_bytes, mixed.quantized.values()))
        assert payload == frontier.size_bytes[place] <= budget


def test_what_is_refused(split):
    network = zoo.load("mlp")
    with pytest.raises(ValueError, match="bits"):
        sensitivity(network, split, bits=(1,))
    with pytest.raises(ValueError, match="granularity is 'row'"):
        sensitivity(network, split, granularity="row")
    huge = {"fc3/kernel": network.weights["fc3/kernel"] * np.float32(3e38)}
    with pytest.raises(NetworkError, match="not finite"):
        score(network.with_weights(huge), split)


@pytest.mark.parametrize("name", zoo.NAMES)
def test_the_committed_map_is_that_of_the_network(name):
    network, validation = zoo.load(name), zoo.dataset(name).validation
    rule = "least_squares"
    found = committed_sensitivity(network, rule)
    assert found.layers == tuple(network.kernels) and found.bits == module.BITS
    assert (found.images, found.granularity, found.rule) == (5000, "channel", rule)
    for cell in found.cells[:: len(module.BITS) + 1]:
        tensor = quantize(network.kernels[cell.layer], cell.bits, "channel", rule)
        assert cell.size_bytes == payload_bytes(tensor)
    if name == "mlp":  # quick enough to measure again
        base = score(network, validation)
        assert found.base.accuracy == base.accuracy
        assert found.base.loss == pytest.approx(base.loss, abs=1e-5)
    assert found.base.accuracy == pytest.approx(
        zoo.record(name)["validation_accuracy"], abs=0.002
    )


def test_no_committed_map_of_another_network_or_rule():
    network = zoo.load("mlp")
    changed = network.with_weights({"fc1/bias": network.weights["fc1/bias"] + 1})
    with pytest.raises(NetworkError, match="has no map of this network"):
        committed_sensitivity(changed)
    with pytest.raises(NetworkError, match="with the rule 'percentile'"):
        committed_sensitivity(network, "percentile")
