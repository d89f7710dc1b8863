"""Network: the view, edits of weights, files, and what is refused."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from float_graphs import dense_file

from labkit import zoo
from labkit.model import flatbuffer
from labkit.model.graph import DTYPES, NetworkError
from labkit.model.network import Network


@pytest.fixture(scope="module")
def mlp():
    return zoo.load("mlp")


@pytest.fixture(scope="module")
def lenet5():
    return zoo.load("lenet5")


def logits_close(a, b, tolerance=1e-4):
    """Within `tolerance` of the largest logit."""
    return np.abs(a - b).max() <= tolerance * np.abs(b).max()


def test_view_of_the_mlp(mlp):
    assert [layer.name for layer in mlp.layers] == ["fc1", "fc2", "fc3"]
    assert [layer.kind for layer in mlp.layers] == ["FULLY_CONNECTED"] * 3
    assert [layer.activation for layer in mlp.layers] == ["RELU", "RELU", "NONE"]
    assert [layer.inputs for layer in mlp.layers] == [("input",), ("fc1",), ("fc2",)]
    assert mlp.parameters == 784 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10
    assert mlp.macs == 784 * 300 + 300 * 100 + 100 * 10
    assert mlp.input_shape == (784,)
    assert mlp.kernels["fc1"].shape == (300, 784)


def test_view_of_lenet5(lenet5):
    weighted = {layer.name: layer for layer in lenet5.layers if layer.kernel_shape}
    assert list(weighted) == ["conv1", "conv2", "fc1", "fc2"]
    assert lenet5.parameters == 431_080
    # Multiplications of Han et al. 2015, Table 3 (arXiv 1506.02626): FLOP / 2 a layer.
    assert [layer.macs for layer in weighted.values()] == [
        288_000,
        1_600_000,
        400_000,
        5_000,
    ]


def test_forward_pass_equals_numpy(mlp):
    images = zoo.dataset("mlp").test.images[:50]
    x = images.reshape(50, 784).astype(np.float32) / 255
    for name in ("fc1", "fc2", "fc3"):
        assert logits_close(mlp.activations(images, name), x)
        x = x @ mlp.weights[f"{name}/kernel"].T + mlp.weights[f"{name}/bias"]
        x = x if name == "fc3" else np.maximum(x, 0)
    assert logits_close(mlp.predict(images), x)


def test_batches_and_types_do_not_matter(lenet5):
    images = zoo.dataset("lenet5").test.images[:33]
    expected = lenet5.predict(images)
    assert logits_close(lenet5.predict(images, batch_size=7), expected, 1e-6)
    assert logits_close(lenet5.predict(lenet5.as_inputs(images)), expected, 1e-6)
    assert lenet5.predict(images[:0]).size == 0


def test_with_weights_changes_the_file_and_only_what_was_named(mlp):
    changed = mlp.with_weights({"fc3/bias": np.arange(10)})
    assert changed.weights["fc3/bias"].tolist() == list(range(10))
    assert mlp.weights["fc3/bias"].tolist() != list(range(10))
    assert len(changed) == len(mlp) and changed.digest != mlp.digest
    for name in set(mlp.weights) - {"fc3/bias"}:
        np.testing.assert_array_equal(changed.weights[name], mlp.weights[name])
    again = Network.from_bytes(changed.to_bytes())
    np.testing.assert_array_equal(again.weights["fc3/bias"], np.arange(10))


def test_weights_are_read_only(mlp):
    with pytest.raises(ValueError, match="read-only"):
        mlp.weights["fc1/bias"][0] = 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"fc9/kernel": np.zeros(3)},
            "no weight 'fc9/kernel': the weights are fc1/kernel",
        ),
        ({"fc3/bias": np.zeros(9)}, r"fc3/bias has shape \(10,\)"),
        ({"fc3/bias": np.full(10, np.nan)}, "NaN or infinity"),
        ({"fc3/bias": np.full(10, np.inf)}, "NaN or infinity"),
    ],
)
def test_edits_that_do_not_fit(mlp, changes, words):
    before = mlp.to_bytes()
    with pytest.raises(NetworkError, match=words):
        mlp.with_weights(changes)
    assert mlp.to_bytes() == before


def stored_as(dtype: str) -> Network:
    """A dense layer whose kernel (2, 3) is kept in another type; it cannot run."""
    content = dense_file([(np.zeros((2, 3)), np.zeros(2))])
    file = flatbuffer.unpack(content)
    kernel = file.subgraphs[0].tensors[file.subgraphs[0].operators[0].inputs[1]]
    kernel.type = getattr(schema.TensorType, dtype)
    zeros = np.zeros(6, DTYPES[dtype])
    file.buffers[kernel.buffer].data = np.frombuffer(zeros.tobytes(), np.uint8)
    return Network.from_bytes(flatbuffer.pack(file))


@pytest.mark.parametrize(
    ("dtype", "number"),
    [
        ("INT8", 215.9),
        ("INT8", 128),
        ("INT8", -129),
        ("INT8", 0.9),
        ("UINT8", -1),
        ("UINT8", 256),
        ("INT16", 40_000.0),
        ("INT32", 2**31),
        ("INT32", 0.5),
        ("INT64", np.uint64(2**63)),
        ("INT64", 2.0**63),
        ("BOOL", 2),
        ("FLOAT16", 1e5),
        ("FLOAT32", 1e39),
    ],
)
def test_what_a_type_cannot_hold_is_refused(dtype, number):
    network = stored_as(dtype)
    name = next(iter(network.weights))
    changed = np.zeros((2, 3), np.asarray(number).dtype)
    changed[1, 2] = number
    with pytest.raises(NetworkError, match=f"{name} is stored as .* cannot hold") as e:
        network.with_weights({name: changed})
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("dtype", "numbers"),
    [
        ("INT8", [-128.0, 127.0]),
        ("INT8", [True, False]),
        ("UINT8", [0, 255]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("BOOL", [0.0, 1.0]),
        ("FLOAT16", [0.1, 65504.0]),
        ("FLOAT32", [0.1, 1e-50]),
    ],
)
def test_what_a_type_holds_is_stored(dtype, numbers):
    network = stored_as(dtype)
    name = next(iter(network.weights))
    changed = np.resize(np.array(numbers), (2, 3))
    stored = network.with_weights({name: changed}).weights[name]
    assert stored.dtype == DTYPES[dtype]
    np.testing.assert_array_equal(stored, changed.astype(DTYPES[dtype]))


@pytest.mark.parametrize(
    "wrong", [np.full(10, 1j), np.full(10, "a"), np.full(10, None)]
)
def test_what_is_no_number_is_refused(mlp, wrong):
    with pytest.raises(NetworkError, match="new fc3/bias is .*: give real numbers"):
        mlp.with_weights({"fc3/bias": wrong})


@pytest.mark.parametrize("name", ["mlp", "lenet5"])
def test_skeleton_round_trip(name):
    network = zoo.load(name)
    skeleton = network.skeleton()
    assert (
        Network.from_skeleton(skeleton, network.weights).to_bytes()
        == network.to_bytes()
    )
    assert not any(
        array.any() for array in Network.from_bytes(skeleton).weights.values()
    )


def test_an_array_that_two_layers_share(mlp):
    """Converters store equal biases once; two layers of 10 units can show it."""
    parts = [(np.eye(10, dtype=np.float32), np.ones(10)), (np.eye(10), np.ones(10))]
    file = flatbuffer.unpack(mlp.replace_layer("fc3", [*_last(mlp), *parts]).to_bytes())
    operators = file.subgraphs[0].operators
    operators[-1].inputs = [*operators[-1].inputs[:2], operators[-2].inputs[2]]
    shared = Network.from_bytes(flatbuffer.pack(file))
    biases = {name: np.arange(10.0) for name in list(shared.weights) if "bias" in name}
    fc3_2, fc3_3 = (f"fc3_{k}/bias" for k in (2, 3))
    with pytest.raises(NetworkError, match="are one array in this file"):
        shared.with_weights({fc3_2: biases[fc3_2]})
    both = shared.with_weights({fc3_2: biases[fc3_2], fc3_3: biases[fc3_3]})
    assert both.weights[fc3_3].tolist() == list(range(10))
    again = Network.from_skeleton(shared.skeleton(), shared.weights)
    assert again.to_bytes() == shared.to_bytes()


def _last(mlp):
    return [(mlp.weights["fc3/kernel"], mlp.weights["fc3/bias"])]


def test_save_and_load(mlp, tmp_path):
    path = mlp.save(tmp_path / "model.tflite")
    assert Network.load(path).to_bytes() == mlp.to_bytes()


def test_load_of_what_is_no_model(tmp_path):
    with pytest.raises(NetworkError, match="does not exist"):
        Network.load(tmp_path / "nothing.tflite")
    path = tmp_path / "text.tflite"
    path.write_text("hello, this is no model at all")
    with pytest.raises(NetworkError, match="no TFL3 identifier"):
        Network.load(path)


def test_unknown_layer(mlp):
    with pytest.raises(
        NetworkError, match="no layer 'conv7': the layers are fc1, fc2, fc3"
    ):
        mlp.layer("conv7")
    with pytest.raises(NetworkError, match="no layer"):
        mlp.activations(np.zeros((1, 784), np.float32), "conv7")
