"""The ledger: every column by hand on small cases, and the sentences of `explain`."""

import zlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ai_edge_quantizer import quantizer, recipe

from labkit import zoo
from labkit.compress.deploy import deployable
from labkit.compress.pruned import prune_network
from labkit.compress.quantized import quantize_network
from labkit.measure import ledger
from labkit.measure.file_contents import byte_parts, stored_weights
from labkit.measure.ledger import (
    Row,
    compressed_row,
    deployed_row,
    explain,
    network_row,
)
from labkit.measure.timing import Latency
from labkit.prune.masking import masks

KERNELS = 784 * 300 + 300 * 100 + 100 * 10
BIASES = 300 + 100 + 10


@pytest.fixture(scope="module")
def mlp():
    return zoo.load("mlp")


def deployed(network, rules):
    made = quantizer.Quantizer(bytearray(network.to_bytes()))
    made.load_quantization_recipe(rules)
    content = bytes(made.quantize().quantized_model)
    return SimpleNamespace(to_bytes=lambda: content)


def test_the_row_of_a_float_network(mlp):
    assert network_row(mlp) == Row(
        stage="float32",
        parameters=KERNELS + BIASES,
        nonzeros=sum(np.count_nonzero(w) for w in mlp.weights.values()),
        bits=32,
        payload_bytes=4 * (KERNELS + BIASES),
        size_bytes=len(mlp.to_bytes()),
        deflated_bytes=None,
        macs=KERNELS,
        latency=None,
        arithmetic="float32",
    )


def test_zeros_are_counted_out(mlp):
    kernel = mlp.weights["fc2/kernel"].copy()
    kernel[:40] = 0
    before = network_row(mlp)
    after = network_row(mlp.with_weights({"fc2/kernel": kernel}))
    assert before.nonzeros - after.nonzeros == 40 * 300
    assert before.parameters == after.parameters


@pytest.mark.parametrize(
    ("rules", "bits", "arithmetic"),
    [
        (recipe.weight_only_wi8_afp32(), 8, "float32"),
        (recipe.dynamic_wi8_afp32(), 8, "integer"),
        (recipe.dynamic_wi4_afp32(), 4, "integer"),
        (recipe.dynamic_wi2c_afp32(), 2, "integer"),
    ],
)
def test_the_row_of_a_deployable_file(mlp, rules, bits, arithmetic):
    file = deployed(mlp, rules)
    row = deployed_row(file, mlp, "deployed")
    channels = 300 + 100 + 10  # each with a float32 scale and an int64 zero point
    assert row.payload_bytes == KERNELS * bits // 8 + 4 * BIASES + 12 * channels
    assert row.payload_bytes < row.size_bytes == len(file.to_bytes())
    assert (row.bits, row.arithmetic, row.macs) == (bits, arithmetic, mlp.macs)
    assert row.parameters == mlp.parameters


def test_nonzero_codes_of_a_4_bit_file_are_those_of_its_weights(mlp):
    kernel = np.zeros((300, 784), np.float32)
    kernel[:, :9] = 1.0
    network = mlp.with_weights({"fc1/kernel": kernel})
    file = deployed(network, recipe.dynamic_wi4_afp32())
    first = stored_weights(file.to_bytes())[0]
    assert (first.type, first.count, first.nonzeros) == ("INT4", 300 * 784, 300 * 9)


def test_a_block_recipe_counts_its_scales():
    lenet5 = zoo.load("lenet5")
    rules = recipe.dynamic_wi4b32_afp32()
    rules[0]["regex"] = ".*fc1.*"  # its 800 inputs are 25 blocks of 32
    file = deployed(lenet5, rules)
    (blocked,) = (w for w in stored_weights(file.to_bytes()) if w.type == "INT4")
    assert blocked.payload_bytes == 500 * 800 // 2 + 2 * 500 * 25  # float16 scales
    row = deployed_row(file, lenet5, "blocks")
    assert row.bits == (4 * 400_000 + 32 * 30_500) / 430_500
    assert row.arithmetic == "mixed"


def test_an_array_that_two_layers_share_is_paid_once(mlp):
    weights = stored_weights(mlp.to_bytes())
    twice = (*weights, weights[0])
    assert ledger._payload_bytes(twice) == ledger._payload_bytes(weights)


CHANNELS = 300 + 100 + 10


@pytest.mark.parametrize(
    ("bits", "how", "scaled", "bias_bytes"),
    [
        (8, {"mode": "static"}, 2, 4),  # kernels and biases have scales
        (8, {"mode": "static", "activation_bits": 16}, 2, 8),
        (4, {"mode": "dynamic"}, 1, 4),
        (32, None, 0, 4),
    ],
)
def test_the_parts_of_a_file_add_up(mlp, bits, how, scaled, bias_bytes):
    made = mlp if how is None else deployable(mlp, bits, **how)
    parts = byte_parts(made.to_bytes())
    assert parts["kernels"] == KERNELS * bits // 8
    assert parts["biases"] == BIASES * bias_bytes
    assert parts["scales and zero points"] == scaled * CHANNELS * (4 + 8)
    assert sum(parts.values()) == len(made.to_bytes())


def test_the_row_of_a_packed_file(mlp):
    compressed = quantize_network(mlp, bits=5)
    row = compressed_row(compressed, "5 bits")
    codes = (784 * 300 * 5 + 300 * 100 * 5 + 100 * 10 * 5) // 8
    assert row.payload_bytes == codes + 3 * 4 + 4 * BIASES
    assert row.payload_bytes < row.size_bytes == len(compressed.packed)
    assert (row.bits, row.macs, row.arithmetic) == (5, mlp.macs, "float32")
    decoded = compressed.network.weights.values()
    assert row.nonzeros == sum(np.count_nonzero(w) for w in decoded)


def test_layers_that_stay_float_count_with_32_bits(mlp):
    row = compressed_row(quantize_network(mlp, bits=4, layers=("fc1",)), "fc1 only")
    assert row.bits == (4 * 784 * 300 + 32 * 31_000) / KERNELS
    assert row.payload_bytes == 784 * 300 // 2 + 4 + 4 * (31_000 + BIASES)


def test_the_row_of_a_pruned_packed_file(mlp):
    kept = masks({name: np.abs(w) for name, w in mlp.kernels.items()}, 0.9)
    compressed = prune_network(mlp, kept, "bitmap")
    row = compressed_row(compressed, "pruned")
    left = KERNELS // 10
    assert row.nonzeros == left + BIASES
    assert row.payload_bytes == -(-KERNELS // 8) + 4 * left + 4 * BIASES
    assert row.payload_bytes < row.size_bytes == len(compressed.packed)
    assert (row.bits, row.macs, row.arithmetic) == (32, mlp.macs, "float32")
    assert not any("not smaller" in s for s in explain([network_row(mlp), row]))
    dense = network_row(compressed.network, "zeros in a float file")
    assert any("not smaller" in s for s in explain([network_row(mlp), dense]))


def test_finer_scales_are_paid_for(mlp):
    tensor, channel, block = (
        compressed_row(quantize_network(mlp, 4, granularity), granularity)
        for granularity in ("tensor", "channel", "block")
    )
    assert channel.payload_bytes - tensor.payload_bytes == 4 * (410 - 3)
    blocks = 300 * 25 + 100 * 10 + 10 * 4  # the last block of a channel is shorter
    assert block.payload_bytes - tensor.payload_bytes == 4 * (blocks - 3)
    assert tensor.size_bytes < channel.size_bytes < block.size_bytes


def test_deflated_bytes_are_those_of_zlib():
    content = bytes(range(256)) * 40
    assert zlib.decompress(zlib.compress(content, 9)) == content
    assert ledger.deflated_bytes(content) == len(zlib.compress(content, 9))


def timed(median_us, spread_us=0.5):
    low, high = median_us - spread_us, median_us + spread_us
    return Latency(median_us, low, high, runs=30, threads=1, cpu="Some CPU")


BASE = Row("float32", 1000, 1000, 32, 4000, 5000, 4600, 10_000, timed(20.0))
QUANTIZED = replace(
    BASE, stage="8 bits", bits=8, payload_bytes=1100, size_bytes=2000,
    deflated_bytes=1950, latency=None,
)  # fmt: skip
PRUNED = replace(BASE, stage="pruned", nonzeros=100, deflated_bytes=800, latency=None)


def test_nothing_to_explain():
    assert explain([]) == explain([BASE]) == explain([BASE, replace(BASE)]) == []
    faster = replace(QUANTIZED, size_bytes=1250, latency=timed(5.0), payload_bytes=1100)
    assert explain([BASE, replace(faster, deflated_bytes=1240)]) == []


def test_a_file_larger_than_its_bits_say():
    assert explain([BASE, QUANTIZED]) == [
        "8 bits: the file is 2.5x smaller, not 4x: of its 2,000 bytes, 1,000 would do "
        "for 8 bits a parameter; scales, zero points and biases add 100, graph and "
        "header 900."
    ]


def test_codes_that_deflate():
    row = replace(QUANTIZED, size_bytes=1250, deflated_bytes=600)
    (sentence,) = explain([BASE, row])
    assert sentence.startswith("8 bits: deflate still takes 650 bytes off the file")
    only_the_graph = replace(row, size_bytes=1250, deflated_bytes=1100)
    assert explain([BASE, only_the_graph]) == []


def test_zeros_that_make_no_file_smaller():
    (sentence,) = explain([BASE, PRUNED])
    assert sentence.startswith(
        "pruned: 90% of the parameters are zero and the file is not smaller"
    )
    assert sentence.endswith("finds them: 800 bytes against 4,600.")
    (shorter,) = explain([BASE, replace(PRUNED, deflated_bytes=None)])
    assert "Deflate" not in shorter
    assert explain([BASE, replace(PRUNED, size_bytes=900)]) == []


def test_zeros_that_make_nothing_faster():
    sentences = explain([BASE, replace(PRUNED, latency=timed(19.8))])
    assert len(sentences) == 2
    assert sentences[1].startswith(
        "pruned: 90% of the parameters are zero and it is not faster "
        "(19.8 µs against 20.0 µs)"
    )
    assert "all 10,000 MACs" in sentences[1]
    assert len(explain([BASE, replace(PRUNED, latency=timed(5.0))])) == 1


@pytest.mark.parametrize(
    ("arithmetic", "why"),
    [
        ("float32", "the 10,000 MACs are the same float32 ones"),
        ("integer", "do not beat its float32 ones on this processor (Some CPU)"),
        ("mixed", "only some of the layers multiply integers"),
    ],
)
def test_quantized_and_not_faster(arithmetic, why):
    row = replace(QUANTIZED, latency=timed(21.0), arithmetic=arithmetic)
    sentence = explain([BASE, row])[-1]
    assert "quantized and not faster (21.0 µs against 20.0 µs)" in sentence
    assert why in sentence


def test_overlapping_quartiles_are_not_faster():
    row = replace(QUANTIZED, latency=timed(18.0, spread_us=3))
    assert any("not faster" in sentence for sentence in explain([BASE, row]))


def test_twice_as_fast_counts_on_a_busy_machine_too():
    row = replace(QUANTIZED, latency=timed(9.0, spread_us=15))
    assert not any("not faster" in sentence for sentence in explain([BASE, row]))


def test_fewer_macs_than_the_speed_shows():
    row = replace(BASE, stage="thin", macs=2500, latency=timed(10.0))
    (sentence,) = explain([BASE, row])
    assert sentence.startswith("thin: 4x fewer MACs and 2x the speed")
    assert explain([BASE, replace(row, latency=timed(5.0))]) == []


def test_each_row_is_read_against_the_first():
    sentences = explain([BASE, PRUNED, QUANTIZED])
    assert [sentence.split(":")[0] for sentence in sentences] == ["pruned", "8 bits"]


def test_a_real_weight_only_file_and_a_real_pruned_one(mlp):
    kernel = mlp.weights["fc1/kernel"]
    threshold = np.quantile(np.abs(kernel), 0.9)
    thin = mlp.with_weights({"fc1/kernel": kernel * (np.abs(kernel) > threshold)})
    models = {
        "float32": mlp,
        "pruned": thin,
        "weight-only": deployed(mlp, recipe.weight_only_wi8_afp32()),
    }
    rows = [
        network_row(mlp),
        network_row(thin, "pruned"),
        deployed_row(models["weight-only"], mlp, "weight-only"),
    ]
    rows = [
        replace(row, deflated_bytes=ledger.deflated_bytes(models[row.stage].to_bytes()))
        for row in rows
    ]
    said = explain(rows)
    assert said[0].startswith("pruned: 79% of the parameters are zero")
    assert "Deflate" in said[0]
    assert said[1].startswith("weight-only: the file is 3.")
