"""Schedules: how much of a network is pruned at which step of its training.

All three give the sparsity at `step` of a training. It rises in a few prunings within
the first `steps` steps and then stays, so that the last, masked steps repair what the
last pruning broke. A schedule says how much; `labkit.prune.masking` says which.
"""

from labkit.common.arguments import fraction, whole
from labkit.common.registries import Row, registry


def one_shot(step: int, steps: int, sparsity: float, prunings: int = 1) -> float:
    """Everything before the first step. It takes neither `steps` nor `prunings`.

    >>> one_shot(0, 100, 0.9), one_shot(70, 100, 0.9)
    (0.9, 0.9)
    """
    _check(step, steps, sparsity, prunings)
    return sparsity


def iterative(step: int, steps: int, sparsity: float, prunings: int) -> float:
    """Prune, train, prune …: each pruning removes the same fraction of what is left.

    After k of n prunings 1 - (1 - sparsity)**(k / n) is removed; the first comes before
    the first step and the last at steps * (n - 1) / n. Source: the loop of Han et al.
    2015, arXiv:1506.02626, sec. 3.5, at the constant rate of Frankle and Carbin 2019,
    arXiv:1803.03635, sec. 1.

    >>> [iterative(step, 100, 0.75, 2) for step in (0, 49, 50, 100)]
    [0.5, 0.5, 0.75, 0.75]
    """
    _check(step, steps, sparsity, prunings)
    done = min(step * prunings // steps + 1, prunings)
    return sparsity if done == prunings else 1 - (1 - sparsity) ** (done / prunings)


def cubic(step: int, steps: int, sparsity: float, prunings: int) -> float:
    """Fast while there is much to spare, slowly at the end; nothing before step 0.

    After k of n prunings sparsity * (1 - (1 - k / n)**3), the k-th at steps * k / n.
    Source: Zhu and Gupta 2017, arXiv:1710.01878, eq. 1, with t0 = 0, s_i = 0 and
    n * delta_t = steps.

    >>> [cubic(step, 100, 0.5, 2) for step in (0, 49, 50, 99, 100, 500)]
    [0.0, 0.0, 0.4375, 0.4375, 0.5, 0.5]
    """
    _check(step, steps, sparsity, prunings)
    done = min(step * prunings // steps, prunings)
    return sparsity * (1 - (1 - done / prunings) ** 3)


SCHEDULES = registry(
    Row("one-shot", "one-shot", "Everything before the first step.", one_shot),
    Row(
        "iterative",
        "iterative",
        "Each pruning removes the same fraction of what is left.",
        iterative,
    ),
    Row("cubic", "cubic", "Much at the start, little at the end.", cubic),
)


def _check(step: int, steps: int, sparsity: float, prunings: int) -> None:
    fraction("sparsity", sparsity, "the fraction to remove,")
    whole("step", step, 0)
    whole("steps", steps, 1)
    whole("prunings", prunings, 1)
