"""Constants folded into the layer before: the outputs stay, or the graph does."""

import numpy as np
import pytest
from float_graphs import ACTIVATIONS, FloatBuilder

from labkit.model.network import Network

LAYERS = "dense", "conv", "depthwise"
SIDES = {"dense": (5,), "conv": (8, 8, 3), "depthwise": (8, 8, 4)}
CHANNELS = 8
OPTIONS = {"MUL": "MulOptions", "ADD": "AddOptions", "SUB": "SubOptions"}
PER_CHANNEL = {
    "dense": [(), (1,), (8,), (1, 1), (1, 8)],
    "conv": [(), (1,), (8,), (1, 8), (1, 1, 8), (1, 1, 1, 1), (1, 1, 1, 8)],
}
PER_CHANNEL["depthwise"] = PER_CHANNEL["conv"]
# As many numbers as channels, or other numbers that broadcast, along other axes.
OTHERS = [(1, 8, 1, 1), (8, 1, 1), (8, 1), (1, 8, 1), (1, 1, 8, 1), (8, 8), (8, 8, 8)]


def layer(b: FloatBuilder, kind: str, x: int, sides, activation=ACTIVATIONS.NONE):
    """A layer of 8 channels, sides (8, 8) or none. Returns its output and its sides."""
    if kind == "dense":
        kernel, out = b.rng.normal(size=(CHANNELS, sides[-1])), (CHANNELS,)
        name, options = "FULLY_CONNECTED", {}
    elif kind == "conv":
        kernel, out = b.rng.normal(size=(CHANNELS, 3, 3, sides[-1])), (8, 8, CHANNELS)
        name, options = "CONV_2D", {"strideH": 1, "strideW": 1}
    else:
        kernel, out = b.rng.normal(size=(1, 3, 3, CHANNELS)), (8, 8, CHANNELS)
        name = "DEPTHWISE_CONV_2D"
        options = {"strideH": 1, "strideW": 1, "depthMultiplier": CHANNELS // sides[-1]}
    table = {
        "dense": "FullyConnected",
        "conv": "Conv2D",
        "depthwise": "DepthwiseConv2D",
    }
    inputs = [x, b.constant(kernel)]
    if b.rng.integers(3):
        inputs.append(b.constant(b.rng.normal(size=CHANNELS)))
    elif kind != "dense":
        inputs.append(b.constant(np.zeros(CHANNELS)))
    options["fusedActivationFunction"] = activation
    y = b.operator(name, inputs, b.computed(*out), f"{table[kind]}Options", **options)
    return y, out


def follow(b: FloatBuilder, kind: str, x: int, sides, values, turned=False):
    """x `kind` a constant, or the constant first."""
    constant = b.constant(values)
    shape = np.broadcast_shapes((1, *sides), np.shape(values))
    activation = b.rng.choice([ACTIVATIONS.NONE, ACTIVATIONS.RELU, ACTIVATIONS.RELU6])
    pair = (constant, x) if turned else (x, constant)
    settings = {"fusedActivationFunction": int(activation)}
    y = b.operator(kind, pair, b.computed(*shape[1:]), OPTIONS[kind], **settings)
    return y, shape[1:]


def outputs(content: bytes, x: np.ndarray) -> np.ndarray:
    return Network.from_bytes(content).predict(x)


def assert_equal(content: bytes, sides, rng) -> Network:
    """The network folded, which computes what it did on images beyond -1 to 1."""
    x = rng.normal(size=(3, *sides)).astype(np.float32) * 2
    before = outputs(content, x)
    folded = Network.from_bytes(content).fold()
    after = folded.predict(x)
    assert after.shape == before.shape
    atol = 2e-5 * max(1, np.abs(before).max())
    np.testing.assert_allclose(after, before, rtol=0, atol=atol)
    return folded


def kinds(network: Network) -> list[str]:
    return [layer.kind for layer in network.layers]


@pytest.mark.parametrize("follower", OPTIONS)
@pytest.mark.parametrize("kind", LAYERS)
def test_what_is_per_channel_is_folded_and_nothing_else(kind, follower):
    rng = np.random.default_rng([LAYERS.index(kind), len(follower)])
    for turned in (False, True):
        for shape in PER_CHANNEL[kind] + OTHERS:
            if kind == "dense" and shape in OTHERS:
                continue  # those of a dense layer have tests of their own
            b = FloatBuilder(rng)
            x = b.image(*SIDES[kind])
            y, sides = layer(b, kind, x, SIDES[kind])
            values = rng.normal(size=shape)
            y, _ = follow(b, follower, y, sides, values, turned)
            folded = assert_equal(b.network(y), SIDES[kind], rng)
            gone = follower != "SUB" and shape in PER_CHANNEL[kind]
            assert (len(folded.layers) == 1) == gone, (kind, follower, shape)


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs_compute_the_same(seed):
    """Chains of layers and constants of every shape that broadcasts to the outputs."""
    rng = np.random.default_rng(seed)
    b = FloatBuilder(rng)
    start = LAYERS[rng.integers(3)]
    first = sides = SIDES[start]
    y = b.image(*sides)
    for step in range(rng.integers(1, 4)):
        kind = (
            start
            if step == 0
            else "dense"
            if len(sides) == 1
            else LAYERS[rng.integers(1, 3)]
        )
        activation = rng.choice([ACTIVATIONS.NONE, ACTIVATIONS.NONE, ACTIVATIONS.RELU])
        y, sides = layer(b, kind, y, sides, int(activation))
        for _ in range(rng.integers(0, 4)):
            full = (1, *sides)
            shape = full[rng.integers(len(full) + 1) :]
            shape = tuple(side if rng.integers(3) else 1 for side in shape)
            follower = list(OPTIONS)[rng.integers(3)]
            turned = bool(rng.integers(2))
            y, sides = follow(b, follower, y, sides, rng.normal(size=shape), turned)
    assert_equal(b.network(y), first, rng)


def test_a_dense_layer_that_becomes_a_picture_is_left_alone():
    """(n, 8) times (1, 1, 1, 8) is (1, 1, n, 8): the outputs have another shape."""
    b = FloatBuilder(np.random.default_rng(0))
    y, _ = layer(b, "dense", b.image(5), (5,))
    constant = b.constant(np.arange(1.0, 9).reshape(1, 1, 1, 8))
    y = b.operator("MUL", (y, constant), b.computed(1, 1, 8), "MulOptions")
    network = Network.from_bytes(b.network(y))
    assert kinds(network.fold()) == ["FULLY_CONNECTED", "MUL"]


def test_sums_that_something_else_reads_are_left_alone():
    b = FloatBuilder(np.random.default_rng(0))
    y, sides = layer(b, "conv", b.image(8, 8, 3), SIDES["conv"])
    z, _ = follow(b, "MUL", y, sides, np.arange(8.0))
    end = b.operator("ADD", (y, z), b.computed(*sides), "AddOptions")
    folded = assert_equal(b.network(end), SIDES["conv"], b.rng)
    assert kinds(folded) == ["CONV_2D", "MUL", "ADD"]


def test_sums_that_are_the_output_are_left_alone():
    b = FloatBuilder(np.random.default_rng(0))
    y, sides = layer(b, "conv", b.image(8, 8, 3), SIDES["conv"])
    follow(b, "MUL", y, sides, np.arange(8.0))
    folded = assert_equal(b.network(y), SIDES["conv"], b.rng)
    assert "CONV_2D" in kinds(folded)


def test_a_product_beyond_float32_is_left_alone():
    b = FloatBuilder(np.random.default_rng(0))
    y, sides = layer(b, "conv", b.image(8, 8, 3), SIDES["conv"])
    y, _ = follow(b, "MUL", y, sides, np.full(8, 1e30))
    y, _ = follow(b, "MUL", y, sides, np.full(8, 1e30))
    content = b.network(y)
    assert kinds(Network.from_bytes(content).fold()) == ["CONV_2D", "MUL"]


def test_a_kernel_that_the_graph_computes_is_left_alone():
    b = FloatBuilder(np.random.default_rng(0))
    x = b.image(5)
    bias = b.operator(
        "ADD", (b.constant(np.ones(8)),) * 2, b.tensor((8,), "FLOAT32"), "AddOptions"
    )
    kernel = b.constant(b.rng.normal(size=(8, 5)))
    y = b.operator(
        "FULLY_CONNECTED", (x, kernel, bias), b.computed(8), "FullyConnectedOptions"
    )
    y, _ = follow(b, "MUL", y, (8,), np.arange(8.0))
    folded = assert_equal(b.network(y), (5,), b.rng)
    assert kinds(folded) == ["ADD", "FULLY_CONNECTED", "MUL"]


def test_a_layer_without_bias_gets_one():
    b = FloatBuilder(np.random.default_rng(0))
    kernel = b.constant(b.rng.normal(size=(8, 5)))
    y = b.operator(
        "FULLY_CONNECTED", (b.image(5), kernel), b.computed(8), "FullyConnectedOptions"
    )
    y, _ = follow(b, "ADD", y, (8,), np.arange(8.0))
    folded = assert_equal(b.network(y), (5,), b.rng)
    assert kinds(folded) == ["FULLY_CONNECTED"]
