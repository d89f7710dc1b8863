"""The exact optima against every other choice, and the searches against them."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labkit import zoo
from labkit.quantize import optima
from labkit.quantize.group_rules import squared_error
from labkit.quantize.kmeans import lloyd
from labkit.quantize.least_squares import least_squares_scale

NUMBERS = arrays(np.float64, st.integers(1, 9), elements=st.integers(-20, 20))
MEMBERS = arrays(np.float32, st.integers(1, 12), elements=st.floats(-8, 8, width=16))


def error(x, levels) -> float:
    """Each number at its nearest level."""
    middles = (levels[1:] + levels[:-1]) / 2
    return float(
        np.sum((np.ravel(x) - levels[np.searchsorted(middles, np.ravel(x))]) ** 2)
    )


@settings(deadline=None)
@given(NUMBERS, st.integers(1, 6))
def test_no_partition_is_better(x, count):
    found = optima.centroids(x, count)
    assert found.shape == (count,) and (np.diff(found) >= 0).all()
    x = np.sort(x)
    best = min(
        sum(((run - run.mean()) ** 2).sum() for run in np.split(x, cuts))
        for runs in range(min(count, x.size))
        for cuts in combinations(range(1, x.size), runs)
    )
    assert error(x, found) == pytest.approx(best, abs=1e-9)


def test_many_numbers_by_the_plain_recurrence():
    """Every start of the last run is tried, for 60 numbers and 7 centroids."""
    x = np.sort(np.random.default_rng(3).standard_t(2, 60))
    runs = {
        (i, j): ((x[i:j] - x[i:j].mean()) ** 2).sum()
        for i in range(60)
        for j in range(i + 1, 61)
    }
    least = {j: runs[0, j] for j in range(1, 61)}
    for k in range(2, 8):
        least = {
            j: min(least[i] + runs[i, j] for i in range(k - 1, j)) for j in range(k, 61)
        }
    assert error(x, optima.centroids(x, 7)) == pytest.approx(least[60])


def test_as_many_centroids_as_numbers():
    assert optima.centroids(np.array([3.0, 1.0, 3.0]), 4).tolist() == [1, 3, 3, 3]


@settings(deadline=None)
@given(MEMBERS, st.sampled_from([1, 3, 7]))
def test_no_scale_is_better(w, qmax):
    groups = w[None, None]
    scale = optima.scales(groups, qmax)
    least = squared_error(groups, scale, qmax)[0, 0]
    widest = np.abs(w).max(initial=0.0)
    tried = np.linspace(0.02, 2.5, 400)[None] * (widest if widest > 0 else 1.0)
    others = squared_error(np.repeat(groups, 400, axis=1), tried, qmax)
    assert others.shape == (1, 400)
    assert (least <= others * (1 + 1e-6) + 1e-9).all()


def test_each_group_has_its_own_scale():
    groups = np.random.default_rng(0).normal(size=(3, 2, 40))
    alone = [[optima.scales(g[None, None], 7)[0, 0] for g in row] for row in groups]
    np.testing.assert_array_equal(optima.scales(groups, 7), alone)
    assert optima.scales(np.zeros((1, 2, 5)), 7).tolist() == [[1.0, 1.0]]


# What the docstrings of `labkit.quantize.kmeans` and `labkit.quantize.least_squares`
# say of the lab's layers.
LAYERS = [
    pytest.param(kernel, id=f"{name} {layer}")
    for name in ("lenet5", "resnet8")
    for layer, kernel in zoo.load(name).kernels.items()
    if kernel.size <= 20_000
]


@pytest.mark.parametrize("w", LAYERS)
@pytest.mark.parametrize("bits", [2, 4])
def test_lloyd_is_near_the_least_error_with_few_centroids(w, bits):
    limit = 1.005 if bits == 2 else 1.03 if w.size >= 1000 else 1.13
    assert 1 - 1e-9 <= kmeans_gap(w, bits) <= limit


def test_lloyd_is_not_the_optimum_with_many_centroids():
    """5,000 weights, 256 centroids; and a kernel of 432."""
    assert 1.05 < kmeans_gap(zoo.load("lenet5").kernels["fc2"], 8) < 1.12
    assert 9 < kmeans_gap(zoo.load("resnet8").kernels["conv1"], 8) < 11


def test_heavy_tails_are_harder():
    x = np.random.default_rng(0).standard_t(2, 10_000)
    assert kmeans_gap(x, 2) < 1.1
    assert 1.15 < kmeans_gap(x, 4) < 1.5


@pytest.mark.parametrize("w", LAYERS)
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_least_squares_is_nearly_the_least_at_few_bits(w, bits):
    _, of_kernel = least_squares_gaps(w, bits)
    assert 1 - 1e-6 <= of_kernel <= 1.003


@pytest.mark.parametrize("w", LAYERS)
def test_least_squares_is_near_the_least_at_8_bits(w):
    of_channels, of_kernel = least_squares_gaps(w, 8)
    assert of_channels.max() <= 1.71
    assert 1 - 1e-6 <= of_kernel <= (1.03 if w[0].size >= 50 else 1.13)


def kmeans_gap(x, bits) -> float:
    """Lloyd's error over the least one."""
    found = (find(x, 2**bits) for find in (lloyd, optima.centroids))
    of_lloyd, least = (error(x, levels) for levels in found)
    return of_lloyd / least


def least_squares_gaps(w, bits) -> tuple[np.ndarray, float]:
    """The error over the least one, of each channel and of all of them."""
    groups, qmax = w.reshape(len(w), 1, -1), 2 ** (bits - 1) - 1
    least = squared_error(groups, optima.scales(groups, qmax), qmax)
    found = squared_error(groups, least_squares_scale(groups, qmax), qmax)
    counted = least > 1e-12 * np.square(groups).sum()
    return found[counted] / least[counted], found.sum() / least.sum()
