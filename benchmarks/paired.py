"""What is said of two methods that were tried with the same seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from scipy.stats import t

LEVEL = 0.95


@dataclass(frozen=True)
class Paired:
    """The mean difference over seeds and its 95 % interval, in the values' unit.

    n: how many seeds both methods have. With one seed the interval is unbounded.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def winner(self) -> int:
        """1 where the first is larger, -1 where the second is, 0 where undecided."""
        return (self.low > 0) - (self.high < 0)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Paired:
    """First minus second for each seed that both have, with Student's interval.

    first, second: seed -> value. mean ± t s / sqrt(n), where s is the deviation of the
    differences (n - 1) and t the 97.5 % point of Student's distribution with n - 1
    degrees of freedom. Raises ValueError where no seed is in both.

    >>> found = paired({0: 3.0, 1: 5.0, 2: 9.0}, {0: 2.0, 1: 3.0})    # 1 and 2
    >>> found.mean, round(found.low, 2), round(found.high, 2)         # ± 12.706 / 2
    (1.5, -4.85, 7.85)
    """
    seeds = [seed for seed in first if seed in second]
    if not seeds:
        raise ValueError("no seed is in both: there is nothing to pair")
    differences = [first[seed] - second[seed] for seed in seeds]
    n, middle = len(seeds), mean(differences)
    if n == 1:
        return Paired(middle, float("-inf"), float("inf"), 1)
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * stdev(differences) / sqrt(n)
    return Paired(middle, middle - half, middle + half, n)


def points(found: Paired) -> str:
    """A difference of accuracies (0 to 1) in percentage points, with its interval.

    >>> points(Paired(0.0031, 0.0001, 0.0061, 5))
    '+0.31 (+0.01 to +0.61)'
    """
    ends = f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"
    return f"{100 * found.mean:+.2f} ({ends})"


def spread(values: Sequence[float], digits: int = 2, factor: float = 100) -> str:
    """Mean ± standard deviation of values times a factor; one value alone as it is.

    >>> spread([0.97, 0.99])
    '98.00 ± 1.41'
    """
    scaled = [factor * value for value in values]
    text = f"{mean(scaled):,.{digits}f}"
    if len(scaled) == 1:
        return text
    return f"{text} ± {stdev(scaled):,.{digits}f}"
