"""The steps of a training from what a machine does in the first second."""

import numpy as np
import pytest

from labkit import zoo
from labkit.prune.masking import masks
from labkit.train import child
from labkit.train.pace import Budget, steps_within

TOLD = Budget(80, 20)


class Machine:
    """A clock that only steps move: `seconds` each, the first one 5 more."""

    def __init__(self, seconds):
        self.now, self.seconds, self.called = 0.0, seconds, 0

    def advance(self):
        self.now += self.seconds if self.called else self.seconds + 5
        self.called += 1

    def steps(self, budget, size=1):
        return steps_within(budget, self.advance, size, lambda: self.now)


@pytest.mark.parametrize(
    ("seconds", "steps", "called"),
    [(0.01, 80, 81), (0.25, 80, 5), (0.5, 40, 3), (4, 5, 2), (60, 1, 2)],
)
def test_a_slow_machine_takes_fewer_steps(seconds, steps, called):
    machine = Machine(seconds)
    assert machine.steps(TOLD) == steps
    assert machine.called == called


def test_without_a_time_every_machine_takes_all_and_none_is_thrown_away():
    machine = Machine(60)
    assert machine.steps(Budget(80)) == 80 and not machine.called


@pytest.mark.parametrize(
    ("seconds", "steps"), [(1, 500), (5, 400), (7, 200), (30, 100)]
)
def test_steps_that_go_together_stay_together(seconds, steps):
    assert Machine(seconds).steps(Budget(500, 20), size=100) == steps


def test_fewer_steps_than_go_together():
    assert Machine(30).steps(Budget(50, 20), size=100) == 50


def test_a_time_that_is_none_is_refused():
    for seconds in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="seconds is .*: give a time above 0"):
            child.result(child.training("mlp", "W4A4", 5, seconds=seconds))


def test_a_training_with_a_time_is_the_one_of_as_many_steps(in_this_process, eager):
    """It ends far below its steps, and its file is that of the steps that it took."""
    kernels = zoo.load("mlp").kernels
    kept = masks({name: np.abs(kernel) for name, kernel in kernels.items()}, 0.9)
    seen = []
    timed = child.result(
        child.fine_tuning("mlp", kept, 10**6, seconds=0.3), seen.append
    )
    steps = {row.steps for row in seen}
    assert len(steps) == 1 and seen[-1].step == (taken := steps.pop()) < 10**5
    assert child.result(child.fine_tuning("mlp", kept, taken)) == timed


def test_both_students_take_as_many_steps(in_this_process):
    seen = []
    how = {"width": 10, "temperature": 4, "alpha": 0.9, "images": 100}
    child.result(
        child.distillation("mlp", **how, steps=10**6, seconds=0.2), seen.append
    )
    (steps,) = {row.steps for row in seen}
    told = [row.step for row in seen if row.student == "alone"]
    assert steps < 10**5 and told == list(range(100, steps + 1, 100))
    assert [row.step for row in seen if row.student == "distilled"] == told


@pytest.mark.parametrize("named", ["soon", "0", "-3", "inf", "nan"])
def test_a_time_that_is_none_is_named(named):
    with pytest.raises(ValueError, match=f"LABKIT_SECONDS is '{named}': give a number"):
        child._seconds(named)
