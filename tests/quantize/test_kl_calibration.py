"""Entropy calibration: a slow plain one, and the traps that it must not fall in."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy

from labkit.quantize.affine import sqnr_db
from labkit.quantize.kl_calibration import MOST_CLIPS, PER_BIN, divergences, kl_clip
from labkit.quantize.range_rules import kl_scale
from labkit.quantize.symmetric import quantize

COUNTS = arrays(np.int64, st.integers(10, 40), elements=st.integers(0, 50)).filter(
    lambda counts: counts.any()
)


def plain_divergence(counts: np.ndarray, clip: int, qmax: int) -> float:
    """KL(P || Q) bin by bin, code by code, with scipy for the sum."""
    kept, beyond = counts[:clip].astype(float), counts[clip:].sum()
    p = kept.copy()
    p[-1] += beyond
    # The bin whose left edge is at j bins, in steps of clip / qmax: its code.
    halves = [Fraction(2 * k + 1, 2) * clip / qmax for k in range(qmax)]
    edges = [math.floor(half + Fraction(1, 2)) for half in halves]
    code = [sum(j >= edge for edge in edges) for j in range(clip)]
    q = np.zeros(clip)
    for k in range(qmax + 1):
        mine = np.array([c == k for c in code])
        filled = mine & (p > 0)
        if filled.any():
            q[filled] = kept[mine].sum() / filled.sum()
    if not q.any():
        return math.inf
    last = [c == qmax for c in code]
    if beyond and not q[last].any():
        q[np.flatnonzero(p[last])[-1:] + last.index(True)] = 1
    return entropy(p / p.sum(), q / q.sum())


@settings(deadline=None, max_examples=300)
@given(COUNTS, st.integers(1, 9), st.data())
def test_equal_to_the_plain_one(counts, qmax, data):
    clip = data.draw(st.integers(min(qmax + 1, len(counts)), len(counts)))
    found = divergences(counts[None], np.array([clip]), qmax)[0, 0]
    expected = plain_divergence(counts, clip, qmax)
    assert found == pytest.approx(expected, abs=1e-12)


def plain_clip(magnitudes: np.ndarray, qmax: int) -> float:
    top, bins = float(magnitudes.max()), len(magnitudes) // PER_BIN
    counts, _ = np.histogram(magnitudes, bins, (0, top))
    clips = range(bins, qmax, -1)  # of equals the widest: min() takes the first
    best = min(clips, key=lambda clip: plain_divergence(counts, clip, qmax))
    return top * best / bins


@pytest.mark.parametrize("bits", [2, 3, 4, 5])
@pytest.mark.parametrize("shape", ["gauss", "laplace", "outliers", "few"])
def test_the_clip_is_the_plain_ones(bits, shape):
    rng = np.random.default_rng(bits)
    x = rng.laplace(size=1600) if shape == "laplace" else rng.normal(size=1600)
    x[:3] *= 20 if shape == "outliers" else 1
    x = np.round(x) if shape == "few" else x
    groups, qmax = x.astype(np.float32).reshape(1, 1, -1), 2 ** (bits - 1) - 1
    assert groups.shape[2] // PER_BIN <= MOST_CLIPS  # so that every clip is tried
    expected = plain_clip(np.abs(groups).ravel(), qmax)
    assert kl_clip(groups, qmax).item() == pytest.approx(expected, rel=1e-6)


def test_groups_do_not_see_each_other():
    rng = np.random.default_rng(0)
    groups = rng.normal(size=(3, 2, 800)).astype(np.float32)
    groups[1, 0, 0] = 50
    together = kl_clip(groups, 7)
    for row in range(3):
        for block in range(2):
            alone = kl_clip(groups[row : row + 1, block : block + 1], 7)
            assert together[row, block] == alone.item()


def test_clipped_weights_cost_something():
    """With a code for each bin Q has all that is kept: only the clipped mass counts."""
    counts = np.array([[9, 8, 7, 6, 5, 4, 3, 2, 1, 1]])
    kl = divergences(counts, np.arange(8, 11), qmax=7)[0]
    for clip, found in zip((8, 9, 10), kl, strict=True):
        p = np.append(counts[0, : clip - 1], counts[0, clip - 1 :].sum())
        q = counts[0, :clip]
        if clip == 8:
            assert found == pytest.approx(entropy(p / p.sum(), q / q.sum()))
        assert found >= 0
    assert kl[0] > kl[1]


def test_clips_in_a_gap_are_possible_and_clips_below_everything_are_not():
    counts = np.array([[50, 30, 20, 10, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 4, 9]])
    kl = divergences(counts, np.arange(4, 9), qmax=3)
    assert np.isfinite(kl[0]).all()
    assert np.isinf(kl[1, :3]).all() and np.isfinite(kl[1, 3:]).all()


def test_an_outlier_is_clipped_and_even_numbers_are_not():
    rng = np.random.default_rng(3)
    normal = rng.normal(size=20_000).astype(np.float32)
    normal[0] = 40  # 1,250 bins, of which the others fill the first 150 or less
    clip = kl_clip(normal.reshape(1, 1, -1), 127).item()
    assert 3 < clip < 6
    even = rng.uniform(-1, 1, 20_000).astype(np.float32)
    assert kl_clip(even.reshape(1, 1, -1), 7).item() > 0.98


def test_small_groups_are_not_clipped():
    groups = np.random.default_rng(0).normal(size=(5, 3, 32)).astype(np.float32)
    for qmax in (1, 7, 127):
        assert np.array_equal(kl_clip(groups, qmax), np.abs(groups).max(axis=2))
    zeros = np.zeros((1, 1, 800), np.float32)
    assert kl_clip(zeros, 3).tolist() == [[0]]
    assert kl_scale(zeros, 3).tolist() == [[1]]


def test_large_and_tiny_weights_give_the_same_share():
    x = np.random.default_rng(0).laplace(size=(1, 1, 3000)).astype(np.float32)
    share = kl_clip(x, 7) / np.abs(x).max()
    for factor in (1e-30, 1e30):
        scaled = x * np.float32(factor)
        assert kl_clip(scaled, 7) / np.abs(scaled).max() == pytest.approx(share)


def test_it_beats_min_max_where_tails_are_heavy_and_bits_few():
    w = np.random.default_rng(0).standard_t(3, size=50_000).astype(np.float32)
    kl, minmax = (
        sqnr_db(w, quantize(w, 4, rule=rule).decode()) for rule in ("kl", "minmax")
    )
    assert kl > minmax + 5
