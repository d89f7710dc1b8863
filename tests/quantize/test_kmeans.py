"""K-means on a line: fixed points, brute force over all partitions, scipy's."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.cluster.vq import kmeans2

from labkit.quantize.affine import sqnr_db
from labkit.quantize.clipping import gauss, optimum
from labkit.quantize.kmeans import STARTS, linear_start, lloyd, middles, nearest

NUMBERS = arrays(np.float64, st.integers(1, 40), elements=st.floats(-50, 50))


def squared_error(x, centroids) -> float:
    return float(np.sum((x - centroids[nearest(x, centroids)]) ** 2))


def least_error(x, count) -> float:
    """Over all ways to cut the sorted numbers into `count` runs."""
    x = np.sort(x)
    return min(
        sum(((run - run.mean()) ** 2).sum() for run in np.split(x, cuts))
        for cuts in combinations(range(1, len(x)), count - 1)
    )


@settings(deadline=None)
@given(NUMBERS, st.integers(1, 12), st.sampled_from(list(STARTS)))
def test_the_end_is_a_fixed_point(x, count, start):
    x = np.round(x, 6)  # so that no two numbers differ by less than sums can tell
    centroids = lloyd(x, count, start, rounds=1000)
    assert centroids.shape == (count,)
    assert (np.diff(centroids) >= 0).all()
    codes = nearest(x, centroids)
    for code in np.unique(codes):
        mean = x[codes == code].mean()
        assert centroids[code] == pytest.approx(mean, abs=1e-9)


@settings(deadline=None)
@given(NUMBERS, st.integers(1, 8), st.sampled_from(list(STARTS)))
def test_no_round_raises_the_error(x, count, start):
    errors = [squared_error(x, lloyd(x, count, start, rounds=r)) for r in range(6)]
    for before, after in zip(errors, errors[1:], strict=False):
        assert after <= before + 1e-9


@settings(deadline=None)
@given(arrays(np.float64, 9, elements=st.floats(-50, 50)), st.integers(1, 4))
def test_never_better_than_the_best_partition(x, count):
    best = least_error(x, count)
    for start in STARTS:
        assert squared_error(x, lloyd(x, count, start)) >= best - 1e-9


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.randoms(use_true_random=False),
)
def test_clusters_that_lie_apart_are_found(sizes, random):
    x = np.array(
        [100 * k + random.random() for k, n in enumerate(sizes) for _ in range(n)]
    )
    centroids = lloyd(x, len(sizes), "linear")
    best = least_error(x, len(sizes))
    assert squared_error(x, centroids) == pytest.approx(best, abs=1e-7)


def test_equal_to_scipys_from_the_same_start():
    x = np.random.default_rng(0).laplace(size=2000)
    start = linear_start(np.sort(x), 8)
    for rounds in (1, 5, 20):
        theirs, _ = kmeans2(x, start, iter=rounds, minit="matrix")
        assert lloyd(x, 8, "linear", rounds) == pytest.approx(theirs)


@settings(deadline=None)
@given(NUMBERS, st.integers(2, 9))
def test_nearest_is_the_nearest(x, count):
    levels = np.unique(np.round(lloyd(x, count), 3))
    assume(len(levels) > 1)
    distance = np.abs(x[:, None] - levels)
    mine = distance[np.arange(len(x)), nearest(x, levels)]
    assert mine == pytest.approx(distance.min(axis=1), abs=1e-12)
    assert nearest(middles(levels), levels).tolist() == list(range(1, len(levels)))


def test_equal_numbers_have_exactly_their_value():
    assert lloyd(np.full(5, 0.1), 4).tolist() == [0.1] * 4
    x = np.concatenate([np.zeros(900), np.random.default_rng(0).normal(3, 1, 100)])
    assert 0.0 in lloyd(np.append(x, -x), 9)


@pytest.mark.parametrize("bits", [5, 6, 8])
def test_the_start_decides_where_there_are_many_centroids(bits):
    w = np.random.default_rng(1).normal(size=50_000)
    ends = {
        start: sqnr_db(w, (c := lloyd(w, 2**bits, start))[nearest(w, c)])
        for start in STARTS
    }
    # Gauss's best codebook: 4.35 dB below 6.02 dB a bit for many levels (Panter, Dite).
    ideal = 20 * np.log10(2) * bits - 10 * np.log10(np.pi * np.sqrt(3) / 2)
    assert ends["cube_root"] == pytest.approx(ideal, abs=0.5)
    assert ends["cube_root"] > ends["linear"] + 0.5
    assert ends["cube_root"] > optimum(gauss, 2**bits).sqnr_db + 0.5


def test_an_unknown_start():
    with pytest.raises(ValueError, match="linear, cube_root"):
        lloyd(np.zeros(3), 2, "random")
