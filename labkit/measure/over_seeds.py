"""Paired comparison of two methods over the same seeds."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, sqrt
from statistics import mean, stdev

from scipy.special import stdtrit

LEVEL = 0.95


@dataclass(frozen=True)
class PairedSeeds:
    """The mean difference over seeds and its 95 % interval, in the values' unit.

    n: how many seeds both methods have. With one seed the interval is unbounded.
    Formatted, its three numbers are.

    >>> f"{PairedSeeds(0.3, 0.01, 0.59, 5):+.2f}"
    '+0.30 (+0.01 to +0.59)'
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def winner(self) -> int:
        """1 where the first is larger, -1 where the second is, 0 where undecided."""
        return (self.low > 0) - (self.high < 0)

    def says(self, larger: str = "better", smaller: str = "worse") -> str:
        """What that is for the first: the word for larger, or smaller, or undecided.

        >>> PairedSeeds(0.3, 0.01, 0.59, 5).says()
        'better'
        >>> PairedSeeds(0.3, -0.1, 0.7, 5).says()
        'undecided'
        """
        return {1: larger, 0: "undecided", -1: smaller}[self.winner]

    def __format__(self, spec: str) -> str:
        low, high = (format(end, spec) for end in (self.low, self.high))
        return f"{format(self.mean, spec)} ({low} to {high})"


def mean_over_seeds(differences: Iterable[float]) -> PairedSeeds:
    """The mean of one difference for each seed, with Student's interval.

    mean ± t s / sqrt(n), where s is the deviation of the differences (n - 1) and t the
    97.5 % point of Student's distribution with n - 1 degrees of freedom. Raises
    ValueError where there is no difference.

    >>> found = mean_over_seeds([1.0, 2.0])                           # ± 12.706 / 2
    >>> found.mean, round(found.low, 2), round(found.high, 2)
    (1.5, -4.85, 7.85)
    """
    differences = [float(difference) for difference in differences]
    n = len(differences)
    if not n:
        raise ValueError("no seed is in both: there is nothing to pair")
    middle = mean(differences)
    if n == 1:
        return PairedSeeds(middle, -inf, inf, 1)
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * stdev(differences) / sqrt(n)
    return PairedSeeds(middle, middle - half, middle + half, n)
