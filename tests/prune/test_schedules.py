"""Schedules of pruning: what they promise at every step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.prune.schedules import SCHEDULES, cubic, iterative, one_shot

COUNTS = st.integers(1, 300)


@given(st.sampled_from(sorted(SCHEDULES)), COUNTS, COUNTS, st.floats(0, 1))
def test_a_schedule_rises_to_exactly_its_end(name, steps, prunings, sparsity):
    values = [SCHEDULES[name](k, steps, sparsity, prunings) for k in range(steps + 3)]
    assert all(b >= a - 1e-15 for a, b in zip(values, values[1:], strict=False))
    assert values[0] >= 0 and values[-1] == values[-3] == sparsity
    assert len(set(values)) <= prunings + 1


def test_cubic_is_the_equation_of_zhu_and_gupta():
    s_i, s_f, t0, n, delta_t = 0.0, 0.9, 0, 20, 7
    for k in range(n + 1):
        t = t0 + k * delta_t
        expected = s_f + (s_i - s_f) * (1 - (t - t0) / (n * delta_t)) ** 3
        assert cubic(t, n * delta_t, s_f, n) == pytest.approx(expected)
        later = cubic(t + delta_t - 1, n * delta_t, s_f, n)
        assert later == pytest.approx(expected)


def test_iterative_keeps_the_same_fraction_each_time():
    kept = [1.0, *(1 - iterative(k * 10, 40, 0.9, 4) for k in range(4))]
    np.testing.assert_allclose(np.divide(kept[1:], kept[:-1]), 0.1**0.25)


def test_one_shot_is_there_from_the_start():
    assert {one_shot(step, 10, 0.3) for step in range(20)} == {0.3}


@pytest.mark.parametrize("schedule", SCHEDULES.values())
def test_bad_settings_are_refused(schedule):
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="fraction to remove"):
            schedule(0, 10, wrong, 2)
    for step, steps, prunings in ((-1, 10, 2), (0, 0, 2), (0, 10, 0)):
        with pytest.raises(ValueError, match="give a whole number of at least [01]"):
            schedule(step, steps, 0.5, prunings)
