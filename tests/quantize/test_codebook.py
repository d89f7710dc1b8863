"""Grids beyond the uniform one: definitions, brute force, and their gradients."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labkit.quantize.affine import sqnr_db
from labkit.quantize.codebook import (
    CodebookTensor,
    grid_of,
    level_gradient,
    parameter_counts,
    quantize_to_levels,
    restored,
    with_levels,
)
from labkit.quantize.granularity import BLOCKS, GRANULARITIES
from labkit.quantize.kmeans import lloyd
from labkit.quantize.level_grids import GRIDS, power_of_two_scale, ternary_scale
from labkit.quantize.symmetric import quantize

SHAPES = st.sampled_from([(1,), (12,), (3, 5), (2, 70), (3, 64), (4, 3, 3, 2)])
WEIGHTS = arrays(np.float32, SHAPES, elements=st.floats(-100, 100, width=32))
SETTINGS = [(kind, bits) for kind, grid in GRIDS.items() for bits in grid.bits]


def random_weights(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@settings(deadline=None, max_examples=300)
@given(
    WEIGHTS,
    st.sampled_from(SETTINGS),
    st.sampled_from(list(GRANULARITIES)),
    st.sampled_from(BLOCKS),
)
def test_each_weight_goes_to_the_nearest_value(w, setting, granularity, block):
    kind, bits = setting
    coded = quantize_to_levels(w, kind, bits, granularity, block=block)
    w_hat = coded.decode()
    assert coded.shape == w_hat.shape == w.shape
    assert w_hat.dtype == coded.scale.dtype == coded.levels.dtype == np.float32
    assert coded.q.dtype == np.uint8 and coded.q.max() < 2**bits
    assert np.isfinite(w_hat).all()
    for group in range(coded.scale.size):
        mine, decoded = coded.members(w, group), coded.members(w_hat, group)
        grid = coded.grid(group).astype(np.float64)
        assert np.isin(decoded, grid.astype(np.float32)).all()
        nearest = np.abs(mine[:, None] - grid).min(axis=1)
        # float32: w / scale, then level * scale
        slack = 1e-6 * max(np.abs(mine).max(), np.abs(grid).max())
        assert (np.abs(mine - decoded.astype(np.float64)) <= nearest + slack).all()


@pytest.mark.parametrize(("kind", "bits"), SETTINGS)
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_groups_of_zeros_and_tiny_numbers(kind, bits, granularity):
    w = np.zeros((3, 40), np.float32)
    w[1] = np.float32(1e-45)
    w[2, 0] = 1e38
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w_hat = quantize_to_levels(w, kind, bits, granularity).decode()
    assert np.isfinite(w_hat).all()
    if granularity != "tensor":
        assert not w_hat[0].any() and np.abs(w_hat[1]).max() < 1e-40


@pytest.mark.parametrize(("kind", "bits"), SETTINGS)
def test_the_channel_axis_of_depthwise_kernels(kind, bits):
    w = random_weights(1, 3, 3, 8)
    last = quantize_to_levels(w, kind, bits, "channel", axis=3)
    first = quantize_to_levels(w.transpose(3, 0, 1, 2), kind, bits, "channel", axis=0)
    assert last.scale.shape == (8,)
    assert np.array_equal(last.decode(), first.decode().transpose(1, 2, 3, 0))


# Power of two


def test_power_of_two_by_hand():
    w = np.array([1.0, 0.8, 0.7, 0.3, -0.2, 0.06, 0.0], np.float32)
    coded = quantize_to_levels(w, "power_of_two", 3)  # levels 0, 1/4, 1/2, 1
    assert coded.decode().tolist() == [1, 1, 0.5, 0.25, -0.25, 0, 0]
    wide = quantize_to_levels(w, "power_of_two", 8).decode()
    assert wide[5] == 1 / 16


@given(
    arrays(np.float32, (3, 2, 7), elements=st.floats(-(2.0**100), 2.0**100, width=32))
)
def test_its_scale_is_the_nearest_power_of_two(groups):
    scale = power_of_two_scale(groups, 4)
    for found, group in zip(scale.ravel(), groups.reshape(-1, 7), strict=True):
        top = float(np.abs(group).max())
        if top == 0:
            assert found == 0
            continue
        mantissa, _ = np.frexp(found)
        assert mantissa == 0.5
        assert abs(top - found) <= min(abs(top - 2 * found), abs(top - found / 2))


# Ternary and binary


def least_error(w: np.ndarray, levels: tuple[int, ...]) -> float:
    """Over all assignments of codes, each with its best scale, not negative."""
    best = float(np.sum(w**2))
    for codes in itertools.product(levels, repeat=len(w)):
        q = np.array(codes, float)
        if q.any() and w @ q > 0:
            best = min(best, float(np.sum((w - q * (w @ q) / (q @ q)) ** 2)))
    return best


@settings(deadline=None, max_examples=50)
@given(arrays(np.float64, 6, elements=st.floats(-5, 5, width=16)))
def test_ternary_and_binary_are_the_best_there_are(w):
    for kind, bits, levels in (("ternary", 2, (-1, 0, 1)), ("binary", 1, (-1, 1))):
        w_hat = quantize_to_levels(w, kind, bits).decode()
        assert np.sum((w - w_hat) ** 2) == pytest.approx(
            least_error(w, levels), abs=1e-5
        )


def test_ternary_beats_the_papers_approximation_and_two_bit_ranges():
    for seed in range(5):
        w = np.random.default_rng(seed).laplace(size=(4, 300)).astype(np.float32)
        magnitudes = np.abs(w)
        kept = magnitudes > 0.7 * magnitudes.mean()  # Li et al., eq. 6
        approximation = np.sign(w) * kept * magnitudes[kept].mean()
        exact = sqnr_db(w, quantize_to_levels(w, "ternary", 2).decode())
        assert exact > sqnr_db(w, approximation)
        for rule in ("minmax", "percentile", "least_squares"):
            assert exact >= sqnr_db(w, quantize(w, 2, rule=rule).decode()) - 1e-5


def test_the_threshold_is_half_the_scale():
    groups = random_weights(5, 3, 40)
    scale = ternary_scale(groups, 2)[:, :, None]
    kept = np.abs(groups) > scale / 2
    means = (np.abs(groups) * kept).sum(axis=2) / kept.sum(axis=2)
    assert scale[:, :, 0] == pytest.approx(means)


def test_binary_is_the_sign_times_the_mean():
    w = random_weights(3, 20)
    coded = quantize_to_levels(w, "binary", 1, "channel")
    means = np.abs(w).mean(axis=1, keepdims=True)
    assert coded.decode() == pytest.approx(np.where(w < 0, -1, 1) * means)


# Codebooks


def test_a_tensors_codebook_is_lloyds():
    w = random_weights(20, 30)
    coded = quantize_to_levels(w, "kmeans", 3)
    assert coded.levels == pytest.approx(lloyd(w, 8), rel=1e-6)
    assert coded.scale.tolist() == [1.0]
    for code in range(8):
        members = w[coded.q == code]
        assert coded.levels[code] == pytest.approx(members.mean(), rel=1e-4)


def test_channels_share_a_codebook_and_have_scales():
    w = random_weights(4, 200) * np.array([[1], [10], [100], [0]], np.float32)
    coded = quantize_to_levels(w, "kmeans", 4, "channel")
    assert coded.levels.shape == (16,)
    assert coded.scale == pytest.approx(np.abs(w).max(axis=1))
    sqnr = [sqnr_db(w[k], coded.decode()[k]) for k in range(3)]
    assert min(sqnr) > 15
    assert (
        min(sqnr) > sqnr_db(w[0], quantize_to_levels(w, "kmeans", 4).decode()[0]) + 10
    )


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_the_gradient_of_levels_is_the_slope_of_the_loss(granularity):
    w, target = random_weights(3, 70), random_weights(3, 70, seed=1)
    coded = quantize_to_levels(w, "kmeans", 2, granularity)

    def loss(levels):
        return np.sum((with_levels(coded, levels).decode() - target) ** 2) / 2

    found = level_gradient(coded, coded.decode() - target)
    assert found.shape == (4,)
    for k in range(4):
        step = np.zeros(4)
        step[k] = 1e-2  # the loss is quadratic: central differences are exact
        slope = (loss(coded.levels + step) - loss(coded.levels - step)) / 2e-2
        assert found[k] == pytest.approx(slope, rel=1e-3, abs=1e-2)


def test_training_levels_lowers_the_loss_and_leaves_the_codes():
    w, target = random_weights(20, 30), random_weights(20, 30, seed=1) + 1
    coded = quantize_to_levels(w, "kmeans", 3)
    trained = coded
    for _ in range(200):
        slope = level_gradient(trained, trained.decode() - target)
        trained = with_levels(trained, trained.levels - 0.005 * slope)
    assert np.array_equal(trained.q, coded.q)
    means = [target[coded.q == code].mean() for code in range(8)]
    assert trained.levels == pytest.approx(means, abs=0.05)


# What is refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kind": "quinary"}, "power_of_two, kmeans, ternary"),
        ({"kind": "uniform"}, "grid is 'uniform': choose"),
        ({"kind": "ternary", "bits": 3}, "'ternary' has 2"),
        ({"kind": "kmeans", "bits": 9}, "1, 2, 3, 4, 5, 6, 7, 8"),
        ({"w": []}, "empty"),
        ({"w": [np.nan]}, "NaN or infinity"),
        ({"granularity": "row"}, "tensor, channel, block"),
        ({"granularity": "block", "block": 16}, "32 or 64"),
        ({"granularity": "channel", "axis": 1}, "axis is 1"),
    ],
)
def test_what_is_refused(arguments, words):
    usual = {"w": [1.0, 2.0], "kind": "kmeans", "bits": 2}
    with pytest.raises(ValueError, match=words) as raised:
        quantize_to_levels(**usual | arguments)
    assert "\n" not in str(raised.value)


def test_levels_that_cannot_be():
    coded = quantize_to_levels([[1.0, 2.0]], "kmeans", 1)
    assert isinstance(coded, CodebookTensor)
    with pytest.raises(ValueError, match=r"levels are \(3,\): give \(2,\)"):
        with_levels(coded, np.zeros(3))
    with pytest.raises(ValueError, match="levels contains NaN or infinity"):
        with_levels(coded, [np.nan, 0])
    with pytest.raises(ValueError, match="are fixed"):
        with_levels(quantize_to_levels([[1.0, 2.0]], "binary", 1), np.zeros(2))
    with pytest.raises(ValueError, match=r"gradient is \(2,\)"):
        level_gradient(coded, np.zeros(2))
    with pytest.raises(ValueError, match="read-only"):
        coded.levels[0] = 1


def test_codes_without_a_level():
    groups = quantize_to_levels([[1.0, 2.0]], "ternary", 2).groups
    scale = np.ones(1, np.float32)
    with pytest.raises(ValueError, match="without a level"):
        restored(np.array([[0, 3]], np.uint8), "ternary", 2, groups, scale[:0], scale)
    with pytest.raises(ValueError, match="without a level"):
        nan = np.array([[0, 0x7F]], np.uint8)
        restored(nan, "float8_e4m3", 8, groups, scale[:0], scale)


def test_how_many_numbers_a_file_holds():
    for kind, bits in SETTINGS:
        for granularity in GRANULARITIES:
            coded = quantize_to_levels(random_weights(3, 70), kind, bits, granularity)
            levels, scales = parameter_counts(kind, bits, coded.groups)
            assert [a.size for a in coded.parameters] == [levels, scales]
            assert levels == (2**bits if kind == "kmeans" else 0)
    assert grid_of("binary", 1) is GRIDS["binary"]
