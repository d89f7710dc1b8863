"""Units chosen for a budget of costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.prune.unit_budget import choose_units

LAYERS = st.lists(
    st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(1, 5)),
    min_size=1,
    max_size=4,
)


@given(LAYERS, st.floats(0, 0.7))
def test_it_saves_enough_and_one_unit_less_does_not(layers, share):
    scores = {f"conv{k}": np.array(s, float) for k, (s, _) in enumerate(layers)}
    costs = {f"conv{k}": float(cost) for k, (_, cost) in enumerate(layers)}
    possible = sum(
        costs[name] * (len(s) - max(1, int(np.ceil(0.25 * len(s)))))
        for name, s in scores.items()
    )
    chosen = choose_units(scores, costs, share * possible)
    worst = [scores[n][k] / costs[n] for n, units in chosen.items() for k in units]
    last = max(worst, default=0)
    saved = sum(costs[name] * len(units) for name, units in chosen.items())
    assert saved >= share * possible
    assert not worst or saved - max(costs.values()) < share * possible
    for name, s in scores.items():
        left = np.delete(s, chosen[name])
        assert len(left) >= max(1, 0.25 * len(s))
        at_least = len(left) == max(1, int(np.ceil(0.25 * len(s))))
        assert at_least or (left / costs[name]).min() >= last


def test_a_dear_unit_goes_before_a_cheap_one_of_equal_score():
    scores = {"conv1": np.ones(4), "conv2": np.ones(4)}
    chosen = choose_units(scores, {"conv1": 1.0, "conv2": 3.0}, 6.0)
    assert chosen == {"conv1": [], "conv2": [0, 1]}


def test_what_cannot_be_is_refused():
    scores = {"conv1": np.ones(4)}
    with pytest.raises(ValueError, match="at most 3"):
        choose_units(scores, {"conv1": 1.0}, 3.5)
    with pytest.raises(ValueError, match=r"costs\['conv1'\] is None"):
        choose_units(scores, {}, 1)
    with pytest.raises(ValueError, match="NaN or infinity"):
        choose_units({"conv1": np.array([1.0, np.nan])}, {"conv1": 1.0}, 1)
