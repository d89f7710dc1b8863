"""A network compressed: packed file and decoded network hold the same weights."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from labkit import zoo
from labkit.common.cache import CACHE, LIMIT_BYTES
from labkit.compress import quantized
from labkit.compress.quantized import quantize_network
from labkit.measure import ledger
from labkit.packed import codec
from labkit.packed.bit_packing import CodecError
from labkit.packed.compressed import pack, unpack
from labkit.quantize.codebook import CodebookTensor, quantize_to_levels
from labkit.quantize.granularity import GRANULARITIES
from labkit.quantize.level_grids import GRIDS
from labkit.quantize.range_rules import RANGES
from labkit.quantize.symmetric import Quantized, quantize

NETWORKS = [name for name in zoo.NAMES if (zoo.FOLDER / f"{name}.tflite").exists()]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("bits", [2, 5, 8, 16])
def test_unpacked_byte_for_byte(name, granularity, bits):
    network = zoo.load(name)
    compressed = quantize_network(network, bits, granularity)
    assert unpack(compressed.packed).to_bytes() == compressed.network.to_bytes()
    assert list(compressed.quantized) == list(network.kernels)
    for layer, tensor in compressed.quantized.items():
        expected = quantize(network.kernels[layer], bits, granularity)
        assert np.array_equal(tensor.q, expected.q)
        assert np.array_equal(compressed.network.kernels[layer], expected.decode())
        bias = f"{layer}/bias"
        assert np.array_equal(compressed.network.weights[bias], network.weights[bias])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("grid", GRIDS)
def test_other_grids_unpacked_byte_for_byte(name, granularity, grid):
    network, bits = zoo.load(name), min(4, GRIDS[grid].bits[-1])
    bits = bits if bits in GRIDS[grid].bits else GRIDS[grid].bits[0]
    compressed = quantize_network(network, bits, granularity, grid=grid, block=64)
    assert unpack(compressed.packed).to_bytes() == compressed.network.to_bytes()
    for layer, tensor in compressed.quantized.items():
        expected = quantize_to_levels(
            network.kernels[layer], grid, bits, granularity, block=64
        )
        assert isinstance(tensor, CodebookTensor) and tensor.bits == bits
        assert np.array_equal(tensor.decode(), expected.decode())
    payload = sum(codec.payload_bytes(t) for t in compressed.quantized.values())
    biases = sum(w.nbytes for w in network.weights.values() if w.ndim == 1)
    assert payload + biases < compressed.size_bytes < payload + biases + 6000
    row = ledger.compressed_row(compressed, grid)
    assert (row.bits, row.payload_bytes) == (bits, payload + biases)


def test_blocks_of_64_have_half_the_scales():
    network = zoo.load("lenet5")
    sizes = [
        quantize_network(network, 4, "block", block=block).size_bytes
        for block in (32, 64)
    ]
    scales = 4 * sum(kernel.size for kernel in network.kernels.values()) / 64
    assert sizes[0] - sizes[1] == pytest.approx(scales, rel=0.05)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_size_is_a_files_and_grows_with_the_bits(name):
    network = zoo.load(name)
    sizes = [quantize_network(network, bits).size_bytes for bits in range(2, 17)]
    assert sizes == sorted(set(sizes))
    compressed = quantize_network(network, 4, "block")
    codes = sum(codec.payload_bytes(t) for t in compressed.quantized.values())
    biases = sum(w.nbytes for w in network.weights.values() if w.ndim == 1)
    assert compressed.size_bytes == len(compressed.packed)
    assert codes + biases < compressed.size_bytes < codes + biases + 6000


def test_layers_left_out_stay_float():
    network = zoo.load("lenet5")
    compressed = quantize_network(network, 2, "channel", layers=("conv2", "fc1"))
    assert list(compressed.quantized) == ["conv2", "fc1"]
    for layer, kernel in network.kernels.items():
        same = np.array_equal(compressed.network.kernels[layer], kernel)
        assert same == (layer not in compressed.quantized)
    nothing = quantize_network(network, 2, layers=())
    assert nothing.network.to_bytes() == network.to_bytes()
    assert unpack(nothing.packed).to_bytes() == network.to_bytes()


def test_each_layer_its_own_bits():
    network = zoo.load("lenet5")
    names = tuple(network.kernels)
    bits = dict(zip(reversed(names), (8, 2, 4, 5), strict=True))  # in any order
    mixed = quantize_network(network, bits, "channel")
    assert {name: tensor.bits for name, tensor in mixed.quantized.items()} == bits
    assert list(mixed.quantized) == list(names)
    assert unpack(mixed.packed).to_bytes() == mixed.network.to_bytes()
    alone = quantize_network(network, bits["fc1"], "channel", layers=("fc1",))
    assert alone.quantized["fc1"] is mixed.quantized["fc1"]
    some = quantize_network(network, {"fc1": 3, "fc2": 8})
    assert list(some.quantized) == ["fc1", "fc2"]  # the others stay float32
    assert list(quantize_network(network, bits, layers=("fc2",)).quantized) == ["fc2"]
    every = quantize_network(network, dict.fromkeys(names, 6))
    assert every is quantize_network(network, 6)


def test_depthwise_kernels_have_their_channels_last():
    class Depthwise:
        digest = "of its own"
        kernels = {"dwconv1": np.ones((1, 3, 3, 8), np.float32)}

        def layer(self, name):
            return SimpleNamespace(kind="DEPTHWISE_CONV_2D")

    tensor = quantized._quantized(
        Depthwise(), "dwconv1", 8, quantized._How("channel", "minmax", "uniform", 32)
    )
    assert (tensor.axis, tensor.scale.shape) == (3, (8,))


def test_results_are_cached_by_content():
    network = zoo.load("mlp")
    copy = type(network).from_bytes(network.to_bytes())
    first = quantize_network(network, 7, "channel", "minmax")
    assert quantize_network(copy, 7, "channel", "minmax") is first
    names = tuple(network.kernels)
    assert quantize_network(network, 7, "channel", "minmax", names) is first
    fewer = quantize_network(network, 7, "channel", "minmax", names[:2])
    assert fewer.quantized["fc1"] is first.quantized["fc1"]  # only packed anew
    kernel = network.kernels["fc1"].copy()
    kernel[0, 0] += 1
    changed = network.with_weights({"fc1/kernel": kernel})
    assert quantize_network(changed, 7, "channel").packed != first.packed


def test_caches_are_bounded():
    network = zoo.load("mlp")
    for rule in RANGES:
        for bits in range(2, 17):
            quantize_network(network, bits, "tensor", rule, layers=("fc3",))
        assert 0 < CACHE.size_bytes <= LIMIT_BYTES


def test_threads_see_one_result():
    network = zoo.load("mlp")
    quantized._compressed.drop_all()
    packed = []

    def work(bits):
        packed.append((bits, quantize_network(network, bits, "block").packed))

    threads = [threading.Thread(target=work, args=(2 + k % 3,)) for k in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(packed) == 12 and len(set(packed)) == 3


def test_a_network_packed_by_hand():
    network = zoo.load("mlp")
    tensor = quantize(network.kernels["fc2"], 3, "block", "least_squares")
    packed = pack(network, {"fc2": tensor})
    again = unpack(packed)
    assert np.array_equal(again.kernels["fc2"], tensor.decode())
    assert np.array_equal(again.kernels["fc1"], network.kernels["fc1"])
    assert isinstance(codec.decode(packed)[1]["fc2/kernel"], Quantized)


def test_what_is_refused():
    network = zoo.load("mlp")
    with pytest.raises(ValueError, match="no layer 'fc9'.*fc1, fc2, fc3"):
        quantize_network(network, 8, layers=("fc1", "fc9"))
    with pytest.raises(ValueError, match="bits is 1"):
        quantize_network(network, 1)
    with pytest.raises(ValueError, match="bits is 1"):
        quantize_network(network, {"fc1": 8, "fc2": 1})
    with pytest.raises(ValueError, match="no layer 'fc9'"):
        quantize_network(network, {"fc1": 8, "fc9": 4})
    with pytest.raises(ValueError, match="no entry for 'fc2'"):
        quantize_network(network, {"fc1": 8}, layers=("fc1", "fc2"))
    with pytest.raises(ValueError, match="choose one of uniform, power_of_two"):
        quantize_network(network, 8, grid="log")
    with pytest.raises(ValueError, match="'ternary' has 2"):
        quantize_network(network, 8, grid="ternary")
    with pytest.raises(ValueError, match="leave rule at 'minmax'"):
        quantize_network(network, 2, rule="kl", grid="ternary")
    assert quantized.GRID_NAMES[0] == "uniform"
    packed = bytearray(quantize_network(network, 8).packed)
    packed[-1] ^= 1
    with pytest.raises(CodecError, match="truncated or changed"):
        unpack(bytes(packed))
