"""What an ideal entropy coder would make of codes: a bound, not a file.

A fixed width stores each code in as many bits. A coder that gives frequent codes fewer
bits comes near the entropy of their frequencies and, as long as it looks at one code at
a time, never below (Shannon 1948, Bell System Technical Journal 27(3), theorem 9).
"""

import math

import numpy as np


def code_entropy(q: np.ndarray) -> float:
    """Bits a code, sum of -p log2 p over the frequencies of the values in q.

    q: integers, any shape, not empty (else ValueError). Ternary codes have at most
    log2(3) = 1.585 bits, and fewer the more of them are 0.

    >>> round(code_entropy(np.array([0, 0, 1, 1])), 6), code_entropy(np.array([5, 5]))
    (1.0, 0.0)
    """
    if np.size(q) == 0:
        raise ValueError("q is empty: no codes have no entropy")
    _, counts = np.unique(q, return_counts=True)
    p = counts / counts.sum()
    return abs(float(np.sum(p * np.log2(p))))


def entropy_bytes(q: np.ndarray) -> int:
    """The whole bytes that the codes' entropy fills; the code's table comes on top.

    >>> entropy_bytes(np.array([0, 1, 2] * 100)), entropy_bytes(np.zeros(300, int))
    (60, 0)
    """
    return math.ceil(np.size(q) * code_entropy(q) / 8)
