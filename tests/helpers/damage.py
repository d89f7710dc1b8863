"""Damaged copies of a file."""

import numpy as np


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The file cut, with another byte, or with a piece of it left out."""
    kind, first, last = rng.integers(3), *np.sort(rng.integers(len(content), size=2))
    if kind == 0:
        return content[:first]
    if kind == 1:
        return content[:first] + rng.bytes(1) + content[first + 1 :]
    return content[:first] + content[last + 1 :]
