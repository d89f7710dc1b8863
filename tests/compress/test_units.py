"""Units that go together: masked and really removed, the logits are the same."""

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.compress.pruned import apply_masks
from labkit.compress.units import (
    channel_groups,
    mask_units,
    mean_activations,
    remove_units,
    removed_units,
    weight_norms,
)
from labkit.model import remove
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.prune import units
from labkit.prune.patterns import n_of_m

RESNET20_STREAM = [
    "conv1",
    *(f"stage{stage}_block{block}_conv2" for stage in (1, 2, 3) for block in (1, 2, 3)),
]


def images(name, n=40):
    return zoo.dataset(name).validation.images[:n]


def random_choice(network, fraction, scope, seed=0):
    rng = np.random.default_rng(seed)
    scores = {name: rng.random(len(b)) for name, b in channel_groups(network).items()}
    return units.choose(scores, fraction, scope)


def assert_same_logits(smaller, masked, inputs):
    a, b = smaller.predict(inputs), masked.predict(inputs)
    assert np.abs(a - b).max() <= 1e-4 * np.abs(b).max()


def test_the_groups_of_plain_networks_are_their_layers():
    for name, sizes in [
        ("mlp", {"fc1": 300, "fc2": 100}),
        ("lenet5", {"conv1": 20, "conv2": 50, "fc1": 500}),
    ]:
        found = channel_groups(zoo.load(name))
        assert {layer: len(group) for layer, group in found.items()} == sizes
        for layer, group in found.items():
            assert group.layers == (layer,)
            assert group.units[:, 0].tolist() == list(range(sizes[layer]))


def test_the_groups_of_resnet8():
    found = channel_groups(zoo.load("resnet8"))
    assert {name: (b.layers[1:], len(b)) for name, b in found.items()} == {
        "conv1": (("stage1_block1_conv2",), 16),
        "stage1_block1_conv1": ((), 16),
        "stage2_block1_conv1": ((), 32),
        "stage2_block1_conv2": (("stage2_block1_shortcut",), 32),
        "stage3_block1_conv1": ((), 64),
        "stage3_block1_conv2": (("stage3_block1_shortcut",), 64),
    }


def test_the_groups_of_resnet20_follow_its_padded_shortcuts():
    """16 channels become the middle ones of 32, and these the middle ones of 64."""
    found = channel_groups(zoo.load("resnet20"))
    stream = found["conv1"]
    assert list(stream.layers) == RESNET20_STREAM
    assert stream.units[3].tolist() == [3] * 4 + [11] * 3 + [27] * 3
    second, third = found["stage2_block1_conv2"], found["stage3_block1_conv2"]
    assert list(second.layers) == RESNET20_STREAM[4:]
    assert second.units[:, 0].tolist() == [*range(8), *range(24, 32)]
    assert list(third.layers) == RESNET20_STREAM[7:]
    assert third.units[:, 0].tolist() == [*range(16), *range(48, 64)]
    assert len(found) == 3 + 9


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("fraction", [0.1, 0.6, 1.0])
@pytest.mark.parametrize("name", quick(zoo.NAMES, "lenet5", "resnet8"))
def test_the_smaller_network_computes_what_the_masked_one_does(name, fraction, scope):
    network = zoo.load(name)
    kept = random_choice(network, fraction, scope)
    masked, smaller = mask_units(network, kept), remove_units(network, kept)
    assert_same_logits(smaller, masked, images(name))
    assert masked.layers == network.layers
    assert len(smaller) < len(network)
    assert smaller.macs < network.macs
    found = channel_groups(network)
    for layer, gone in removed_units(found, kept).items():
        kernel = network.kernels[layer]
        assert len(smaller.kernels[layer]) == len(kernel) - len(gone)
        assert not masked.kernels[layer][gone].any()
    again = remove_units(network, kept)
    assert again.to_bytes() == smaller.to_bytes()


def test_nothing_removed_changes_nothing():
    network = zoo.load("resnet20")
    kept = random_choice(network, 0.0, "layer")
    assert mask_units(network, kept).to_bytes() == network.to_bytes()
    smaller = remove_units(network, kept)
    assert smaller.layers == network.layers
    assert_same_logits(smaller, network, images("resnet20"))


def test_the_channels_that_are_left_are_those_that_were_kept():
    network = zoo.load("lenet5")
    kept = random_choice(network, 0.5, "layer", seed=1)
    smaller = remove_units(network, kept)
    np.testing.assert_array_equal(
        smaller.kernels["conv2"],
        network.kernels["conv2"][kept["conv2"]][..., kept["conv1"]],
    )
    # The flatten lists the 50 channels of 16 pixels, one pixel after the other.
    pixels = network.kernels["fc1"].reshape(500, 16, 50)[kept["fc1"]]
    right = pixels[:, :, kept["conv2"]].reshape(250, 400)
    np.testing.assert_array_equal(smaller.kernels["fc1"], right)


@pytest.fixture(scope="module")
def mobile():
    """A network with depthwise filters that have biases, ReLU6, and an addition."""
    import keras
    from keras import layers

    from labkit.train.convert import to_tflite

    keras.utils.set_random_seed(5)
    noise = {"bias_initializer": "normal"}
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, activation="relu", name="conv1", **noise)(inputs)
    y = layers.Conv2D(10, 1, activation="relu6", name="conv2", **noise)(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="dw1", **noise)(y)
    y = layers.ReLU(6.0, name="relu1")(y)
    y = layers.Conv2D(6, 1, name="conv3", **noise)(y)
    x = layers.Add(name="add1")([x, y])
    z = layers.Conv2D(4, 1, name="conv4", **noise)(x)
    w = layers.Conv2D(4, 1, name="conv5", **noise)(x)
    x = layers.Concatenate(name="concat1")([z, w])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(5, name="fc1", **noise)(x)
    return Network.from_bytes(to_tflite(keras.Model(inputs, outputs)))


def test_depthwise_filters_go_with_their_channels(mobile):
    found = channel_groups(mobile)
    assert {name: group.layers for name, group in found.items()} == {
        "conv1": ("conv1", "conv3"),
        "conv2": ("conv2", "dw1"),
    }
    inputs = np.random.default_rng(0).normal(size=(20, 8, 8, 3)).astype(np.float32)
    for fraction in (0.3, 0.7):
        kept = random_choice(mobile, fraction, "layer")
        smaller = remove_units(mobile, kept)
        assert_same_logits(smaller, mask_units(mobile, kept), inputs)
        assert smaller.layer("dw1").kernel_shape[3] == kept["conv2"].sum()
    assert weight_norms(mobile)["dw1"].shape == (10,)
    with pytest.raises(
        NetworkError, match="a depthwise layer has its inputs' channels"
    ):
        mobile.remove_units("dw1", [0])


def test_what_reads_all_channels_keeps_them(mobile):
    with pytest.raises(NetworkError, match="these units of conv4 are read by CONCAT"):
        mobile.remove_units("conv4", [0])
    with pytest.raises(NetworkError, match="fc1 are the network's output"):
        mobile.remove_units("fc1", [0])


def test_two_groups_with_the_same_first_layer(monkeypatch):
    links = [{0: 0, 1: 0}, {0: 1}, {0: 2, 1: 1}]
    monkeypatch.setattr(remove, "coupled_units", lambda content: links)
    found = channel_groups(zoo.load("mlp"))
    assert {name: group.units.tolist() for name, group in found.items()} == {
        "fc1": [[0, 0], [2, 1]],
        "fc1_2": [[1]],
    }


def test_mean_activations_are_those_of_the_outputs():
    network, inputs = zoo.load("lenet5"), zoo.dataset("lenet5").calibration.images[:60]
    found = mean_activations(network, inputs)
    assert list(found) == list(network.kernels)
    for layer, following in [("fc1", "fc2"), ("conv1", "pool1"), ("conv2", "pool2")]:
        outputs = network.activations(inputs, following)
        rows = np.abs(outputs).reshape(-1, outputs.shape[-1])
        right = rows.mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(found[layer], right, rtol=1e-4)
    np.testing.assert_allclose(
        found["fc2"], np.abs(network.predict(inputs)).mean(axis=0), rtol=1e-4
    )
    with pytest.raises(ValueError, match="there are no images"):
        mean_activations(network, inputs[:0])


def test_units_are_what_norms_say():
    network = zoo.load("lenet5")
    found = weight_norms(network, order=2)["conv2"]
    by_hand = [
        np.sqrt(np.sum(unit.astype(float) ** 2)) for unit in network.kernels["conv2"]
    ]
    np.testing.assert_allclose(found, by_hand)
    with pytest.raises(ValueError, match="order is 3"):
        weight_norms(network, order=3)


def test_taylor_is_the_change_of_a_linear_loss():
    network, rng = zoo.load("lenet5"), np.random.default_rng(0)
    slopes = {n: rng.normal(size=w.shape) for n, w in network.weights.items()}

    def loss(net):
        return sum(np.sum(slopes[n] * w) for n, w in net.weights.items())

    for layer, unit in (("conv1", 3), ("fc1", 77)):
        names = f"{layer}/kernel", f"{layer}/bias"
        given = [array[name] for name in names for array in (network.weights, slopes)]
        found = units.unit_taylor(*given)
        kept = {layer: np.arange(len(found)) != unit}
        change = abs(loss(mask_units(network, kept)) - loss(network))
        assert found[unit] == pytest.approx(change, rel=1e-4)


def test_taylor_without_a_bias_and_with_half_of_one():
    w = np.ones((2, 3))
    assert units.unit_taylor(w, 2 * w).tolist() == [6.0, 6.0]
    with pytest.raises(ValueError, match="give both bias and bias_gradient"):
        units.unit_taylor(w, w, bias=np.ones(2))
    with pytest.raises(ValueError, match="give one number for each weight"):
        units.unit_taylor(w, w[:1])


def test_the_choice_counts_exactly_and_leaves_each_layer_one_unit():
    rng = np.random.default_rng(2)
    scores = {"a": rng.random(10), "b": 1 + rng.random(30), "c": np.zeros(4)}
    for scope in ("layer", "global"):
        for fraction in (0, 0.25, 0.5, 0.9, 1):
            kept = units.choose(scores, fraction, scope)
            assert all(kept[name][s.argmax()] for name, s in scores.items())
            gone = {name: int(np.sum(~k)) for name, k in kept.items()}
            if scope == "layer":
                for name, s in scores.items():
                    wanted = int(fraction * len(s) + 0.5)
                    assert gone[name] == min(wanted, len(s) - 1)
            else:
                assert sum(gone.values()) == min(int(fraction * 44 + 0.5), 41)
    assert units.choose(scores, 12 / 44, "global")["b"].all()  # a and c are cheaper
    with pytest.raises(ValueError, match="scope is 'output': units are ranked by"):
        units.choose(scores, 0.5, "output")
    assert units.choose({}, 0.5, "global") == {}


def test_normalized_scores_of_two_layers_have_one_size():
    a, b = units.normalized(np.arange(5.0)), units.normalized(1000 * np.arange(5.0))
    np.testing.assert_allclose(a, b)
    assert not units.normalized(np.zeros(3)).any()


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"fc9": np.ones(3, bool)}, "no group 'fc9': choose from fc1, fc2"),
        ({"fc1": np.ones(300)}, "give as many bools"),
        ({"fc1": np.ones(299, bool)}, "fc1 has 300 channels"),
    ],
)
def test_choices_that_do_not_fit(kept, words):
    network = zoo.load("mlp")
    for fn in (mask_units, remove_units):
        with pytest.raises(ValueError, match=words):
            fn(network, kept)


def test_a_layer_keeps_at_least_one_unit():
    with pytest.raises(NetworkError, match="at least one"):
        remove_units(zoo.load("mlp"), {"fc2": np.zeros(100, bool)})


def test_2_of_4_are_the_largest_of_every_4():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, (6, 3, 3, 20))
    kept = n_of_m(scores)
    assert kept.shape == scores.shape and kept.mean() == 0.5
    groups = zip(scores.reshape(-1, 4), kept.reshape(-1, 4), strict=True)
    for values, stay in groups:
        assert stay.sum() == 2
        assert values[stay].min() >= values[~stay].max()
    assert n_of_m(np.zeros(8)).astype(int).tolist() == [0, 0, 1, 1] * 2
    assert n_of_m(scores, 4, 4).all()
    assert n_of_m(scores, 1, 20).sum(axis=-1).max() == 1


def test_2_of_4_on_a_network():
    network = zoo.load("lenet5")
    divided = [name for name, k in network.kernels.items() if k.shape[-1] % 4 == 0]
    assert divided == ["conv2", "fc1", "fc2"]
    kept = {name: n_of_m(np.abs(network.kernels[name])) for name in divided}
    pruned = apply_masks(network, kept)
    for name in divided:
        assert np.count_nonzero(pruned.kernels[name]) == pruned.kernels[name].size / 2
    with pytest.raises(ValueError, match="4 does not divide the last axis"):
        n_of_m(network.kernels["conv1"])
    for n, m in ((0, 4), (5, 4)):
        with pytest.raises(ValueError, match="n is .: give a whole number from 1 to 4"):
            n_of_m(np.ones(20), n, m)
    with pytest.raises(ValueError, match="NaN"):
        n_of_m(np.full(4, np.nan))
