"""Intervals and the paired test: worked examples, SciPy, coverage by simulation."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm

from labkit.measure.intervals import mcnemar, newcombe, wilson

EXACT_Z = norm.ppf(0.975)


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [  # Newcombe 1998, Stat. Med. 17, 857, Table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_examples(correct, n, low, high):
    assert wilson(correct, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("n", [1, 7, 250, 10_000])
def test_wilson_agrees_with_scipy(n):
    for correct in sorted({0, 1, n // 3, n - 1, n}):
        theirs = binomtest(correct, n).proportion_ci(0.95, method="wilson")
        assert wilson(correct, n, EXACT_Z) == pytest.approx(tuple(theirs), abs=1e-12)


def test_wilson_bounds_are_where_the_score_is_z():
    for bound in wilson(17, 40, z=1.5):
        assert abs(17 - 40 * bound) == pytest.approx(
            1.5 * np.sqrt(40 * bound * (1 - bound))
        )


def test_wilson_covers_95_percent_on_average():
    n, truth = 250, np.linspace(0.5, 0.995, 100)
    inside = np.array([low_high(k, n, truth) for k in range(n + 1)])
    coverage = (binom.pmf(np.arange(n + 1)[:, None], n, truth) * inside).sum(axis=0)
    assert coverage.mean() == pytest.approx(0.95, abs=0.005)
    assert coverage.min() > 0.9


def low_high(correct, n, truth):
    low, high = wilson(correct, n)
    return (low <= truth) & (truth <= high)


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_counts_that_cannot_be(correct, n):
    with pytest.raises(ValueError, match="correct <= n"):
        wilson(correct, n)


def test_newcombe_gives_a_published_example():
    # Complete response before and after therapy, Cavo et al. 2012, as in Fagerland,
    # Lydersen, Laake 2017, "Statistical Analysis of Contingency Tables", ch. 8.
    assert newcombe(59, 6, 16, 80) == pytest.approx((-0.1186, -0.0046), abs=5e-5)


def test_newcombe_by_hand_without_correlation():
    # Both margins 1/2, phi 0, z 1: both Wilson intervals are 1/2 +- half.
    half = np.sqrt(0.25 / 4 + 1 / 64) / (1 + 1 / 4)
    expected = np.sqrt(2) * half
    assert newcombe(1, 1, 1, 1, z=1.0) == pytest.approx((-expected, expected))


def test_newcombe_by_hand_with_negative_correlation():
    # The models are never right together: phi is -1, and the two sides simply add.
    half = np.sqrt(0.25 / 4 + 1 / 64) / (1 + 1 / 4)
    assert newcombe(0, 2, 2, 0, z=1.0) == pytest.approx((-2 * half, 2 * half))


def test_newcombe_lowers_a_positive_correlation_by_half_a_count():
    # 10 * 10 - 0 = 100, less n / 2 = 10, over 10 * 10: phi is 0.9.
    low, high = wilson(10, 20)
    side = 0.5 - low
    expected = np.sqrt(2 * side**2 * (1 - 0.9))
    assert newcombe(10, 0, 0, 10) == pytest.approx((-expected, expected))


def test_newcombe_turns_round_with_the_models():
    rng = np.random.default_rng(0)
    for both, first, second, neither in rng.integers(0, 40, (200, 4)):
        low, high = newcombe(both, first, second, neither + 1)
        turned = newcombe(both, second, first, neither + 1)
        assert turned == pytest.approx((-high, -low), abs=1e-12)
        difference = (first - second) / (both + first + second + neither + 1)
        assert -1 <= low <= difference <= high <= 1


def test_newcombe_covers_95_percent():
    # 97 % right before; 1 % of the images newly wrong, 0.4 % newly right.
    shares, n, repeats, truth = [0.96, 0.004, 0.01, 0.026], 1000, 4000, -0.006
    tables = np.random.default_rng(1).multinomial(n, shares, repeats)
    intervals = np.array([newcombe(*map(int, table)) for table in tables])
    low, high = intervals.T
    inside = (low <= truth) & (truth <= high)
    assert inside.mean() == pytest.approx(0.95, abs=0.015)


def test_newcombe_refuses_counts_that_cannot_be():
    for table in ((0, 0, 0, 0), (3, -1, 2, 0)):
        with pytest.raises(ValueError, match="four counts"):
            newcombe(*table)


def test_mcnemar_by_hand():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(1, 7) == 2 * (1 + 8) / 2**8


def test_mcnemar_agrees_with_scipy():
    for newly_wrong in (0, 1, 4, 30, 400):
        for newly_right in (1, 5, 31, 450):
            n = newly_wrong + newly_right
            theirs = binomtest(newly_wrong, n, 0.5).pvalue
            ours = mcnemar(newly_wrong, newly_right)
            assert ours == pytest.approx(theirs, rel=1e-9)
            assert ours == mcnemar(newly_right, newly_wrong)


def test_mcnemar_holds_for_a_network_that_lost_everything():
    assert mcnemar(9_000, 12) == 0.0


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(ValueError, match="none negative"):
        mcnemar(-1, 3)
