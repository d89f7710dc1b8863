"""Integer-only inference: our networks and random graphs, code for code with LiteRT."""

import json
import tracemalloc
from itertools import product

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from integer_builder import Builder
from integer_graphs import FAMILIES
from long import quick

from labkit import integer, zoo
from labkit.compress.deploy import deployable
from labkit.integer.differences import compare
from labkit.integer.linear import sum_type
from labkit.integer.litert import LiteRTNetwork
from labkit.integer.load import unpack_4_bits
from labkit.integer.network import IntegerNetwork
from labkit.integer.windows import chunks
from labkit.model.graph import NetworkError, read_graph
from labkit.model.runtime import Runner
from labkit.zoo import datasets

GRAPHS = 40


def static_file(name: str, granularity: str = "channel", bits: int = 8) -> bytes:
    return deployable(zoo.load(name), bits, "static", granularity).to_bytes()


def assert_equal_codes(content: bytes, feeds, kernels="reference"):
    """Every layer's output, in type, shape and value."""
    expected = LiteRTNetwork.from_bytes(content, kernels).run(*feeds)
    outputs = IntegerNetwork.from_bytes(content).run(*feeds)
    assert outputs.keys() == expected.keys()
    for name, out in outputs.items():
        assert (out.dtype, out.shape) == (expected[name].dtype, expected[name].shape)
        np.testing.assert_array_equal(out, expected[name], err_msg=name)
    return outputs


@pytest.mark.parametrize("family", FAMILIES)
def test_random_graphs_equal_the_reference_kernels(family):
    seen = set()
    for seed in range(GRAPHS):
        content, feeds = FAMILIES[family](np.random.default_rng(seed))
        for out in assert_equal_codes(content, feeds).values():
            seen |= set(np.unique(out).tolist())
    assert len(seen) > (9 if family == "conv_wrapping" else 50)  # not all saturated


def test_the_random_graphs_reach_the_corners():
    """Multipliers over 1, saturation at both ends, sums that need float64 or wrap."""
    shifts, codes, types = set(), set(), set()
    for family in ("conv_4_bits", "dense_deep", "mul"):
        for seed in range(GRAPHS):
            content, feeds = FAMILIES[family](np.random.default_rng(seed))
            network = IntegerNetwork.from_bytes(content)
            layer = network.layers[0]
            shifts |= set(np.sign(layer.multipliers[0].n).ravel().tolist())
            codes |= set(np.unique(network.run(*feeds)[layer.name]).tolist())
            if layer.kernel is not None:
                zero_point = layer.reads[0].zero_point
                types.add(sum_type(layer.kernel, zero_point))
    assert {-1, 1} <= shifts
    assert {-128, 127} <= codes
    assert types == {np.float32, np.float64}


@pytest.mark.parametrize(
    ("name", "granularity", "count", "batch_size"),
    quick(
        [
            ("mlp", "channel", 1_000, 250),
            ("lenet5", "tensor", 250, 125),
            ("resnet8", "channel", 50, 25),
            ("mlp", "channel", 10_000, 250),
            ("mlp", "tensor", 10_000, 250),
            ("lenet5", "channel", 10_000, 125),
            ("lenet5", "tensor", 1_000, 125),
            ("resnet8", "channel", 250, 25),
            ("resnet8", "tensor", 100, 25),
            ("resnet20", "channel", 250, 25),
            ("resnet20", "tensor", 100, 25),
        ],
        ("mlp", "channel", 1_000, 250),
        ("lenet5", "tensor", 250, 125),
        ("resnet8", "channel", 50, 25),
    ),
)
def test_our_networks_equal_the_reference_kernels(name, granularity, count, batch_size):
    images = zoo.dataset(name).test.images[:count]
    found = compare(static_file(name, granularity), images, batch_size=batch_size)
    assert [d.layer for d in found if d.differing or d.largest] == []
    assert min(d.codes for d in found) == 10 * count  # the last layer's
    assert found[0].codes == images.size


def test_the_committed_run_compared_every_code():
    """`python -m experiments.quantize.integers`: all test images of all networks."""
    run = json.loads((datasets.DATA_FOLDER / "results" / "integers.json").read_text())
    assert run["networks"] == {name: zoo.load(name).digest for name in zoo.NAMES}
    files = [(row["network"], row["granularity"]) for row in run["rows"]]
    assert files == list(product(zoo.NAMES, ("channel", "tensor")))
    for row in run["rows"]:
        pairs = {(pair["first"], pair["second"]): pair for pair in row["pairs"]}
        exact = pairs["reference", "litert-reference"]
        assert (exact["images"], exact["differing"]) == (10_000, 0)
        assert exact["codes"] > 10_000 * 10 * exact["tensors"]
        assert pairs["double", "single-alone"]["largest"] <= 1
        assert pairs["reference", "litert-xnnpack"]["images"] == 10_000


@pytest.mark.parametrize("name", ["lenet5", "resnet8"])
def test_files_with_4_bit_kernels_equal_the_reference_kernels(name):
    images = zoo.dataset(name).test.images[:50]
    found = compare(static_file(name, bits=4), images)
    assert sum(d.differing for d in found) == 0


def test_predictions_are_the_reference_kernels_logits():
    images = zoo.dataset("lenet5").test.images[:30]
    content = static_file("lenet5")
    outputs = IntegerNetwork.from_bytes(content).predict(images, batch_size=7)
    last = list(LiteRTNetwork.from_bytes(content).run(images).values())[-1]
    assert outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs, last)
    default = Runner(content, 30).run(images)
    assert (outputs.argmax(1) == default.argmax(1)).mean() > 0.9


def test_no_images_give_no_outputs():
    network = IntegerNetwork.from_bytes(static_file("mlp"))
    assert network.predict(np.empty((0, 28, 28), np.uint8)).shape == (0, 0)


def test_layers_show_their_numbers():
    content = static_file("resnet8")
    network = IntegerNetwork.from_bytes(content)
    names = [layer.name for layer in read_graph(content).layers]
    assert [layer.name for layer in network.layers] == names
    conv, add = network.layer("conv1"), network.layer("stage1_block1_add")
    (m,) = conv.multipliers
    assert conv.kernel.shape == (16, 3, 3, 3) and conv.kernel.dtype == np.int8
    assert conv.bias.shape == (16,) and conv.bias.dtype == np.int32
    assert (conv.kind, conv.activation) == ("CONV_2D", "RELU")
    assert m.m0.shape == m.n.shape == m.real.shape == (16,)
    np.testing.assert_allclose(m.m0 / 2.0 ** (31 + m.n), m.real, rtol=2**-31)
    scales = conv.operation.inputs[0].scale * conv.operation.inputs[1].scales
    np.testing.assert_allclose(m.real, scales / conv.scale, rtol=1e-6)
    assert conv.zero_point == -128  # after ReLU, 0 is the lowest code
    assert len(add.multipliers) == 3 and add.kernel is None
    assert add.inputs == ("conv1", "stage1_block1_conv2")
    assert conv.inputs == (names[0],) and network.layers[0].inputs == ("input",)
    assert network.layers[-1].scale is None
    assert repr(conv) == f"<Layer conv1: CONV_2D of {names[0]}>"
    with pytest.raises(NetworkError, match="no layer 'conv9': the layers are"):
        network.layer("conv9")


@pytest.mark.long
def test_only_fully_connected_layers_round_once_in_the_reference():
    """LiteRT issue 8567: with integers everywhere, no other layer changes."""
    images = zoo.dataset("mlp").test.images[:2000]
    found = compare(
        static_file("mlp", "tensor"), images, "reference", "double", alone=True
    )
    changed = {d.kind for d in found if d.differing}
    assert changed == {"FULLY_CONNECTED"}
    assert {d.largest for d in found} == {0, 1}


def test_single_and_double_rounding_differ_by_one():
    images = zoo.dataset("resnet8").test.images[:25]
    content = static_file("resnet8")
    alone = compare(content, images, "double", "single", alone=True)
    assert max(d.largest for d in alone) == 1
    assert {d.kind for d in alone if d.differing} >= {"CONV_2D", "MEAN"}
    together = compare(content, images, "double", "single")
    assert sum(d.differing for d in together) > sum(d.differing for d in alone)
    assert max(d.largest for d in together) > 1  # the layers before it add up


def test_xnnpack_is_nearer_to_single_rounding():
    images = zoo.dataset("lenet5").test.images[:100]
    content = static_file("lenet5")
    counts = {
        rounding: sum(
            d.differing for d in compare(content, images, rounding, "litert-xnnpack")
        )
        for rounding in ("reference", "single")
    }
    assert counts["single"] < counts["reference"] / 10
    assert counts["reference"] > 0


@pytest.mark.parametrize("kernels", integer.KERNELS)
def test_issue_102943_in_one_layer(kernels):
    """The one code of that issue: the reference kernels give -119, XNNPACK -120."""
    b = Builder(np.random.default_rng(0))
    s_input, s_kernel = 0.05296124517917633, 0.024093778803944588
    x = b.input((1, 1), s_input, zero_point=0)
    kernel = b.tensor((1, 1), scale=s_kernel, values=[[5]])
    out = b.codes((1, 1), 0.11484327912330627, zero_point=-126)
    b.operator("FULLY_CONNECTED", (x, kernel, -1), out, "FullyConnectedOptions")
    content, _ = b.file(out)
    codes = LiteRTNetwork.from_bytes(content, kernels).run(np.int8([[117]]))
    assert list(codes.values())[0].item() == (-120 if kernels == "xnnpack" else -119)
    for rounding in integer.ROUNDINGS:
        ours = IntegerNetwork.from_bytes(content, rounding).run(np.int8([[117]]))
        assert list(ours.values())[0].item() == -119


@pytest.mark.parametrize("family", ["conv", "depthwise"])
def test_xnnpack_rescales_in_float32(family):
    """`rescale_in_float32` is what the default kernels of these layers compute."""
    compared = 0
    for seed in range(20):
        content, feeds = FAMILIES[family](np.random.default_rng(seed))
        network = IntegerNetwork.from_bytes(content, "single")
        expected = LiteRTNetwork.from_bytes(content, "xnnpack").run(*feeds)
        apart = [
            np.count_nonzero(out != expected[name])
            for name, out in network.run(*feeds).items()
        ]
        compared += sum(out.size for out in expected.values())
        assert sum(apart) == 0  # halves are rarer than these codes
    assert compared > 1000


def test_memory_stays_bounded():
    """The patches of 125 images would be 74 MB in resnet8's first block alone."""
    images = zoo.dataset("resnet8").test.images[:125]
    network = IntegerNetwork.from_bytes(static_file("resnet8"))
    tracemalloc.start()
    network.predict(images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80e6


def test_chunks_cover_all_images():
    assert list(chunks(5, 10**7)) == [slice(k, k + 1) for k in range(5)]
    assert list(chunks(5, 6 * 10**6))[-1] == slice(4, 6)


def test_4_bit_codes_are_packed_two_to_the_byte():
    codes = np.arange(-8, 8)
    packed = (codes[::2] & 15) | (codes[1::2] & 15) << 4
    assert unpack_4_bits(packed.astype(np.uint8).tobytes(), 16).tolist() == list(codes)


# What it refuses


def network_of(kind, types=("INT8", "INT8"), options=None, **settings):
    """A file of one operator between tensors of the given types."""
    b = Builder(np.random.default_rng(0))
    x = b.tensor((1, 4, 4, 2), types[0], 0.1, 0)
    out = b.tensor((1, 4, 4, 2), types[1], 0.1, 0)
    b.graph.inputs = [x]
    b.operator(kind, (x,), out, options, **settings)
    return b.file(out)[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: b"no model", "are not a LiteRT model"),
        (lambda: static_file("mlp")[:2000], "is damaged"),
        (lambda: network_of("TANH"), "has no TANH: it runs files made of ADD, "),
        (lambda: network_of("RELU", ("UINT8", "UINT8")), "RELU t1: .* is uint8"),
        (lambda: network_of("RELU", ("INT16", "INT16")), "is int16, not int8"),
        (lambda: network_of("QUANTIZE", ("INT8", "UINT8")), "is uint8, not int8"),
        (lambda: network_of("DEQUANTIZE", ("INT8", "FLOAT16")), "is float16, not"),
        (lambda: network_of("SOFTMAX", options="SoftmaxOptions"), "scale 1/256"),
        (lambda: network_of("MAX_POOL_2D"), "has no options in the file"),
        (
            lambda: network_of(
                "MAX_POOL_2D", options="Pool2DOptions", strideH=1, strideW=1,
                filterHeight=1, filterWidth=1,
                fusedActivationFunction=schema.ActivationFunctionType.TANH,
            ),
            "the fused activation TANH",
        ),
        (lambda: zoo.load("mlp").to_bytes(), "FULLY_CONNECTED fc1: .* is float32"),
        (
            lambda: deployable(zoo.load("mlp"), 8, "dynamic").to_bytes(),
            "is float32, not int8: make the file with 8-bit activations",
        ),
    ],
)  # fmt: skip
def test_what_is_lacking_is_named_before_anything_runs(content, words):
    with pytest.raises(NetworkError, match=words) as caught:
        IntegerNetwork.from_bytes(content())
    assert "\n" not in str(caught.value)


def changed(change) -> bytes:
    """A dense layer's file after a change of its builder."""
    b = Builder(np.random.default_rng(0))
    x = b.input((2, 4), 0.1, 0)
    kernel = b.tensor((3, 4), scale=[0.1] * 3, values=np.ones((3, 4)))
    bias = b.integers([1, 2, 3])
    out = b.codes((1, 3), 0.1, 0)
    b.operator(
        "FULLY_CONNECTED", (x, kernel, bias), out, "FullyConnectedOptions",
        keepNumDims=False,
    )  # fmt: skip
    change(b.graph.tensors[kernel], b.graph.tensors[bias], b.graph.operators[0])
    return b.file(out)[0]


def sparse(kernel, bias, operator):
    kernel.sparsity = schema.SparsityParametersT()


def of_16_bits(kernel, bias, operator):
    kernel.type, kernel.shape = schema.TensorType.INT16, [3, 2]


def of_2_bits(kernel, bias, operator):
    kernel.type = schema.TensorType.INT2


def along_the_wrong_axis(kernel, bias, operator):
    kernel.quantization.quantizedDimension = 1


def with_few_scales(kernel, bias, operator):
    kernel.quantization.scale = kernel.quantization.scale[:2]


def off_zero(kernel, bias, operator):
    kernel.quantization.zeroPoint = np.array([0, 1, 0])


def with_float_bias(kernel, bias, operator):
    bias.type = schema.TensorType.FLOAT32


def shuffled(kernel, bias, operator):
    operator.builtinOptions.weightsFormat = 1


def computed(kernel, bias, operator):
    kernel.buffer = 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (sparse, "its kernel is sparse"),
        (of_16_bits, "its kernel is int16: known are dense int8 and int4"),
        (along_the_wrong_axis, "its kernel has 3 scales"),
        (with_few_scales, "its kernel has 2 scales"),
        (off_zero, "the zero points of its kernel are not all 0"),
        (with_float_bias, "its bias is float32, not int32"),
        (shuffled, "its weights are shuffled"),
        (computed, "is computed, not a constant"),
        (of_2_bits, "holds int2: make it int8"),
    ],
)
def test_weights_that_it_cannot_read(change, words):
    with pytest.raises(NetworkError, match=words):
        IntegerNetwork.from_bytes(changed(change))
    assert IntegerNetwork.from_bytes(changed(lambda *parts: None)).layers


def test_codes_on_different_grids_are_not_concatenated():
    b = Builder(np.random.default_rng(0))
    parts = [b.input((2, 3), 0.1, 0), b.input((2, 3), 0.2, 0)]
    out = b.codes((2, 6), 0.1, 0)
    b.operator("CONCATENATION", parts, out, "ConcatenationOptions", axis=1)
    content, feeds = b.file(out)
    with pytest.raises(NetworkError, match="different grids"):
        IntegerNetwork.from_bytes(content)
    with pytest.raises(NetworkError, match="LiteRT refuses"):
        LiteRTNetwork.from_bytes(content).run(*feeds)


def test_wrong_ways_to_run():
    content = static_file("mlp")
    images = zoo.dataset("mlp").test.images[:2]
    with pytest.raises(ValueError, match="choose one of reference, double, single"):
        IntegerNetwork.from_bytes(content, "triple")
    with pytest.raises(ValueError, match="choose one of reference, optimized, xnnpack"):
        LiteRTNetwork.from_bytes(content, "fast")
    with pytest.raises(ValueError, match="is no way to run"):
        compare(content, images, "reference", "litert")
    with pytest.raises(ValueError, match="alone needs one of"):
        compare(content, images, "reference", "litert-xnnpack", alone=True)
    with pytest.raises(NetworkError, match=r"shape \(784,\): images \(2, 14, 28\)"):
        IntegerNetwork.from_bytes(content).run(images[:, :14])
    with pytest.raises(NetworkError, match="has 1 inputs: 2 arrays"):
        IntegerNetwork.from_bytes(content).run(images, images)


def test_int8_inputs_and_several_outputs():
    content, feeds = FAMILIES["add"](np.random.default_rng(1))
    network = IntegerNetwork.from_bytes(content)
    (codes,) = network.run(*feeds).values()
    grid = network.layers[0]
    real = network.predict(*feeds)
    np.testing.assert_allclose(
        real, grid.scale * (codes.astype(float) - grid.zero_point), rtol=1e-6
    )
    content, feeds = FAMILIES["both_ends"](np.random.default_rng(1))
    codes_as_numbers, numbers = IntegerNetwork.from_bytes(content).predict(*feeds)
    np.testing.assert_array_equal(codes_as_numbers, numbers)


def test_pixels_become_the_same_numbers_as_in_the_runner():
    images = datasets.load_images("mnist").test.images[:5]
    network = IntegerNetwork.from_bytes(static_file("mlp"))
    as_floats = images.reshape(5, 784) / np.float32(255)
    np.testing.assert_array_equal(network.predict(images), network.predict(as_floats))
