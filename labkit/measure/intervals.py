"""What a count of right answers says: intervals and a test for one or two models.

Written out, since each is a few lines and their library versions take most of a second
to import; the tests compare them with SciPy and with published examples.
"""

from math import sqrt

Z_95 = 1.96


def wilson(correct: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """The score interval for a proportion: (low, high), both 0 to 1.

    correct: successes, 0 to n. n: trials, at least 1. z: how many standard errors wide
    to each side (1.96 for 95 %). Raises ValueError outside these ranges.
    It holds every p whose expected count n p is within z standard errors
    sqrt(n p (1 - p)) of the count, so it has a width even at 0 and at n.
    Source: Wilson 1927, doi 10.1080/01621459.1927.10502953.

    >>> wilson(1, 1, z=1.0)
    (0.5, 1.0)
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} correct of {n}: give 0 <= correct <= n and n >= 1")
    p = correct / n
    shrink = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / shrink
    return max(0.0, centre - half), min(1.0, centre + half)


def newcombe(
    both: int, first: int, second: int, neither: int, z: float = Z_95
) -> tuple[float, float]:
    """The interval for p1 - p2 of two models that answered the same questions.

    both, first, second, neither: how many questions both models, only the first, only
    the second, and no model got right; counts, together at least 1 (else ValueError).
    Returns (low, high), -1 to 1. The two Wilson intervals are added as if at an angle
    whose cosine is phi, the correlation of the answers, taken down for continuity.
    Source: Newcombe 1998, Stat. Med. 17, 2635, method 10,
    doi 10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C.

    >>> low, high = newcombe(0, 1, 0, 0, z=1.0)    # Wilson (0.5, 1) and (0, 0.5)
    >>> round(1 - low, 4), high                    # sqrt(0.5**2 + 0.5**2), 1
    (0.7071, 1.0)
    """
    n = both + first + second + neither
    if n < 1 or min(both, first, second, neither) < 0:
        raise ValueError("give four counts, none negative, not all zero")
    p1, p2 = (both + first) / n, (both + second) / n
    low1, high1 = wilson(both + first, n, z)
    low2, high2 = wilson(both + second, n, z)
    phi = _correlation(both, first, second, neither)
    below = _third_side(p1 - low1, high2 - p2, phi)
    above = _third_side(high1 - p1, p2 - low2, phi)
    difference = (first - second) / n
    return max(-1.0, difference - below), min(1.0, difference + above)


def _correlation(both: int, first: int, second: int, neither: int) -> float:
    """Phi of the 2 x 2 table, its numerator lowered by n / 2 where positive, to 0."""
    n = both + first + second + neither
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    if margins == 0:
        return 0.0
    excess = both * neither - first * second
    if excess > 0:
        excess = max(excess - n / 2, 0)
    return excess / sqrt(margins)


def _third_side(a: float, b: float, cosine: float) -> float:
    """The side opposite the angle between sides a and b of a triangle."""
    return sqrt(max(0.0, a * a + b * b - 2 * cosine * a * b))


def mcnemar(newly_wrong: int, newly_right: int) -> float:
    """The exact two-sided p-value, 0 to 1, of McNemar's test.

    If both models were equally good, each question that only one of them got right
    would fall to either with probability 1/2. The p-value is the chance of a division
    at least as uneven as (newly_wrong, newly_right): 1 where the models never differ.
    Counts, not negative (else ValueError).
    Source: McNemar 1947, doi 10.1007/BF02295996, the binomial in place of chi square.

    >>> mcnemar(3, 0)                               # 2 * (1/2)**3
    0.25
    """
    if min(newly_wrong, newly_right) < 0:
        raise ValueError(f"{newly_wrong} and {newly_right}: give counts, none negative")
    n = newly_wrong + newly_right
    ways, term = 0, 1
    for k in range(min(newly_wrong, newly_right) + 1):
        ways += term
        term = term * (n - k) // (k + 1)  # n over k + 1, in whole numbers
    return min(1.0, 2 * ways / 2**n)
