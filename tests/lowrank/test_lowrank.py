"""Low rank of matrices: the SVD, its error, the break-even rank, ranks for a budget."""

from itertools import product

import numpy as np
import pytest

from labkit.lowrank import parts, randomized, ranks, truncated_svd
from labkit.lowrank.decomposition import from_svd
from labkit.lowrank.parts import ConvGeometry, FactorLayer
from labkit.lowrank.ranks import rank_options


def matrix(m=12, n=8, seed=0):
    return np.random.default_rng(seed).normal(size=(m, n))


@pytest.mark.parametrize("shape", [(12, 8), (8, 12), (5, 5), (1, 7)])
def test_the_error_is_what_was_left_out(shape):
    """Eckart-Young: ||W - W_k||_F^2 is the sum of the later squared values."""
    w = matrix(*shape)
    found = truncated_svd.svd(w)
    for rank in range(1, min(shape) + 1):
        direct = np.square(w - found.matrix(rank)).sum()
        assert direct == pytest.approx(truncated_svd.error(found.s, rank), abs=1e-12)
        assert np.linalg.matrix_rank(found.matrix(rank)) == rank
    assert truncated_svd.error(found.s, 0) == pytest.approx(np.square(w).sum())


def test_no_other_matrix_of_the_rank_is_closer():
    w = matrix()
    best = truncated_svd.error(truncated_svd.spectrum(w), 3)
    rng = np.random.default_rng(1)
    for _ in range(20):
        basis = np.linalg.qr(rng.normal(size=(12, 3)))[0]
        assert np.square(w - basis @ basis.T @ w).sum() > best


@pytest.mark.parametrize("values", ["split", "first", "second"])
def test_two_factors_hold_the_values_once(values):
    w = matrix()
    found = truncated_svd.svd(w)
    first, second = truncated_svd.factors(found, 4, values)
    assert first.shape == (4, 8) and second.shape == (12, 4)
    np.testing.assert_allclose(second @ first, found.matrix(4), atol=1e-12)
    lengths = np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=0)
    expected = {
        "split": (np.sqrt(found.s[:4]),) * 2,
        "first": (found.s[:4], np.ones(4)),
        "second": (np.ones(4), found.s[:4]),
    }[values]
    np.testing.assert_allclose(lengths, expected)


def test_energy_is_of_squares():
    s = np.array([3.0, 2.0, 1.0])
    np.testing.assert_allclose(truncated_svd.energy(s), [9 / 14, 13 / 14, 1.0])
    assert truncated_svd.rank_for_energy(s, 0.0) == 1
    assert truncated_svd.rank_for_energy(s, 9 / 14) == 1
    assert truncated_svd.rank_for_energy(s, 0.65) == 2
    assert truncated_svd.rank_for_energy(s, 1.0) == 3
    assert truncated_svd.energy(np.zeros(2)).tolist() == [1.0, 1.0]
    assert truncated_svd.rank_for_energy(np.zeros(2), 1.0) == 1


def test_the_largest_paying_rank_by_counting():
    for m, n in product((1, 2, 3, 7, 10, 64), (1, 2, 5, 10, 100)):
        counted = sum(rank * (m + n) < m * n for rank in range(1, m * n + 1))
        assert truncated_svd.largest_paying_rank(m, n) == counted
        assert counted < truncated_svd.break_even(m, n) <= counted + 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: truncated_svd.svd(np.zeros((2, 2, 2))), "a matrix"),
        (lambda: truncated_svd.svd(np.full((2, 2), np.nan)), "NaN or infinity"),
        (lambda: truncated_svd.factors(truncated_svd.svd(np.eye(3)), 4), "from 1 to 3"),
        (
            lambda: truncated_svd.factors(truncated_svd.svd(np.eye(3)), 1.5),
            "whole number",
        ),
        (
            lambda: truncated_svd.factors(truncated_svd.svd(np.eye(3)), 1, "both"),
            "choose one of split",
        ),
        (lambda: truncated_svd.rank_for_energy([1.0], 90), "from 0 to 1"),
        (lambda: truncated_svd.break_even(0, 4), "m is 0: give .* at least 1"),
        (
            lambda: randomized.randomized_svd(np.eye(3), 2, oversampling=-1),
            "oversampling is -1",
        ),
        (
            lambda: ranks.thinned(rank_options([1], [1], [0.5], 2), 1),
            "count is 1: give .* at least 2",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_random_sketch_finds_the_same():
    rng = np.random.default_rng(2)
    u, v = (np.linalg.qr(rng.normal(size=(side, 20)))[0] for side in (60, 40))
    w = (u * 2.0 ** -np.arange(20)) @ v.T
    exact, sketched = truncated_svd.svd(w), randomized.randomized_svd(w, rank=5)
    np.testing.assert_allclose(sketched.s, exact.s[:5], rtol=1e-8)
    np.testing.assert_allclose(sketched.matrix(5), exact.matrix(5), atol=1e-8)
    again = randomized.randomized_svd(w, rank=5)
    np.testing.assert_array_equal(again.u, sketched.u)


def test_power_iterations_help_where_values_fall_slowly():
    w = matrix(200, 150)
    best = truncated_svd.error(truncated_svd.spectrum(w), 10)

    def excess(powers):
        found = randomized.randomized_svd(w, 10, powers=powers)
        return np.square(w - found.matrix(10)).sum() / best - 1

    assert excess(0) > excess(2) > excess(6) > 0
    assert excess(6) < 0.02


def test_a_decomposition_is_cut_to_any_rank():
    w, bias = matrix(6, 9), np.arange(6.0)
    found = from_svd(truncated_svd.svd(w), bias)
    assert (found.full_rank, found.weights_per_rank) == (6, 15)
    assert found.break_even == truncated_svd.break_even(6, 9)
    for rank in range(1, 7):
        first, second = found.parts(rank)
        assert first.bias is None and first.kernel.dtype == np.float32
        np.testing.assert_array_equal(second.bias, bias)
        back = parts.reconstruct_kernel([first, second])
        left_out = np.square(w - back).sum()
        assert left_out == pytest.approx(
            truncated_svd.error(truncated_svd.spectrum(w), rank), abs=1e-5
        )
    with pytest.raises(ValueError, match="from 1 to 6"):
        found.parts(7)


def test_strides_are_shared_out_by_axis():
    tall, wide = (
        FactorLayer(np.zeros((2, 5, 1, 3))),
        FactorLayer(np.zeros((4, 1, 5, 2))),
    )
    assert parts.assign_strides((5, 5), (2, 3), [tall, wide]) == [(2, 1), (1, 3)]
    one, square = (
        FactorLayer(np.zeros((2, 1, 1, 3))),
        FactorLayer(np.zeros((4, 5, 5, 2))),
    )
    assert parts.assign_strides((5, 5), (2, 2), [one, square]) == [(1, 1), (2, 2)]
    with pytest.raises(ValueError, match="spans the kernel's side of 5"):
        parts.assign_strides((5, 5), (1, 1), [one])


def test_macs_by_hand():
    """Stride 2 on 8 x 8, same padding: 4 x 8 places down, then 4 x 4 across."""
    down, across = (
        FactorLayer(np.zeros((2, 3, 1, 5))),
        FactorLayer(np.zeros((4, 1, 3, 2))),
    )
    assert parts.macs([down, across], ConvGeometry(8, 8, (2, 2))) == 32 * 30 + 16 * 24
    valid = ConvGeometry(8, 8, (1, 1), same=False)
    assert parts.macs([down, across], valid) == 6 * 8 * 30 + 6 * 6 * 24


def made(energies, cost, whole):
    kept = np.cumsum(energies) / np.sum(energies)
    steps = range(1, len(energies) + 1)
    return rank_options(list(steps), [cost * k for k in steps], kept.tolist(), whole)


LAYERS = {
    "fc1": made([8, 4, 2, 1, 1], cost=10, whole=40),
    "fc2": made([5, 5, 5, 5], cost=6, whole=20),
    "fc3": made([20, 1, 1], cost=3, whole=8),
}
BUDGETS = (19, 25, 33, 40, 50, 60, 68, 100)


def cost_of(chosen):
    return sum(
        LAYERS[n].costs[LAYERS[n].ranks.index(rank)] for n, rank in chosen.items()
    )


def kept_of(chosen):
    return [LAYERS[n].kept[LAYERS[n].ranks.index(rank)] for n, rank in chosen.items()]


def every_choice(budget):
    for found in product(*(LAYERS[name].ranks for name in LAYERS)):
        chosen = dict(zip(LAYERS, found, strict=True))
        if cost_of(chosen) <= budget:
            yield chosen


@pytest.mark.parametrize("budget", BUDGETS)
def test_by_energy_keeps_the_largest_common_fraction(budget):
    chosen = ranks.by_energy(LAYERS, budget)
    assert cost_of(chosen) <= budget
    best = max(min(kept_of(other)) for other in every_choice(budget))
    assert min(kept_of(chosen)) == pytest.approx(best)


@pytest.mark.parametrize("budget", BUDGETS)
def test_by_product_is_near_the_best_product(budget):
    chosen = ranks.by_product(LAYERS, budget)
    assert cost_of(chosen) <= budget
    best = max(np.prod(kept_of(other)) for other in every_choice(budget))
    assert np.prod(kept_of(chosen)) >= 0.9 * best


@pytest.mark.parametrize("budget", BUDGETS)
def test_by_loss_is_the_least_sum(budget):
    rng = np.random.default_rng(3)
    loss = {
        name: [*np.sort(rng.random(len(found) - 1))[::-1], 0.0]
        for name, found in LAYERS.items()
    }

    def total(chosen):
        return sum(loss[n][LAYERS[n].ranks.index(rank)] for n, rank in chosen.items())

    chosen = ranks.by_loss(LAYERS, loss, budget)
    assert cost_of(chosen) <= budget
    assert total(chosen) == pytest.approx(min(map(total, every_choice(budget))))


@pytest.mark.parametrize("way", [ranks.by_energy, ranks.by_product])
def test_ends_of_the_budget(way):
    whole = sum(found.costs[-1] for found in LAYERS.values())
    assert way(LAYERS, whole) == dict.fromkeys(LAYERS)
    assert way(LAYERS, 19) == {"fc1": 1, "fc2": 1, "fc3": 1}
    with pytest.raises(ValueError, match="too small: the smallest ranks .* cost 19"):
        way(LAYERS, 18)


def test_ranks_that_do_not_pay_are_no_choice():
    found = rank_options([1, 2, 3], [10, 20, 30], [0.0, 0.5, 1.0], whole=30)
    assert found.ranks == (2, None)
    assert rank_options([1], [30], [1.0], whole=30).ranks == (None,)
