"""Figures as the readouts of panels write them."""

from labkit.measure import Accuracy, Paired
from labkit.plots.base import percent


def measured(accuracy: Accuracy) -> str:
    """An accuracy with its interval.

    >>> measured(Accuracy([True] * 90 + [False] * 10))
    '90.00 % (82.56 to 94.48 %)'
    """
    low, high = accuracy.interval
    return f"{percent(accuracy.value)} ({100 * low:.2f} to {100 * high:.2f} %)"


def change(paired: Paired) -> str:
    """How one network differs from another on the same images."""
    low, high = paired.interval
    return (
        f"newly wrong {paired.newly_wrong:,}, newly right {paired.newly_right:,}, "
        f"{points(paired.difference)} points ({points(low)} to {points(high)}), "
        f"{chance(paired.p_value)}"
    )


def points(difference: float) -> str:
    """A difference of accuracies in percentage points, with its sign.

    >>> points(-0.0125)
    '−1.25'
    """
    return f"{100 * difference:+.2f}".replace("-", "−")


def chance(p_value: float) -> str:
    """A p-value in words.

    >>> chance(0.74), chance(3e-20)
    ('p = 0.74', 'p < 0.0001')
    """
    return f"p = {p_value:.2g}" if p_value >= 1e-4 else "p < 0.0001"
