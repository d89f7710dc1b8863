"""Bits for layers: the exact frontier against brute force, and the greedy path."""

from itertools import product

import numpy as np
import pytest

from labkit.common.knapsack import bits_of, exact, greedy


def brute_force(loss, size_bytes, budget):
    """The least loss of all assignments within the budget, one after the other."""
    layers = np.arange(len(loss))
    assignments = [
        list(choice) for choice in product(range(loss.shape[1]), repeat=len(loss))
    ]
    fitting = [c for c in assignments if size_bytes[layers, c].sum() <= budget]
    return min(loss[layers, c].sum() for c in fitting)


def case(seed, layers=4, widths=4):
    """Losses that mostly fall with the bytes, some of them negative."""
    rng = np.random.default_rng(seed)
    sizes = np.sort(rng.integers(1, 40, (layers, widths)), axis=1)
    loss = np.sort(rng.exponential(1, (layers, widths)), axis=1)[:, ::-1]
    return loss + rng.normal(0, 0.3, loss.shape), sizes


@pytest.mark.parametrize("seed", range(20))
def test_exact_is_what_brute_force_finds_for_every_budget(seed):
    loss, sizes = case(seed)
    frontier = exact(loss, sizes)
    for budget in range(sizes.min(axis=1).sum(), sizes.max(axis=1).sum() + 2):
        place = frontier.within(budget)
        assert frontier.size_bytes[place] <= budget
        assert frontier.loss[place] == pytest.approx(brute_force(loss, sizes, budget))


@pytest.mark.parametrize("choose", [exact, greedy])
@pytest.mark.parametrize("seed", range(5))
def test_sizes_and_losses_are_those_of_the_choices(choose, seed):
    loss, sizes = case(seed)
    frontier, layers = choose(loss, sizes), np.arange(len(loss))
    for choice, size, total in zip(
        frontier.choice, frontier.size_bytes, frontier.loss, strict=True
    ):
        assert sizes[layers, choice].sum() == size
        assert loss[layers, choice].sum() == pytest.approx(total)
    assert len(frontier) == len(frontier.choice)
    assert (np.diff(frontier.size_bytes) > 0).all()


def test_nothing_on_the_exact_frontier_is_beaten():
    frontier = exact(*case(0, layers=6))
    assert (np.diff(frontier.loss) < 0).all()


@pytest.mark.parametrize("seed", range(20))
def test_greedy_is_never_better_than_exact(seed):
    loss, sizes = case(seed)
    best, path = exact(loss, sizes), greedy(loss, sizes)
    for size, total in zip(path.size_bytes, path.loss, strict=True):
        assert best.loss[best.within(size)] <= total + 1e-12


def test_greedy_goes_from_the_widest_to_the_narrowest():
    loss, sizes = case(3)
    path, layers = greedy(loss, sizes), np.arange(len(loss))
    assert path.size_bytes[-1] == sizes.max(axis=1).sum()
    assert path.size_bytes[0] == sizes[layers, path.choice[0]].sum()
    assert path.size_bytes[0] == sizes.min(axis=1).sum()


def test_greedy_can_miss_the_optimum():
    """By hand: 0.1 a byte for the first layer comes first, and is then in the way."""
    loss = np.array([[0.1, 0.0], [0.4, 0.0]])
    sizes = np.array([[1, 2], [1, 4]])
    assert greedy(loss, sizes).choice.tolist() == [[0, 0], [0, 1], [1, 1]]
    best, path = exact(loss, sizes), greedy(loss, sizes)
    assert best.loss[best.within(4)] == pytest.approx(0.4)
    assert path.loss[path.within(4)] == pytest.approx(0.5)


def test_many_layers_stay_quick_and_exact_in_total():
    """20 layers by 6 widths, sizes as a network's: 6**20 assignments."""
    rng = np.random.default_rng(0)
    weights = rng.choice([432, 2304, 4608, 9216, 18432, 36864], 20)
    bits = np.array([2, 3, 4, 5, 6, 8])
    sizes = weights[:, None] * bits // 8
    loss = rng.exponential(1, (20, 1)) * 4.0 ** (-bits)
    frontier = exact(loss, sizes)
    assert frontier.size_bytes[0] == sizes[:, 0].sum()
    assert frontier.size_bytes[-1] == sizes[:, -1].sum()
    # Lagrange: where loss + price * bytes is least, the assignment is optimal.
    for price in (1e-7, 1e-6, 1e-5):
        choice = (loss + price * sizes).argmin(axis=1)
        layers = np.arange(20)
        place = frontier.within(sizes[layers, choice].sum())
        assert frontier.loss[place] == pytest.approx(loss[layers, choice].sum())


def test_bits_of_names_them():
    frontier = exact(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[2, 4], [2, 4]]))
    found = bits_of(frontier, frontier.within(6), ("fc1", "fc2"), (4, 8))
    assert found == {"fc1": 4, "fc2": 8}
    assert all(type(width) is int for width in found.values())


def test_what_is_refused():
    loss, sizes = case(0)
    smallest = int(sizes.min(axis=1).sum())
    for choose in (exact, greedy):
        assert choose(loss, sizes).within(smallest) == 0
        with pytest.raises(ValueError, match=f"take {smallest} bytes"):
            choose(loss, sizes).within(smallest - 1)
        with pytest.raises(ValueError, match=r"give both as \(layers, bit widths\)"):
            choose(loss[0], sizes[0])
        with pytest.raises(ValueError, match=r"give both as \(layers, bit widths\)"):
            choose(loss, sizes[:, :2])
        with pytest.raises(ValueError, match="measure them again"):
            choose(np.where(loss == loss[0, 0], np.nan, loss), sizes)
        with pytest.raises(ValueError, match="below 1 byte"):
            choose(loss, sizes - sizes.min())
