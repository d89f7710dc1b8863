"""Masks with exact counts, and thresholds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from labkit.prune.masking import mask, masks, removed_count, sparsity
from labkit.prune.thresholds import (
    above_threshold,
    deviation_threshold,
    percentile_threshold,
    threshold_of,
)

# Few different values, so that ties are the rule.
SCORES = arrays(
    np.float32,
    array_shapes(max_dims=4, max_side=6),
    elements=st.integers(-3, 3).map(lambda k: k / 2),
)
FRACTIONS = st.floats(0, 1)


def stable_mask(scores, count):
    """The slow form: a stable sort, the first ones removed."""
    kept = np.ones(scores.size, bool)
    kept[np.argsort(scores.ravel(), kind="stable")[:count]] = False
    return kept.reshape(scores.shape)


@given(SCORES, FRACTIONS)
def test_a_mask_is_what_a_stable_sort_says(scores, fraction):
    count = removed_count(fraction, scores.size)
    kept = mask(scores, fraction)
    assert kept.dtype == bool
    np.testing.assert_array_equal(kept, stable_mask(scores, count))


@pytest.mark.parametrize("n", [1, 7, 10])
def test_every_count_is_exact_with_ties_and_without(n):
    for scores in (np.arange(n, 0, -1.0), np.zeros(n)):
        for count in range(n + 1):
            assert np.count_nonzero(~mask(scores, count / n)) == count


@pytest.mark.parametrize(
    ("fraction", "n", "count"),
    [(0.2, 10, 2), (0.25, 10, 3), (0.05, 10, 1), (0.049, 10, 0), (0.5, 1, 1)],
)
def test_halves_are_rounded_up(fraction, n, count):
    assert removed_count(fraction, n) == count


def test_nothing_and_everything():
    scores = np.random.default_rng(0).normal(size=(3, 4, 5))
    assert mask(scores, 0).all() and not mask(scores, 1).any()
    assert mask(np.empty((0, 3)), 0.5).shape == (0, 3)
    assert mask(np.float32(2), 0.4).shape == ()


@given(st.lists(SCORES, min_size=1, max_size=4), FRACTIONS)
def test_a_global_ranking_is_that_of_all_scores_in_a_row(layers, fraction):
    scores = {f"fc{k}": layer for k, layer in enumerate(layers)}
    found = masks(scores, fraction, "global")
    row = mask(np.concatenate([layer.ravel() for layer in layers]), fraction)
    assert [found[name].shape for name in scores] == [a.shape for a in layers]
    together = np.concatenate([found[name].ravel() for name in scores])
    np.testing.assert_array_equal(together, row)
    assert sparsity(found) == pytest.approx(1 - row.mean(), abs=1e-12)


def test_a_sparsity_for_each_layer():
    scores = {"conv1": np.arange(8.0).reshape(2, 4), "fc1": np.arange(5.0)}
    found = masks(scores, {"fc1": 0.4, "conv1": 0.75})
    assert list(found) == ["conv1", "fc1"]
    assert found["fc1"].tolist() == [False, False, True, True, True]
    assert np.flatnonzero(found["conv1"]).tolist() == [6, 7]
    assert masks({}, 0.5, "global") == {}


@pytest.mark.parametrize("wrong", [-0.01, 1.01, float("nan"), 90])
def test_a_sparsity_out_of_range(wrong):
    scores = {"fc1": np.ones(3)}
    for attempt in (
        lambda: mask(scores["fc1"], wrong),
        lambda: masks(scores, wrong),
        lambda: masks(scores, wrong, "global"),
        lambda: masks(scores, {"fc1": wrong}),
    ):
        with pytest.raises(ValueError, match="sparsity is .*: give the fraction"):
            attempt()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_scores_that_are_not_finite(wrong):
    scores = {"fc1": np.ones(2), "fc2": np.array([1, wrong])}
    with pytest.raises(ValueError, match="scores contains NaN or infinity"):
        mask(scores["fc2"], 0.5)
    with pytest.raises(ValueError, match=r"scores\['fc2'\] contains NaN"):
        masks(scores, 0.5, "global")


@pytest.mark.parametrize(
    ("fraction", "scope", "words"),
    [
        (0.5, "network", "scope is 'network': choose one of layer, global, output"),
        ({"fc1": 0.5, "fc2": 0.5}, "global", "a global ranking takes one number"),
        ({"fc1": 0.5}, "layer", "no entry for 'fc2'"),
        ({"fc1": 0.5, "fc2": 0.5, "fc9": 0.5}, "layer", "a layer 'fc9' without scores"),
    ],
)
def test_settings_of_masks_that_do_not_fit(fraction, scope, words):
    with pytest.raises(ValueError, match=words):
        masks({"fc1": np.ones(2), "fc2": np.ones(2)}, fraction, scope)


def test_sparsity_of_nothing():
    with pytest.raises(ValueError, match="the masks are empty"):
        sparsity({})


def test_a_threshold_keeps_what_equals_it():
    w = np.array([[-0.3, 0.2], [0.1, -0.2]], np.float32)
    assert above_threshold(w, np.float32(0.2)).tolist() == [[True, True], [False, True]]
    assert above_threshold(w, 0).all() and not above_threshold(w, np.inf).any()
    for wrong in (-0.1, np.nan):
        with pytest.raises(ValueError, match="threshold is"):
            above_threshold(w, wrong)


def test_a_multiple_of_the_deviation():
    w = np.random.default_rng(1).normal(0.3, 2, 100_000).astype(np.float32)
    assert deviation_threshold(w, 1.5) == pytest.approx(1.5 * 2, rel=0.01)


@given(st.integers(1, 60), FRACTIONS, st.randoms(use_true_random=False))
def test_a_percentile_removes_the_exact_count(n, fraction, random):
    w = np.array([(-1) ** k * (k + 1) for k in range(n)], np.float32)
    random.shuffle(w)
    kept = above_threshold(w, percentile_threshold(w, fraction))
    np.testing.assert_array_equal(kept, mask(np.abs(w), fraction))
    assert np.count_nonzero(~kept) == removed_count(fraction, n)


def test_the_threshold_of_a_mask():
    scores = np.array([3.0, 1.0, 2.0])
    assert threshold_of(scores, mask(scores, 1 / 3)) == 2.0
    assert threshold_of(scores, mask(scores, 1)) == np.inf
    with pytest.raises(ValueError, match=r"the mask is bool \(2,\)"):
        threshold_of(scores, np.ones(2, bool))
