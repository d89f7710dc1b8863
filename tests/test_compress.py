"""A network compressed: packed file and decoded network hold the same weights."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from labkit import codec, compress, zoo
from labkit.codec import CodecError
from labkit.compress import pack, quantize_network, unpack
from labkit.quantize import GRANULARITIES, RANGES, Quantized, quantize

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


def test_depthwise_kernels_have_their_channels_last():
    class Depthwise:
        kernels = {"dwconv1": np.ones((1, 3, 3, 8), np.float32)}

        def layer(self, name):
            return SimpleNamespace(kind="DEPTHWISE_CONV_2D")

    content = compress._Content("a digest of its own", Depthwise())
    tensor = compress._quantized(content, "dwconv1", 8, "channel", "minmax")
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
    for cache in (compress._compressed, compress._quantized, compress._skeleton):
        assert 0 < cache.cache_info().currsize <= cache.cache_info().maxsize < 100


def test_threads_see_one_result():
    network = zoo.load("mlp")
    compress._compressed.cache_clear()
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
    packed = bytearray(quantize_network(network, 8).packed)
    packed[-1] ^= 1
    with pytest.raises(CodecError, match="truncated or changed"):
        unpack(bytes(packed))
