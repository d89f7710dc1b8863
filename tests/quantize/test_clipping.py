"""Clip and round-off error: closed forms, quadrature, brute force, printed tables."""

import math

import numpy as np
import pytest
from ai_edge_quantizer.algorithms.uniform_quantize import octav
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, optimize, special, stats

from labkit.quantize import aciq
from labkit.quantize.affine import sqnr_db
from labkit.quantize.clipping import (
    SOURCES,
    Optimum,
    curve,
    expected_clip_error,
    gauss,
    grid_sqnr_db,
    laplace,
    measured,
    noise,
    optimum,
    uniform,
)
from labkit.quantize.group_rules import squared_error
from labkit.quantize.symmetric import quantize

DENSITIES = {
    "uniform": stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
    "gauss": stats.norm(),
    "laplace": stats.laplace(scale=math.sqrt(0.5)),
}
ARRAYS = arrays(np.float64, st.integers(1, 30), elements=st.floats(-100, 100))


def levels_of(end: float, levels: int) -> np.ndarray:
    return np.linspace(-end, end, levels)


def by_quadrature(density, end: float, levels: int) -> tuple[float, float]:
    """(clip, round-off) as integrals of the density, piece by piece."""
    grid = levels_of(end, levels)
    low, high = density.support()
    edges = [-end, *((grid[1:] + grid[:-1]) / 2), end]

    def piece(level, a, b):
        a, b = max(a, low), min(b, high)
        if a >= b:
            return 0.0
        function = lambda x: (x - level) ** 2 * density.pdf(x)  # noqa: E731
        return integrate.quad(function, a, b, epsabs=1e-13, points=None)[0]

    roundoff = sum(map(piece, grid, edges[:-1], edges[1:]))
    return piece(-end, low, -end) + piece(end, end, high), roundoff


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("levels", [2, 3, 4, 7, 8, 16])
@pytest.mark.parametrize("end", [0.3, 1.0, 1.6, 2.5])
def test_equal_to_the_integrals(name, levels, end):
    found = noise(SOURCES[name], end, levels)
    clip, roundoff = by_quadrature(DENSITIES[name], end, levels)
    assert found.clip == pytest.approx(clip, abs=1e-9)
    assert found.roundoff == pytest.approx(roundoff, abs=1e-9)
    assert found.total == found.clip + found.roundoff
    assert expected_clip_error(SOURCES[name], end) == found.clip


@pytest.mark.parametrize("name", SOURCES)
def test_tail_moments_are_those_of_the_density(name):
    t = np.array([0.0, 0.5, 1.5, 3.0])
    low, high = DENSITIES[name].support()
    for k, row in enumerate(SOURCES[name](t)):
        for start, value in zip(t, row, strict=True):
            if start < high:
                half = integrate.quad(
                    lambda x, k=k: x**k * DENSITIES[name].pdf(x), start, high
                )[0]
                assert value == pytest.approx(2 * half, abs=1e-8)
            else:
                assert value == 0


def test_closed_forms_of_the_papers():
    b, sigma = math.sqrt(0.5), 1.0
    for end in (0.2, 1.0, 3.0):
        assert expected_clip_error(laplace, end) == pytest.approx(
            2 * b**2 * math.exp(-end / b)
        )
        outside = 1 - math.erf(end / math.sqrt(2) / sigma)
        bell = math.sqrt(2 / math.pi) * end * sigma * math.exp(-(end**2) / 2)
        assert expected_clip_error(gauss, end) == pytest.approx(
            (1 + end**2) * outside - bell
        )


@settings(deadline=None)
@given(ARRAYS, st.floats(0.01, 200), st.integers(2, 9))
def test_an_array_by_brute_force(w, end, levels):
    grid = levels_of(end, levels)
    inside = np.clip(w, -end, end)
    rounded = grid[np.argmin(np.abs(inside[:, None] - grid), axis=1)]
    found = noise(measured(w), end, levels)
    size = max(1.0, end, np.abs(w).max()) ** 2
    assert found.clip == pytest.approx(np.mean((w - inside) ** 2), abs=1e-11 * size)
    assert found.roundoff == pytest.approx(
        np.mean((inside - rounded) ** 2), abs=1e-11 * size
    )


def test_the_curve_is_what_quantize_does():
    w = np.random.default_rng(0).laplace(size=5000).astype(np.float32)
    ends = np.linspace(0.5, 6, 20)
    found = curve(measured(w), ends, levels=15)
    for end, at in zip(ends, found, strict=True):
        scale = np.array([[end / 7]], np.float32)
        error = squared_error(w.reshape(1, 1, -1), scale, 7)[0, 0] / w.size
        assert at.total == pytest.approx(error, rel=1e-4)
    clips = [at.clip for at in found]
    assert clips == sorted(clips, reverse=True)


# Max 1960, table II: the step and the mean squared error of so many levels.
MAX_1960 = {
    2: (1.596, 0.3634),
    4: (0.9957, 0.1188),
    8: (0.586, 0.0374),
    16: (0.3352, 0.0115),
}


@pytest.mark.parametrize("levels", MAX_1960)
def test_uniform_steps_for_gauss_are_those_of_max(levels):
    step, error = MAX_1960[levels]
    best = optimum(gauss, levels)
    assert best.step == pytest.approx(step, abs=6e-4)
    assert 10 ** (-best.sqnr_db / 10) == pytest.approx(error, rel=5e-3)


def test_three_levels_where_the_answer_is_known():
    # Laplace with -s, 0, s: the kept ones' mean is b + s / 2 for a threshold s / 2, so
    # s = 2 b. Then the error is 2 b**2 (1 - 2 exp(-1)).
    best = optimum(laplace, 3)
    assert best.end == best.step == pytest.approx(math.sqrt(2), abs=1e-6)
    assert 10 ** (-best.sqnr_db / 10) == pytest.approx(1 - 2 / math.e)
    assert optimum(uniform, 3).end == pytest.approx(2 / math.sqrt(3), abs=1e-6)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("levels", [2, 3, 4, 7, 15, 16, 255, 256])
def test_no_end_is_better_than_the_optimum(name, levels):
    best = optimum(SOURCES[name], levels)
    ends = np.geomspace(0.1, 20, 400)
    least = min(at.total for at in curve(SOURCES[name], ends, levels))
    assert noise(SOURCES[name], best.end, levels).total <= least * (1 + 1e-9)
    found = optimize.minimize_scalar(
        lambda end: noise(SOURCES[name], end, levels).total,
        bounds=(best.end / 1.1, best.end * 1.1),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert best.end == pytest.approx(found.x, rel=1e-4)
    assert best.step == pytest.approx(2 * best.end / (levels - 1))


def test_bits_are_worth_less_than_six_db_when_the_clip_is_best():
    def slopes(source, zero):
        sqnr = [optimum(source, 2**bits - zero).sqnr_db for bits in range(2, 9)]
        return np.diff(sqnr)

    six = 20 * math.log10(2)
    assert slopes(uniform, zero=0) == pytest.approx(six, abs=1e-6)
    assert (slopes(gauss, zero=0) < 5.5).all() and (slopes(laplace, zero=0) < 5).all()
    # With a zero the first bit more than doubles the levels, from 3 to 7.
    assert slopes(gauss, zero=1)[0] > six > 5.65 > slopes(gauss, zero=1)[1]
    odd, even = optimum(gauss, 3).sqnr_db, optimum(gauss, 4).sqnr_db
    assert 7.1 < odd < 7.3 and 9.2 < even < 9.3


def test_an_arrays_optimum_is_near_its_best_scale():
    w = np.random.default_rng(1).normal(size=20_000).astype(np.float32)
    for bits in (2, 3, 4):
        best = optimum(measured(w), 2**bits - 1)
        fitted = sqnr_db(w, quantize(w, bits, rule="least_squares").decode())
        assert best.sqnr_db == pytest.approx(fitted, abs=0.02)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("draw", ["normal", "laplace"])
def test_the_tail_moments_solve_octavs_equation(bits, draw):
    """Sakr et al. 2022, arXiv:2206.06501, eq. 6, by ai_edge_quantizer's iteration.

    Its clip s has E[|x|; |x| >= s] = s (P(|x| >= s) + P(|x| < s) / (3 * 4**bits)).
    """
    w = getattr(np.random.default_rng(bits), draw)(size=(1, 20_000)).astype(np.float32)
    clip = octav._guess_clipping_with_octav(w, bits, 1, 100, 3.0).item()
    beyond, first, _ = measured(w)(np.asarray(clip))
    expected = clip * (beyond + (1 - beyond) / (3 * 4**bits))
    assert first == pytest.approx(expected, rel=1e-3)


def test_perfect_and_impossible_grids():
    assert grid_sqnr_db(measured([1.0, -1.0, 0.0]), 1.0, 3) == math.inf
    assert isinstance(optimum(measured([1.0, 2.0]), 3), Optimum)
    with pytest.raises(ValueError, match="only zeros"):
        optimum(measured(np.zeros(4)), 3)
    for end in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="end is .*: give a finite number above 0"):
            noise(gauss, end, 3)
    with pytest.raises(ValueError, match="levels is 1: give .* at least 2"):
        noise(gauss, 1.0, 1)


# ACIQ


@pytest.mark.parametrize("intervals", [1, 2, 4, 14, 256, 65534])
def test_aciq_solves_its_equations(intervals):
    z = special.lambertw(3 * intervals**2).real
    assert aciq.laplace_clip(intervals) == pytest.approx(z, rel=1e-12)
    slope = optimize.brentq(
        lambda z: stats.norm.pdf(z) - z * stats.norm.sf(z) - z / 6 / intervals**2, 0, 30
    )
    assert aciq.gauss_clip(intervals) == pytest.approx(slope, rel=1e-9)


@pytest.mark.parametrize("intervals", [4, 16, 256])
def test_aciq_is_the_minimum_of_its_model(intervals):
    """Clip error by this module, round-off step**2 / 12: the paper's expected error."""
    for clip, source in (
        (aciq.laplace_clip(intervals) * math.sqrt(0.5), laplace),
        (aciq.gauss_clip(intervals), gauss),
    ):

        def model(end, source=source):
            return expected_clip_error(source, end) + (2 * end / intervals) ** 2 / 12

        best = optimize.minimize_scalar(model, bracket=(clip / 2, clip, clip * 2))
        assert clip == pytest.approx(best.x, rel=1e-5)


def test_aciq_has_the_constants_of_its_authors_program():
    # cnn-quantization's README, bits 2, 4, 5, 6; it cuts digits off rather than round.
    authors = {2: (2.83, 1.71), 4: (5.03, 2.55), 5: (6.20, 2.93), 6: (7.41, 3.28)}
    for bits, (b, sigma) in authors.items():
        assert aciq.laplace_clip(2**bits) == pytest.approx(b, abs=0.01)
        assert aciq.gauss_clip(2**bits) == pytest.approx(sigma, abs=0.01)


def test_aciq_nears_the_true_optimum_as_steps_get_finer():
    gaps = []
    for qmax in (1, 3, 7, 31, 127):
        true = optimum(gauss, 2 * qmax + 1)
        closed = noise(gauss, aciq.gauss_clip(2 * qmax), 2 * qmax + 1).total
        gaps.append(-10 * math.log10(closed) - true.sqnr_db)
    assert all(gap <= 1e-9 for gap in gaps)
    assert gaps[0] < -0.001 and abs(gaps[-1]) < 0.001


def test_aciq_refuses_no_intervals():
    for clip in (aciq.laplace_clip, aciq.gauss_clip):
        with pytest.raises(ValueError, match="at least 1"):
            clip(0)
