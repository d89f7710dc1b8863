"""Paired comparison of two methods over the same seeds."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from pandas import Series

from labkit.measure.over_seeds import PairedSeeds, mean_over_seeds


def paired(
    first: Mapping[int, float] | Series, second: Mapping[int, float] | Series
) -> PairedSeeds:
    """First minus second for each seed that both have, by `mean_over_seeds`.

    first, second: seed -> value, mappings or series. Raises ValueError where no seed is
    in both.

    >>> paired({0: 3.0, 1: 5.0, 2: 9.0}, {0: 2.0, 1: 3.0}).mean    # 1 and 2
    1.5
    """
    return mean_over_seeds(
        value - second[seed] for seed, value in first.items() if seed in second
    )


def points(found: PairedSeeds) -> str:
    """A difference of accuracies (0 to 1) in percentage points, with its interval.

    >>> points(PairedSeeds(0.0031, 0.0001, 0.0061, 5))
    '+0.31 (+0.01 to +0.61)'
    """
    ends = (100 * end for end in (found.mean, found.low, found.high))
    return f"{PairedSeeds(*ends, found.n):+.2f}"


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
