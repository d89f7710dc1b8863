"""How many steps of a training fit into a time, from what its first second does.

The steps that are timed belong to a training that is thrown away. So a training whose
steps were found by the clock is, step for step, the one that is given as many steps.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

PROBE_SECONDS = 1.0


@dataclass(frozen=True)
class Budget:
    """At most `steps` steps, 1 or more, and at most what fits into `seconds`.

    seconds: above 0, of the steps alone; what comes before and after them is not
    counted. None sets no time: all steps are taken, on any machine.
    """

    steps: int
    seconds: float | None = None


def steps_within(
    budget: Budget,
    advance: Callable[[], object],
    size: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """How many of the budget's steps this machine takes in the budget's time.

    advance: goes `size` steps of a training that is thrown away. Its first call, in
    which TensorFlow compiles, is not timed; those of the next second are. The answer is
    at least `size` and, below the budget's steps, a multiple of it. clock: in seconds.

    >>> ticks = iter([0, 0.5, 1])  # half a second a step: 16 steps in 8 seconds
    >>> steps_within(Budget(80, 8), lambda: None, clock=lambda: next(ticks))
    16
    """
    if budget.seconds is None:
        return budget.steps
    advance()
    start, done, took = clock(), 0, 0.0
    while took < PROBE_SECONDS and done < budget.steps:
        advance()
        done, took = done + size, clock() - start
    if done * budget.seconds >= budget.steps * took:
        return budget.steps
    fit = int(budget.seconds * done / took) // size * size
    return min(budget.steps, max(size, fit))
