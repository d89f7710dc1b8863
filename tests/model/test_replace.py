"""Edits of the graph: a layer in several, units taken out, constants folded in."""

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.model import flatbuffer
from labkit.model.graph import NetworkError
from labkit.model.network import Network


def logits_close(a, b, tolerance=1e-4):
    return np.abs(a - b).max() <= tolerance * np.abs(b).max()


@pytest.fixture(scope="module")
def images():
    return zoo.dataset("mlp").test.images[:200]


@pytest.mark.parametrize("name", ["mlp", "lenet5"])
def test_packing_anew_changes_nothing(name, images):
    network = zoo.load(name)
    again = Network.from_bytes(flatbuffer.pack(flatbuffer.unpack(network.to_bytes())))
    assert again.layers == network.layers
    for key, array in network.weights.items():
        np.testing.assert_array_equal(again.weights[key], array)
    np.testing.assert_array_equal(again.predict(images), network.predict(images))
    assert again.to_bytes() == network.to_bytes()


@pytest.mark.parametrize("name", ["mlp", "lenet5"])
def test_weights_lie_at_multiples_of_16(name):
    spans = zoo.load(name)._graph.spans
    assert all(span.offset % 16 == 0 for span in spans.values())


def test_a_dense_layer_in_two_at_full_rank_computes_the_same(images):
    network = zoo.load("mlp")
    w, b = network.weights["fc2/kernel"], network.weights["fc2/bias"]
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    split = network.replace_layer("fc2", [(vt, None), (u * s, b)])
    assert [layer.name for layer in split.layers] == ["fc1", "fc2_1", "fc2_2", "fc3"]
    assert [layer.activation for layer in split.layers] == [
        "RELU",
        "NONE",
        "RELU",
        "NONE",
    ]
    assert split.parameters == network.parameters + 100 * 100
    assert logits_close(split.predict(images), network.predict(images))


def test_rank_one_is_what_numpy_says(images):
    network = zoo.load("mlp")
    w, b = network.weights["fc1/kernel"], network.weights["fc1/bias"]
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    split = network.replace_layer("fc1", [(vt[:1], None), (u[:, :1] * s[0], b)])
    multiplied = network.with_weights({"fc1/kernel": s[0] * np.outer(u[:, 0], vt[0])})
    assert logits_close(split.predict(images), multiplied.predict(images))
    assert len(split) < len(network) / 4


def test_a_convolution_in_two(images):
    """conv2 as 5x5 onto 50 channels and 1x1: the identity leaves all as it is."""
    network = zoo.load("lenet5")
    w, b = network.weights["conv2/kernel"], network.weights["conv2/bias"]
    one = np.eye(50, dtype=np.float32).reshape(50, 1, 1, 50)
    split = network.replace_layer("conv2", [(w, None), (one, b)])
    assert logits_close(split.predict(images), network.predict(images))
    # a 5x1 then a 1x5 convolution of a separable kernel
    column, row = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    kernel = np.zeros_like(w)
    kernel[np.arange(20), :, :, np.arange(20)] = np.outer(column, row)
    first = np.zeros((20, 5, 1, 20), np.float32)
    first[np.arange(20), :, 0, np.arange(20)] = column
    second = np.zeros((50, 1, 5, 20), np.float32)
    second[np.arange(20), 0, :, np.arange(20)] = row
    separable = network.with_weights({"conv2/kernel": kernel})
    split = network.replace_layer("conv2", [(first, None), (second, b)])
    assert logits_close(split.predict(images), separable.predict(images))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([], "at least one part"),
        ([(np.zeros((5, 299)), None), (np.zeros((100, 5)), None)], "299"),
        ([(np.zeros((5, 300)), None), (np.zeros((99, 5)), None)], "99 outputs"),
        ([(np.full((100, 300), np.nan), None)], "NaN or infinity"),
        ([(np.zeros((100, 300)), np.zeros(7))], "100 outputs"),
    ],
)
def test_parts_that_do_not_fit(parts, words):
    with pytest.raises(NetworkError, match=words):
        zoo.load("mlp").replace_layer("fc2", parts)


@pytest.mark.parametrize(
    ("name", "layer", "units"),
    [
        ("mlp", "fc1", [0, 7, 299]),
        ("mlp", "fc2", range(50)),
        ("lenet5", "conv1", [3, 4]),
        ("lenet5", "conv2", [0, 10, 49]),
        ("lenet5", "fc1", range(0, 500, 2)),
    ],
)
def test_removed_units_equal_masked_units(name, layer, units, images):
    network = zoo.load(name)
    w, b = (
        network.weights[f"{layer}/kernel"].copy(),
        network.weights[f"{layer}/bias"].copy(),
    )
    w[list(units)], b[list(units)] = 0, 0
    masked = network.with_weights({f"{layer}/kernel": w, f"{layer}/bias": b})
    smaller = network.remove_units(layer, units)
    assert logits_close(smaller.predict(images), masked.predict(images))
    assert len(smaller) < len(network) and smaller.macs < network.macs
    assert smaller.layer(layer).kernel_shape[0] == len(w) - len(list(units))


def test_units_that_cannot_go():
    mlp = zoo.load("mlp")
    with pytest.raises(NetworkError, match="network's output"):
        mlp.remove_units("fc3", [0])
    with pytest.raises(NetworkError, match="units go from 0 to 299"):
        mlp.remove_units("fc1", [300])
    with pytest.raises(NetworkError, match="at least one"):
        mlp.remove_units("fc2", range(100))
    with pytest.raises(NetworkError, match="no weights"):
        zoo.load("lenet5").remove_units("pool1", [0])


def masked_units(network, layers, units):
    changes = {}
    for layer in layers:
        for role in ("kernel", "bias"):
            changes[f"{layer}/{role}"] = network.weights[f"{layer}/{role}"].copy()
            changes[f"{layer}/{role}"][units] = 0
    return network.with_weights(changes)


def test_units_that_are_added_go_together():
    network = zoo.load("resnet8")
    images = zoo.dataset("resnet8").validation.images[:50]
    for layer, other in [
        ("conv1", "stage1_block1_conv2"),
        ("stage1_block1_conv2", "conv1"),
        ("stage3_block1_shortcut", "stage3_block1_conv2"),
    ]:
        with pytest.raises(
            NetworkError, match=f"unit 2 of {other} adds .* coupled=True"
        ):
            network.remove_units(layer, [2, 5])
        smaller = network.remove_units(layer, [2, 5], coupled=True)
        masked = masked_units(network, [layer, other], [2, 5])
        assert logits_close(smaller.predict(images), masked.predict(images))
        assert len(smaller) < len(network) and smaller.macs < network.macs
        for name in (layer, other):
            before = network.layer(name).kernel_shape[0]
            assert smaller.layer(name).kernel_shape[0] == before - 2


def test_a_padded_channel_goes_with_those_that_are_added_to_it():
    """resnet20 pads 16 channels to 32 with 8 zeros on either side, then 32 to 64."""
    network = zoo.load("resnet20")
    images = zoo.dataset("resnet20").validation.images[:50]
    third = [f"stage3_block{k}_conv2" for k in (1, 2, 3)]
    for unit, shortcut_too in ((15, False), (16, True)):
        smaller = network.remove_units("stage3_block1_conv2", [unit], coupled=True)
        changed = [
            name
            for name, kernel in network.kernels.items()
            if len(smaller.kernels[name]) < len(kernel)
        ]
        assert set(third) <= set(changed) and ("conv1" in changed) is False
        assert ("stage2_block1_conv2" in changed) is shortcut_too
    smaller = network.remove_units("stage3_block1_conv2", [15], coupled=True)
    masked = masked_units(network, third, [15])
    assert logits_close(smaller.predict(images), masked.predict(images))
    assert smaller.layer("stage3_block1_add").output_shape == (8, 8, 63)


@pytest.mark.parametrize("name", quick(["resnet8", "resnet20"], "resnet8"))
def test_a_branch_removed_is_a_branch_masked(name):
    network = zoo.load(name)
    images = zoo.dataset(name).validation.images[:50]
    for add in [layer.name for layer in network.layers if layer.kind == "ADD"]:
        last = add.replace("add", "conv2")
        masked = masked_units(network, [last], slice(None))
        smaller = network.remove_branch(add)
        assert logits_close(smaller.predict(images), masked.predict(images))
        assert len(smaller) < len(network) and smaller.macs < network.macs
        gone = {layer.name for layer in network.layers} - {
            layer.name for layer in smaller.layers
        }
        assert gone == {add, last, add.replace("add", "conv1")}


def test_every_branch_of_a_network_removed():
    network = zoo.load("resnet8")
    images = zoo.dataset("resnet8").validation.images[:50]
    adds = [layer.name for layer in network.layers if layer.kind == "ADD"]
    masked = masked_units(
        network, [a.replace("add", "conv2") for a in adds], slice(None)
    )
    smaller = network
    for add in adds:
        smaller = smaller.remove_branch(add)
    assert list(smaller.kernels) == [
        "conv1", "stage2_block1_shortcut", "stage3_block1_shortcut", "fc",
    ]  # fmt: skip
    assert logits_close(smaller.predict(images), masked.predict(images))


def test_what_is_no_branch():
    with pytest.raises(NetworkError, match="CONV_2D adds no two activations"):
        zoo.load("resnet8").remove_branch("conv1")
    with pytest.raises(NetworkError, match="there is no layer 'add1'"):
        zoo.load("resnet8").remove_branch("add1")


def test_fold_absorbs_factors_and_offsets(images):
    """Insert MUL and ADD after a convolution by hand; folding takes them out again."""
    network = zoo.load("lenet5")
    rng = np.random.default_rng(1)
    factor, offset = rng.normal(size=(2, 20)).astype(np.float32)
    file = flatbuffer.unpack(network.to_bytes())
    _insert_after(file, 0, "MUL", factor)
    _insert_after(file, 1, "ADD", offset)
    unfolded = Network.from_bytes(flatbuffer.pack(file))
    folded = unfolded.fold()
    assert "MUL" in [layer.kind for layer in unfolded.layers]
    assert [layer.kind for layer in folded.layers] == [
        layer.kind for layer in network.layers
    ]
    assert logits_close(folded.predict(images), unfolded.predict(images))
    w, b = network.weights["conv1/kernel"], network.weights["conv1/bias"]
    kernel = next(iter(folded.kernels.values()))
    np.testing.assert_allclose(kernel, w * factor[:, None, None, None], rtol=1e-6)
    by_hand = network.with_weights(
        {"conv1/kernel": kernel, "conv1/bias": b * factor + offset}
    )
    assert logits_close(folded.predict(images), by_hand.predict(images))


def _insert_after(file, position, kind, constant):
    from ai_edge_litert import schema_py_generated as schema

    graph = file.subgraphs[0]
    before = graph.operators[position]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(
        schema.BuiltinOperator, kind
    )
    code.version = 1
    file.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(file.operatorCodes) - 1
    values = flatbuffer.add_constant(file, f"{kind}_constant", constant)
    middle = flatbuffer.add_activation(
        file, f"before_{kind}", before.outputs[0], len(constant)
    )
    operator.inputs, operator.outputs = [middle, values], list(before.outputs)
    before.outputs = [middle]
    operator.builtinOptionsType = getattr(
        schema.BuiltinOptions, f"{kind.title()}Options"
    )
    operator.builtinOptions = getattr(schema, f"{kind.title()}OptionsT")()
    graph.operators.insert(position + 1, operator)
