"""Factorized networks: both factors in the file, and the same logits."""

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.compress import factorized
from labkit.compress.factorized import FACTORIZATIONS, factorize, factorize_network
from labkit.compress.responses import observe
from labkit.lowrank import parts as layer_parts
from labkit.lowrank.parts import FactorLayer, reconstruct_kernel
from labkit.model.graph import NetworkError
from labkit.model.network import Network


def seen(network, name, method, n=60):
    if method not in factorized.DATA_AWARE:
        return None
    return observe(network, zoo.dataset(name).calibration.images[:n], method)


def some_rank(network, layer, method):
    """About half of what the layer's sides allow."""
    shape = network.kernels[layer].shape
    if factorized.effective_method(network, layer, method) == "tucker":
        return max(1, shape[0] // 2), max(1, shape[-1] // 2)
    return max(1, min(shape[0], shape[-1]) // 2)


def multiplied(network, parts):
    """The network with the parts multiplied back: one layer each, as before."""
    changes = {f"{layer}/kernel": reconstruct_kernel(p) for layer, p in parts.items()}
    changes |= {f"{layer}/bias": p[-1].bias for layer, p in parts.items()}
    return network.with_weights(changes)


# resnet20 has the same kinds of layers as resnet8.
NETWORKS = {
    "mlp": ("svd", "responses", "inputs"),
    "lenet5": FACTORIZATIONS,
    "resnet8": FACTORIZATIONS,
    "resnet20": ("responses", "cp"),
}
CASES = [(name, method) for name, methods in NETWORKS.items() for method in methods]
QUICK = [("mlp", "responses"), ("lenet5", "svd"), ("lenet5", "spatial")]
QUICK += [("resnet8", "inputs"), ("resnet8", "tucker"), ("resnet8", "cp")]


@pytest.mark.parametrize(("name", "method"), quick(CASES, *QUICK))
def test_the_factors_compute_what_their_product_does(name, method):
    network = zoo.load(name)
    images = zoo.dataset(name).validation.images[:20]
    observed = seen(network, name, method)
    ranks = {
        layer: some_rank(network, layer, method)
        for layer in factorized.factorizable_layers(network)
    }
    parts = {
        layer: factorized.factorize_layer(network, layer, rank, method, observed)
        for layer, rank in ranks.items()
    }
    low = factorize(network, parts)
    wanted = multiplied(network, parts).predict(images)
    difference = np.abs(low.predict(images) - wanted).max()
    assert difference <= 1e-4 * np.abs(wanted).max()
    assert (
        factorize_network(network, ranks, method, observed).to_bytes() == low.to_bytes()
    )
    for layer, found in parts.items():
        names = [f"{layer}_{k}" for k in range(1, len(found) + 1)]
        stored = [low.kernels[each] for each in names]
        for kernel, part in zip(stored, found, strict=True):
            np.testing.assert_array_equal(kernel, part.kernel)
        told = [low.layer(each).activation for each in names]
        assert told == ["NONE"] * (len(found) - 1) + [network.layer(layer).activation]
        assert low.layer(names[-1]).output_shape == network.layer(layer).output_shape
        assert layer not in low.kernels
    zeros = sum(
        part.outputs
        for found in parts.values()
        for part in found
        if part.bias is None and part.kernel.ndim == 4
    )
    counted = sum(map(layer_parts.parameters, parts.values()))
    assert low.parameters == counted + zeros  # LiteRT's biases of zeros


def test_a_dense_layers_first_factor_has_no_bias_and_no_activation():
    network = zoo.load("mlp")
    low = factorize_network(network, {"fc1": 20, "fc2": None})
    assert list(low.kernels) == ["fc1_1", "fc1_2", "fc2", "fc3"]
    assert "fc1_1/bias" not in low.weights and "fc1_2/bias" in low.weights
    assert low.parameters == network.parameters - 300 * 784 + 20 * (300 + 784)
    assert len(network) - len(low) == pytest.approx(
        4 * (network.parameters - low.parameters), abs=1000
    )


def test_above_break_even_the_file_is_larger():
    network = zoo.load("mlp")
    below, above = (factorize_network(network, {"fc2": rank}) for rank in (74, 76))
    for found, sign in ((below, -1), (above, 1)):
        assert np.sign(found.macs - network.macs) == sign
        assert np.sign(found.parameters - network.parameters) == sign


def test_full_rank_changes_no_answer():
    network = zoo.load("mlp")
    images = zoo.dataset("mlp").validation.images[:50]
    for method, ranks in (
        ("svd", {"fc1": 300, "fc2": 100, "fc3": 10}),
        ("responses", {"fc1": 300, "fc2": 100, "fc3": 10}),
        ("inputs", {"fc1": 784, "fc2": 300, "fc3": 100}),
    ):
        low = factorize_network(network, ranks, method, seen(network, "mlp", method))
        wanted = network.predict(images)
        assert np.abs(low.predict(images) - wanted).max() < 1e-4 * np.abs(wanted).max()


@pytest.fixture(scope="module")
def uneven():
    """Strides that differ by axis, both padding rules, even and odd pictures."""
    import keras
    from keras import layers

    from labkit.train.convert import to_tflite

    keras.utils.set_random_seed(6)
    noise = {"bias_initializer": "normal"}
    inputs = keras.Input((13, 10, 3))
    x = layers.Conv2D(
        8, 5, strides=2, padding="same", activation="relu", name="conv1", **noise
    )(inputs)
    x = layers.Conv2D(6, (3, 4), padding="valid", name="conv2", **noise)(x)
    x = layers.Conv2D(
        7, (2, 1), strides=2, padding="same", activation="relu6", name="conv3", **noise
    )(x)
    x = layers.Flatten()(x)
    outputs = layers.Dense(5, name="fc1", **noise)(x)
    return Network.from_bytes(to_tflite(keras.Model(inputs, outputs)))


@pytest.mark.parametrize("method", ["svd", "spatial", "tucker", "cp"])
def test_strides_and_padding_of_all_kinds(uneven, method):
    inputs = np.random.default_rng(0).normal(size=(9, 13, 10, 3)).astype(np.float32)
    parts = {}
    for layer in factorized.factorizable_layers(uneven):
        rank = some_rank(uneven, layer, method)
        parts[layer] = factorized.factorize_layer(uneven, layer, rank, method)
    low, wanted = factorize(uneven, parts), multiplied(uneven, parts).predict(inputs)
    assert np.abs(low.predict(inputs) - wanted).max() <= 1e-4 * np.abs(wanted).max()
    for layer in uneven.kernels:
        last = f"{layer}_{len(parts[layer])}"
        assert low.layer(last).activation == uneven.layer(layer).activation


def test_a_factorized_network_can_be_edited_further():
    network = zoo.load("resnet8")
    images = zoo.dataset("resnet8").validation.images[:10]
    layer = "stage2_block1_conv1"
    low = factorize_network(network, {layer: 12}, "svd")
    smaller = low.remove_units(f"{layer}_1", [3])
    assert smaller.kernels[f"{layer}_1"].shape[0] == 11
    twice = factorize_network(low, {f"{layer}_1": 6}, "spatial")
    assert f"{layer}_1_2" in twice.kernels and twice.predict(images).shape == (10, 10)


def test_nothing_chosen_is_the_network_itself():
    network = zoo.load("mlp")
    assert factorize(network, {"fc1": None}) is network


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda n: factorize_network(n, {"fc1": 5}, "qr"),
            ValueError,
            "method is 'qr'",
        ),
        (lambda n: factorize_network(n, {"fc1": 301}), ValueError, "from 1 to 300"),
        (lambda n: factorize_network(n, {"fc9": 3}), NetworkError, "no layer 'fc9'"),
        (
            lambda n: factorize_network(n, {"fc1": 5}, "responses"),
            ValueError,
            r"give observed=observe\(network, images, 'responses'\)",
        ),
        (
            lambda n: factorize(n, {"fc1": [FactorLayer(np.zeros((1, 3, 1, 784)))]}),
            NetworkError,
            "must have 2 axes",
        ),
        (
            lambda n: factorized.decomposition(zoo.load("lenet5"), "conv2", "cp"),
            ValueError,
            "ask for `parts`",
        ),
        (
            lambda n: factorize_network(zoo.load("lenet5"), {"pool1": 3}),
            NetworkError,
            "choose a dense layer or a convolution",
        ),
        (
            lambda n: factorize(
                zoo.load("lenet5"),
                {"conv1": [FactorLayer(np.zeros((2, 5, 5, 1)), None, True)]},
            ),
            NetworkError,
            r"\(1, height, width, channels\)",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call(zoo.load("mlp"))
