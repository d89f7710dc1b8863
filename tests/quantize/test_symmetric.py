"""Quantizers: exact small cases, properties, and three second implementations."""

import math
import subprocess
import sys
import warnings

import ml_dtypes
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import qtyping
from ai_edge_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from long import quick

from labkit import zoo
from labkit.compress.deploy import deployable
from labkit.packed.bit_packing import unpack_bits
from labkit.quantize.aciq import gauss_clip, laplace_clip
from labkit.quantize.affine import (
    affine_grid,
    affine_params,
    clip_error,
    dequantize_affine,
    fake_quantize,
    largest_code,
    quantize_affine,
    roundoff_error,
    six_db_rule,
    sqnr_db,
)
from labkit.quantize.granularity import BLOCK, BLOCKS, GRANULARITIES
from labkit.quantize.group_rules import squared_error
from labkit.quantize.least_squares import least_squares_scale
from labkit.quantize.range_rules import (
    PERCENTILE,
    RANGES,
    minmax_of_one,
    minmax_scale,
    percentile_of_one,
    percentile_scale,
)
from labkit.quantize.symmetric import Quantized, quantize, quantize_per_tensor

BITS = st.integers(2, 16)
LARGE = float(np.float32(1e30))
NUMBERS = st.floats(-LARGE, LARGE, width=32, allow_subnormal=False)
SHAPES = st.sampled_from([(1,), (12,), (3, 5), (2, 70), (3, 64), (4, 3, 3, 2)])
WEIGHTS = arrays(np.float32, SHAPES, elements=NUMBERS)


def random_weights(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# Weights


def test_twelve_numbers_by_hand():
    w = np.array([[-1.5, -0.6, 0.0, 0.25], [0.5, 0.74, 1.0, 3.0]], np.float32)
    quantized = quantize(w, bits=3)
    assert quantized.scale.tolist() == [1.0]
    # -1.5 and 0.5 are halves: they go to the even neighbour.
    assert quantized.q.tolist() == [[-2, -1, 0, 0], [0, 1, 1, 3]]
    by_channel = quantize(w, bits=3, granularity="channel")
    assert by_channel.scale.tolist() == [0.5, 1.0]
    assert by_channel.q.tolist() == [[-3, -1, 0, 0], [0, 1, 1, 3]]


@settings(deadline=None)
@given(WEIGHTS, BITS, st.sampled_from(list(GRANULARITIES)))
def test_by_groups_is_the_same_as_each_group_by_itself(w, bits, granularity):
    quantized = quantize(w, bits, granularity)
    for group, scale in enumerate(quantized.scale.ravel()):
        codes, of_one = quantize_per_tensor(quantized.members(w, group), bits)
        assert of_one == scale and codes.dtype == quantized.q.dtype
        assert codes.tolist() == quantized.members(quantized.q, group).tolist()


@pytest.mark.parametrize(
    ("rule", "of_one"),
    [("minmax", minmax_of_one), ("percentile", percentile_of_one)],
)
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_a_rule_by_groups_is_the_rule_of_each_group(rule, of_one, granularity):
    w = random_weights(3, 70)
    quantized = quantize(w, 4, granularity, rule)
    for group, scale in enumerate(quantized.scale.ravel()):
        alone = of_one(quantized.members(w, group), largest_code(4))
        assert scale == pytest.approx(alone, rel=1e-6)


def test_one_tensor_of_zeros():
    codes, scale = quantize_per_tensor(np.zeros((2, 3)), 8)
    assert not codes.any() and codes.shape == (2, 3) and scale == 1


def test_blocks_run_along_a_channel_and_the_last_is_shorter():
    w = np.zeros((2, 5, 7, 2), np.float32)  # 70 inputs a channel: blocks of 32, 32, 6
    w.reshape(2, 70)[1] = np.repeat([7.0, 14.0, 21.0], [32, 32, 6])
    quantized = quantize(w, bits=4, granularity="block")
    assert quantized.scale.tolist() == [[1, 1, 1], [1, 2, 3]]
    assert (quantized.q.reshape(2, 70)[1] == 7).all()
    assert [len(quantized.members(w, group)) for group in range(6)] == [32, 32, 6] * 2
    assert quantized.members(w, group=5).tolist() == [21.0] * 6


def test_blocks_of_64():
    w = np.repeat([7.0, 14.0, 21.0], [64, 64, 2]).astype(np.float32)
    quantized = quantize(w.reshape(1, -1), bits=4, granularity="block", block=64)
    assert quantized.scale.tolist() == [[1, 2, 3]]
    assert quantized.groups.scale_shape == (1, 3)
    assert np.array_equal(quantized.decode(), w.reshape(1, -1))
    assert [len(quantized.members(w.reshape(1, -1), k)) for k in range(3)] == [
        64,
        64,
        2,
    ]


def test_the_channel_axis_of_depthwise_kernels():
    w = random_weights(1, 3, 3, 8)
    last = quantize(w, 5, "channel", axis=3)
    first = quantize(w.transpose(3, 0, 1, 2), 5, "channel", axis=0)
    assert last.scale.shape == (8,)
    assert np.array_equal(last.decode(), first.decode().transpose(1, 2, 3, 0))


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("rule", RANGES)
def test_groups_of_zeros_and_tiny_numbers(granularity, rule):
    w = np.zeros((3, 40), np.float32)
    w[1] = np.float32(1e-45)  # the smallest float: its scale would underflow to 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quantized = quantize(w, 8, granularity, rule)
    assert (quantized.scale == 1).all()
    assert not quantized.decode().any()


@settings(deadline=None, max_examples=200)
@given(
    WEIGHTS,
    BITS,
    st.sampled_from(list(GRANULARITIES)),
    st.sampled_from(list(RANGES)),
    st.sampled_from(BLOCKS),
)
def test_codes_are_the_nearest_on_the_grid(w, bits, granularity, rule, block):
    quantized = quantize(w, bits, granularity, rule, block=block)
    w_hat = quantized.decode()
    assert quantized.shape == w_hat.shape == w.shape
    assert w_hat.dtype == quantized.scale.dtype == np.float32
    assert quantized.q.dtype == (np.int8 if bits <= 8 else np.int16)
    assert np.abs(quantized.q).max() <= largest_code(bits)
    assert (quantized.scale > 0).all() and np.isfinite(w_hat).all()
    for group, scale in enumerate(quantized.scale.ravel()):
        mine, decoded = quantized.members(w, group), quantized.members(w_hat, group)
        grid = quantized.grid(group)
        assert np.isin(decoded, grid).all()
        inside = np.abs(mine) <= grid[-1]
        slack = 1 + 1e-5 * largest_code(bits)  # float32 division, then float32 product
        assert (np.abs(mine - decoded)[inside] <= scale / 2 * slack).all()
        assert (np.abs(decoded)[~inside] == grid[-1]).all()


@settings(deadline=None, max_examples=100)
@given(WEIGHTS, BITS, st.sampled_from(list(GRANULARITIES)))
def test_least_squares_is_never_worse_than_minmax(w, bits, granularity):
    errors = [
        np.sum((w.astype(float) - quantize(w, bits, granularity, rule).decode()) ** 2)
        for rule in ("least_squares", "minmax")
    ]
    assert errors[0] <= errors[1] * (1 + 1e-5)  # decode() rounds products to float32


@pytest.mark.parametrize("members", quick([2, 5, 12, BLOCK], 5, BLOCK))
@pytest.mark.parametrize("bits", quick([2, 3, 4, 5], 2, 4))
def test_least_squares_is_near_the_best_scale_there_is(members, bits):
    qmax = largest_code(bits)
    normal = random_weights(100, 1, members)
    peaked = np.sign(normal) * normal**2  # heavier tails
    groups = np.concatenate([normal, peaked])
    found = squared_error(groups, least_squares_scale(groups, qmax), qmax)
    widest = minmax_scale(groups, qmax)
    best = np.full(found.shape, np.inf)
    for ratio in np.linspace(0.02, 1.02, 4000, dtype=np.float32):
        best = np.minimum(best, squared_error(groups, widest * ratio, qmax))
    assert found.sum() <= 1.001 * best.sum()
    assert (found <= 1.15 * best + 1e-9).all()


def test_least_squares_where_the_best_scale_is_known():
    # 31 times 1 and once 3, in codes -1, 0, 1: all at the mean, 34 / 32. With scale 3
    # the ones would all become 0.
    group = np.ones((1, 1, BLOCK), np.float32)
    group[0, 0, 5] = 3
    assert least_squares_scale(group, 1) == pytest.approx(34 / 32)
    assert quantize(group, 2, rule="least_squares").q.min() == 1


def test_a_bounded_clip_beats_minmax_on_heavy_tails():
    w = np.random.default_rng(0).laplace(size=(64, 500)).astype(np.float32)
    assert tuple(RANGES) == (
        "minmax",
        "percentile",
        "least_squares",
        "kl",
        "aciq_laplace",
        "aciq_gauss",
    )
    sqnr = {
        rule: sqnr_db(w, quantize(w, 4, "tensor", rule).decode()) for rule in RANGES
    }
    assert sqnr["minmax"] < sqnr["percentile"] < sqnr["least_squares"]
    assert sqnr["least_squares"] > max(sqnr.values()) - 0.01
    # They are Laplace's weights: ACIQ's clip for these is nearly as good.
    assert sqnr["aciq_laplace"] > sqnr["least_squares"] - 0.3
    assert sqnr["aciq_gauss"] < sqnr["aciq_laplace"]
    assert sqnr["minmax"] < sqnr["kl"]


@pytest.mark.parametrize("rule", ["aciq_laplace", "aciq_gauss", "kl"])
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_no_rule_reaches_beyond_the_largest_weight(rule, granularity):
    w = random_weights(3, 700)
    w[1] = 0.25  # a channel of equal weights
    for bits in (2, 8, 16):
        widest = quantize(w, bits, granularity).scale
        scale = quantize(w, bits, granularity, rule).scale
        assert (scale <= widest * (1 + 1e-6)).all() and (scale > 0).all()
    equal = quantize(w[1], 8, granularity, rule)
    assert equal.decode() == pytest.approx(w[1], rel=1e-6)


def test_aciq_scales_by_hand():
    w = np.array([[1.0, -3.0, 2.0, -2.0] * 10 + [20.0]], np.float32)
    b, sigma = np.abs(w).mean(), np.sqrt(np.mean(w**2))
    laplace = quantize(w, 3, rule="aciq_laplace").scale[0]
    gauss = quantize(w, 3, rule="aciq_gauss").scale[0]
    assert 3 * laplace == pytest.approx(b * laplace_clip(6), rel=1e-6)
    assert 3 * gauss == pytest.approx(sigma * gauss_clip(6), rel=1e-6)


@pytest.mark.parametrize("members", [1, 2, 31, 32, 1001, 5000])
def test_percentile_is_numpys(members):
    groups = random_weights(3, 2, members)
    ends = np.quantile(np.abs(groups), PERCENTILE / 100, axis=2)
    assert percentile_scale(groups, 7) == pytest.approx(ends / 7, rel=1e-6)


def test_a_percentile_of_zero_becomes_minmax():
    group = np.zeros((1, 1, 5000), np.float32)
    group[0, 0, :2] = 3, -6
    assert percentile_scale(group, 3).tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"w": [1.0, math.nan]}, "NaN or infinity"),
        ({"w": [1.0, -math.inf]}, "NaN or infinity"),
        ({"w": [1e300]}, "beyond 1e38"),
        ({"w": []}, "empty"),
        ({"bits": 1}, "bits is 1"),
        ({"bits": 17}, "bits is 17"),
        ({"bits": 4.5}, "bits is 4.5"),
        ({"granularity": "row"}, "tensor, channel, block"),
        ({"granularity": "block", "block": 48}, "32 or 64"),
        ({"rounding": "up"}, "half_even, half_away"),
        ({"rule": "max"}, "minmax, percentile, least_squares"),
        ({"granularity": "channel", "axis": 1}, "axis is 1"),
    ],
)
def test_what_quantize_refuses(arguments, words):
    with pytest.raises(ValueError, match=words) as raised:
        quantize(**{"w": [1.0, 2.0], "bits": 8} | arguments)
    assert "\n" not in str(raised.value)


# Second implementations


def kernels_in(content: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Codes and scales of each dense layer, as ai_edge_quantizer wrote them."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph, found = model.subgraphs[0], []
    widths = {schema.TensorType.INT8: 8, schema.TensorType.INT4: 4}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code != schema.BuiltinOperator.FULLY_CONNECTED:
            continue
        kernel = graph.tensors[operator.inputs[1]]
        buffer = model.buffers[kernel.buffer]
        packed = buffer.data  # inside the flatbuffer, or else behind it
        if packed is None:
            packed = content[buffer.offset : buffer.offset + buffer.size]
        bits, count = widths.get(kernel.type, 2), int(np.prod(kernel.shape))
        codes = unpack_bits(bytes(packed), bits, count).reshape(kernel.shape)
        found.append((codes, kernel.quantization.scale))
    return found


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
@pytest.mark.parametrize(
    ("bits", "mode"),
    [(8, "dynamic"), (8, "static"), (4, "dynamic"), (4, "static"), (2, "dynamic")],
)
def test_equal_to_ai_edge_quantizer_code_for_code(bits, granularity, mode):
    network = zoo.load("mlp")
    theirs = kernels_in(deployable(network, bits, mode, granularity).to_bytes())
    assert len(theirs) == len(network.kernels)
    for kernel, (codes, scale) in zip(network.kernels.values(), theirs, strict=True):
        ours = quantize(kernel, bits, granularity)
        assert np.array_equal(ours.scale, scale)
        assert np.array_equal(ours.q, codes)


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_are_ai_edge_quantizers_but_for_their_shorter_scales(block):
    """It keeps the scale of a block in 16 bits, 8 of them for its digits."""
    w = random_weights(40, 256)
    granularity = getattr(qtyping.QuantGranularity, f"BLOCKWISE_{block}")
    parts = w.reshape(40, -1, block)
    zero_point, scale = uniform_quantize_tensor.tensor_zp_scale_from_min_max(
        parts.min(axis=2), parts.max(axis=2), 4, True, granularity
    )
    ours = quantize(w, 4, "block", block=block)
    assert np.array_equal(ours.scale.astype(ml_dtypes.bfloat16), scale)
    parameters = qtyping.UniformQuantParams(
        num_bits=4,
        quantized_dimension=1,
        scale=scale,
        zero_point=zero_point,
        block_size=block,
    )
    theirs = uniform_quantize_tensor.uniform_quantize(w, parameters, True)
    different = ours.q != theirs
    assert different.mean() < 0.02
    assert np.abs(ours.q[different].astype(int) - theirs[different]).max() <= 1
    to_the_half = np.abs(w / np.repeat(ours.scale, block, axis=1) % 1 - 0.5)
    assert to_the_half[different].max() < 0.03


KERAS = """
import sys
import numpy as np
from keras import quantizers
weights = np.load(sys.argv[1])
results = {}
for bits in (8, 4):
    limit = 2 ** (bits - 1) - 1
    for axis in (1, (0, 1)):
        q, scale = quantizers.abs_max_quantize(
            weights, axis=axis, value_range=(-limit, limit), dtype="int8", to_numpy=True
        )
        name = f"{bits}-{'tensor' if axis == (0, 1) else 'channel'}"
        results[f"{name}-q"], results[f"{name}-scale"] = q, scale
np.savez(sys.argv[2], **results)
"""


@pytest.mark.long
def test_equal_to_keras_but_for_halves(tmp_path):
    """Keras multiplies by 127 / (max + 1e-7), we divide by max / 127.

    So scales differ by 1e-7 / max, and codes only where a weight is so near to the
    middle of two codes that this decides.
    """
    kernel = zoo.load("mlp").kernels["fc1"]
    np.save(tmp_path / "w.npy", kernel)
    arguments = [tmp_path / "w.npy", tmp_path / "keras.npz"]
    subprocess.run([sys.executable, "-c", KERAS, *arguments], check=True)
    keras = np.load(tmp_path / "keras.npz")
    for bits in (8, 4):
        for granularity in ("tensor", "channel"):
            ours = quantize(kernel, bits, granularity)
            scale = 1 / keras[f"{bits}-{granularity}-scale"].ravel()
            assert ours.scale == pytest.approx(scale, rel=1e-4)
            exact = kernel / ours.scale.reshape(-1, 1)
            different = ours.q != keras[f"{bits}-{granularity}-q"]
            to_the_half = np.abs(np.abs(exact - np.trunc(exact)) - 0.5)
            assert (to_the_half[different] < 1e-3).all()
            assert different.mean() < 1e-3


# The number line


@pytest.mark.parametrize(
    ("lo", "hi", "bits", "expected"),
    [
        (-1.0, 2.0, 2, (1.0, -1)),
        (0.0, 1.0, 8, (1 / 255, -128)),
        (-1.0, 0.0, 8, (1 / 255, 127)),
        (0.5, 3.0, 2, (1.0, -2)),  # widened to 0 .. 3
        (-3.0, -0.5, 2, (1.0, 1)),  # widened to -3 .. 0
        (0.0, 0.0, 8, (1.0, 0)),
        (-1e-320, 0.0, 2, (1.0, 0)),  # too small to divide by without loss
    ],
)
def test_affine_params_by_hand(lo, hi, bits, expected):
    assert affine_params(lo, hi, bits) == pytest.approx(expected)


def test_the_input_grid_of_a_static_file_is_ours():
    content = deployable(zoo.load("mlp"), 8, "static").to_bytes()
    graph = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
    (first,) = [op for op in graph.operators if op.inputs[0] in graph.inputs]
    grid = graph.tensors[first.outputs[0]].quantization
    scale, zero_point = affine_params(0.0, 1.0, 8)  # pixels / 255
    assert grid.zeroPoint.tolist() == [zero_point]
    assert grid.scale.tolist() == [np.float32(scale)]


RANGE = st.tuples(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30)).map(sorted)


@settings(deadline=None)
@given(RANGE, BITS, arrays(np.float64, 12, elements=st.floats(-1e31, 1e31)))
def test_affine_properties(ends, bits, x):
    scale, zero_point = affine_params(*ends, bits)
    grid = affine_grid(scale, zero_point, bits)
    assert scale > 0 and isinstance(zero_point, int)
    assert len(grid) == 2**bits and 0.0 in grid
    assert fake_quantize([0.0], scale, zero_point, bits).tolist() == [0.0]
    x_hat = fake_quantize(x, scale, zero_point, bits)
    assert np.isin(x_hat, grid).all()
    q = quantize_affine(x, scale, zero_point, bits)
    assert np.array_equal(dequantize_affine(q, scale, zero_point), x_hat)
    clipped = clip_error(x, scale, zero_point, bits)
    rounded = roundoff_error(x, scale, zero_point, bits)
    assert not (clipped * rounded).any()
    assert (np.abs(rounded) <= scale / 2 * (1 + 1e-9)).all()
    size = max(np.abs(x).max(), np.abs(grid).max())
    assert clipped + rounded == pytest.approx(x - x_hat, abs=1e-12 * size)
    outside = (x < grid[0]) | (x > grid[-1])
    assert np.array_equal(clipped != 0, outside)


@pytest.mark.parametrize(
    ("lo", "hi"), [(1.0, 0.0), (math.nan, 1.0), (0.0, math.inf), (-1.7e308, 1.7e308)]
)
def test_ranges_that_are_none(lo, hi):
    with pytest.raises(ValueError, match="not a range"):
        affine_params(lo, hi, 8)


def test_numbers_that_are_none():
    with pytest.raises(ValueError, match="NaN or infinity"):
        quantize_affine([math.nan], 1.0, 0, 8)


def test_the_six_db_rule_holds_for_evenly_spread_numbers():
    w = np.random.default_rng(0).uniform(-1, 1, 200_000)
    for bits in (4, 6, 8, 10):
        levels = largest_code(bits) * 2 + 1  # one fewer than the rule's 2**bits
        expected = six_db_rule(bits) + 20 * math.log10(levels / 2**bits)
        measured = sqnr_db(w, quantize(w, bits).decode())
        # Half of the outer steps lies beyond -1 .. 1: coarser than the rule by that.
        correction = 20 * math.log10((levels - 1) / levels)
        assert measured == pytest.approx(expected + correction, abs=0.1)


def test_sqnr():
    assert sqnr_db([1.0], [1.0]) == math.inf
    assert sqnr_db([0.0], [1.0]) == -math.inf
    assert sqnr_db([10.0, 0.0], [10.0, 1.0]) == pytest.approx(20)
    with pytest.raises(ValueError, match="equal shapes"):
        sqnr_db([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="peak_to_rms"):
        six_db_rule(8, 0.5)


def test_a_quantized_tensor_cannot_be_changed():
    quantized = quantize([1.0, 2.0], 8)
    assert isinstance(quantized, Quantized)
    with pytest.raises(ValueError, match="read-only"):
        quantized.q[0] = 1
