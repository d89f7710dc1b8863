"""Cross-layer equalization: which pairs, the same function, better low-bit weights."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from integer_graphs import Builder
from long import quick

from labkit import zoo
from labkit.compress.quantized import quantize_network
from labkit.compress.repair import equalization
from labkit.compress.repair.equalization import (
    equalize,
    equalizing_factors,
)
from labkit.compress.repair.pairs import Pair, obstacles, pairs, partner
from labkit.model import flatbuffer
from labkit.model.graph import NetworkError
from labkit.model.network import Network

PAIRS = {
    "mlp": "fc1-fc2 fc2-fc3",
    "lenet5": "conv1-conv2 conv2-fc1 fc1-fc2",
    "resnet8": " ".join(
        f"stage{k}_block1_conv1-stage{k}_block1_conv2" for k in (1, 2, 3)
    ),
    "resnet20": " ".join(
        f"stage{k}_block{n}_conv1-stage{k}_block{n}_conv2"
        for k in (1, 2, 3)
        for n in (1, 2, 3)
    ),
}


def images_of(name, n=100):
    return zoo.dataset(name).validation.images[:n]


def accuracy(network, name, n=1000):
    split = zoo.dataset(name).validation.take(n)
    return float((network.predict(split.images).argmax(axis=1) == split.labels).mean())


def difference(network, other, images):
    """The largest difference of two networks' outputs, by the largest output."""
    wanted = network.predict(images)
    return np.abs(other.predict(images) - wanted).max() / np.abs(wanted).max()


def with_activation(network, layers, activation):
    """The network with another fused activation in some layers."""
    model = flatbuffer.unpack(network.to_bytes())
    for operator, layer in zip(
        model.subgraphs[0].operators, network.layers, strict=True
    ):
        if layer.name in layers:
            operator.builtinOptions.fusedActivationFunction = activation
    return Network.from_bytes(flatbuffer.pack(model))


def relu6(network, *layers):
    return with_activation(network, layers, schema.ActivationFunctionType.RELU6)


@pytest.mark.parametrize("name", quick(zoo.NAMES, "mlp", "lenet5", "resnet8"))
def test_the_pairs_of_the_labs_networks(name):
    expected = tuple(Pair(*text.split("-")) for text in PAIRS[name].split())
    network = zoo.load(name)
    assert pairs(network) == expected
    firsts = {pair.first for pair in expected}
    assert set(obstacles(network)) == set(network.kernels) - firsts


def channel_ranges(network, pair):
    """The largest magnitude of each channel in both layers' kernels."""
    return equalization._ranges(network, network.weights, pair)


@pytest.mark.parametrize("name", quick(zoo.NAMES, "mlp", "lenet5", "resnet8"))
def test_the_same_function_with_equal_ranges(name):
    network = zoo.load(name)
    equal = equalize(network)
    assert difference(network, equal, images_of(name)) < 1e-4
    assert equal.layers == network.layers
    for pair in pairs(network):
        before, after = (channel_ranges(n, pair) for n in (network, equal))
        used = (before[0] > 0) & (before[1] > 0)
        np.testing.assert_allclose(after[0][used], after[1][used], rtol=0.01)
        assert not np.allclose(before[0][used], before[1][used], rtol=0.01)


def test_channels_that_are_not_used_stay():
    network = zoo.load("mlp")
    w1, w2 = (network.weights[f"{layer}/kernel"].copy() for layer in ("fc1", "fc2"))
    w1[3], w2[:, 4] = 0, 0
    network = network.with_weights({"fc1/kernel": w1, "fc2/kernel": w2})
    equal = equalize(network, ["fc1"])
    assert np.array_equal(equal.weights["fc2/kernel"][:, 3], w2[:, 3])
    assert np.array_equal(equal.weights["fc1/kernel"][4], w1[4])
    assert np.array_equal(equal.weights["fc1/bias"][4], network.weights["fc1/bias"][4])
    assert difference(network, equal, images_of("mlp")) < 1e-4


def test_only_the_named_pair_is_scaled():
    network = zoo.load("mlp")
    equal = equalize(network, ["fc2"])
    unchanged = {
        name
        for name, weight in network.weights.items()
        if np.array_equal(equal.weights[name], weight)
    }
    assert unchanged == {"fc1/kernel", "fc1/bias", "fc3/bias"}


def test_factors_undo_a_scaling_that_breaks_one_scale_a_tensor():
    """The same function, spoilt: every second unit of fc1 made 300 times larger."""
    network = zoo.load("mlp")
    factors = np.where(np.arange(300) % 2, 300, 1).astype(np.float32)
    spoilt = network.with_weights(
        {
            "fc1/kernel": network.weights["fc1/kernel"] * factors[:, None],
            "fc1/bias": network.weights["fc1/bias"] * factors,
            "fc2/kernel": network.weights["fc2/kernel"] / factors,
        }
    )
    assert difference(network, spoilt, images_of("mlp")) < 1e-4
    mended = equalize(spoilt)
    bits = 4
    assert accuracy(quantize_network(spoilt, bits).network, "mlp") < 0.9
    assert accuracy(quantize_network(mended, bits).network, "mlp") > 0.98


def test_better_4_bit_weights_with_one_scale_a_tensor():
    network = zoo.load("resnet8")
    plain, equal = (
        quantize_network(made, 4).network for made in (network, equalize(network))
    )
    assert accuracy(equal, "resnet8") > accuracy(plain, "resnet8") + 0.1


def test_factors_are_the_best_for_the_product_of_precisions():
    """Nagel et al. 2019, sec. 4.1: no other factors reach a larger sum of products."""
    rng = np.random.default_rng(0)
    r1, r2 = rng.uniform(0.1, 5, (2, 8))

    def precision(s):
        scaled1, scaled2 = r1 / s, r2 * s
        return np.sum(scaled1 / scaled1.max() * scaled2 / scaled2.max())

    best = precision(equalizing_factors(r1, r2))
    tried = np.exp(rng.normal(0, 1, (2000, 8)))
    near = equalizing_factors(r1, r2) * np.exp(rng.normal(0, 0.01, (2000, 8)))
    assert max(map(precision, [*tried, *near])) <= best + 1e-12


def test_relu6_is_refused():
    network = relu6(zoo.load("mlp"), "fc1")
    sentence = "behind fc1 stands RELU6, which clips at 6"
    with pytest.raises(NetworkError, match=sentence):
        equalize(network, ["fc1"])
    assert sentence in obstacles(network)["fc1"]
    assert pairs(network) == (Pair("fc2", "fc3"),)
    assert difference(network, equalize(network), images_of("mlp")) < 1e-4
    with pytest.raises(NetworkError, match="there is no pair of layers .* clips at 6"):
        equalize(relu6(network, "fc2"))


def test_other_activations_and_ends_are_refused():
    tanh = schema.ActivationFunctionType.TANH
    network = with_activation(zoo.load("mlp"), ["fc1"], tanh)
    with pytest.raises(NetworkError, match="fc1 stands TANH, which does not let a"):
        partner(network, "fc1")
    with pytest.raises(NetworkError, match="fc3 leads to the network's output"):
        equalize(network, ["fc3"])
    with pytest.raises(NetworkError, match="there is no layer 'fc9'"):
        equalize(network, ["fc9"])
    with pytest.raises(NetworkError, match="pool1 has no weights"):
        partner(zoo.load("lenet5"), "pool1")


def test_residual_additions_are_in_the_way():
    found = obstacles(zoo.load("resnet8"))
    assert "conv1 is read 2 times (CONV_2D, ADD)" in found["conv1"]
    assert "stands ADD" in found["stage1_block1_conv2"]
    assert "stands ADD" in found["stage2_block1_shortcut"]


class Chain:
    """A float network under construction, one operator after the other."""

    def __init__(self, *shape):
        self.builder = Builder(np.random.default_rng(0))
        self.rng, self.shape = self.builder.rng, shape
        self.last = self.builder.float_input(np.zeros((1, *shape)))

    def add(self, name, kind, shape, constants=(), options=None, **settings):
        output = self.builder.tensor((1, *shape), "FLOAT32")
        self.builder.graph.tensors[output].name = name.encode()
        inputs = [self.last, *constants]
        self.builder.operator(kind, inputs, output, options, **settings)
        self.last, self.shape = output, shape

    def weighted(self, name, kind, kernel, shape, options, activation, **settings):
        """Random weights of very different sizes, and a fused activation."""
        sizes = self.rng.lognormal(size=kernel) / np.sqrt(np.prod(kernel))
        values = [self.rng.normal(0.1, 1, kernel) * sizes]
        values += [self.rng.normal(0.1, 0.1, shape[-1])]
        constants = [self.builder.tensor(v.shape, "FLOAT32", values=v) for v in values]
        settings["fusedActivationFunction"] = getattr(ACTIVATIONS, activation)
        self.add(name, kind, shape, constants, options, **settings)

    def conv(self, name, channels, size, activation):
        height, width, inputs = self.shape
        kernel = (channels, size, size, inputs)
        shape = (height - size + 1, width - size + 1, channels)
        self.weighted(
            name, "CONV_2D", kernel, shape, "Conv2DOptions", activation, **WINDOW
        )

    def depthwise(self, name, multiplier, size, activation):
        height, width, inputs = self.shape
        kernel = (1, size, size, inputs * multiplier)
        shape = (height - size + 1, width - size + 1, inputs * multiplier)
        settings = WINDOW | {"depthMultiplier": multiplier}
        options = "DepthwiseConv2DOptions"
        self.weighted(
            name, "DEPTHWISE_CONV_2D", kernel, shape, options, activation, **settings
        )

    def dense(self, name, units, activation):
        kernel, options = (units, self.shape[0]), "FullyConnectedOptions"
        self.weighted(name, "FULLY_CONNECTED", kernel, (units,), options, activation)

    def pool(self, name, kind):
        height, width, channels = self.shape
        settings = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
        settings["padding"] = schema.Padding.VALID
        shape = (height // 2, width // 2, channels)
        self.add(name, kind, shape, (), "Pool2DOptions", **settings)

    def pad(self, name):
        height, width, channels = self.shape
        border = self.builder.integers([[0, 0], [1, 1], [1, 1], [0, 0]])
        self.add(name, "PAD", (height + 2, width + 2, channels), [border])

    def reshape(self, name, *shape):
        target = self.builder.integers([-1, *shape])
        options = {"newShape": [-1, *shape]}
        self.add(name, "RESHAPE", shape, [target], "ReshapeOptions", **options)

    def mean(self, name, axes, shape):
        axes = self.builder.integers(axes)
        self.add(name, "MEAN", shape, [axes], "ReducerOptions", keepDims=False)

    def network(self):
        content, _ = self.builder.file(self.last)
        return Network.from_bytes(flatbuffer.pack(flatbuffer.unpack(content)))


ACTIVATIONS = schema.ActivationFunctionType
WINDOW = {"padding": schema.Padding.VALID, "strideH": 1, "strideW": 1}
WINDOW |= {"dilationHFactor": 1, "dilationWFactor": 1}


@pytest.fixture(scope="module")
def mobile():
    """A network of all that factors pass through, and a RELU6."""
    chain = Chain(12, 12, 3)
    chain.conv("conv1", 4, 3, "NONE")
    chain.add("leaky", "LEAKY_RELU", chain.shape, (), "LeakyReluOptions", alpha=0.1)
    chain.depthwise("dw", 2, 3, "RELU")
    chain.pad("border")
    chain.pool("average", "AVERAGE_POOL_2D")
    chain.conv("conv2", 6, 1, "RELU6")
    chain.pool("maximum", "MAX_POOL_2D")
    chain.conv("conv3", 5, 1, "NONE")
    chain.add("rectified", "RELU", chain.shape)
    chain.reshape("flat", int(np.prod(chain.shape)))
    chain.dense("fc1", 7, "RELU")
    chain.reshape("shaped", 1, 1, 7)
    chain.conv("conv4", 8, 1, "RELU")
    chain.mean("mean", [1, 2], (8,))
    chain.dense("fc2", 3, "NONE")
    return chain.network()


def test_depthwise_pooling_padding_and_a_flatten_let_factors_pass(mobile):
    found = {pair.first: pair.second for pair in pairs(mobile)}
    assert found == {
        "conv1": "dw", "dw": "conv2", "conv3": "fc1", "fc1": "conv4", "conv4": "fc2",
    }  # fmt: skip
    assert "RELU6" in obstacles(mobile)["conv2"]
    equal = equalize(mobile)
    x = np.random.default_rng(1).random((16, 12, 12, 3), np.float32)
    assert np.ptp(mobile.predict(x), axis=0).min() > 0
    assert difference(mobile, equal, x) < 1e-4
    for pair in pairs(mobile):
        first, second = channel_ranges(equal, pair)
        np.testing.assert_allclose(first, second, rtol=0.01)
    assert not np.allclose(equal.kernels["dw"], mobile.kernels["dw"])


def test_a_mean_over_the_channels_mixes_them():
    chain = Chain(4, 4, 2)
    chain.conv("conv1", 3, 1, "RELU")
    chain.mean("mean", [3], (4, 4))
    chain.reshape("flat", 16)
    chain.dense("fc1", 2, "NONE")
    with pytest.raises(NetworkError, match="stands MEAN, which mixes the channels"):
        partner(chain.network(), "conv1")


def test_a_reshape_that_splits_the_channels_mixes_them():
    chain = Chain(2, 2, 3)
    chain.conv("conv1", 6, 1, "RELU")
    chain.reshape("split", 2, 3, 4)
    chain.conv("conv2", 2, 1, "NONE")
    with pytest.raises(NetworkError, match="stands RESHAPE, which mixes the channels"):
        partner(chain.network(), "conv1")
