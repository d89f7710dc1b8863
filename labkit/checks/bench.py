"""Exercise of notebook 00: bytes that a packed layer takes."""

import numpy as np

from labkit.checks.base import Wrong, numbers
from labkit.checks.exercise import Exercise


def _codes(weights: int, bits: int) -> int:
    """Bytes of the codes, rounded up."""
    return -(-weights * bits // 8)


def _one_number(result, *_) -> np.ndarray:
    found = numbers(result, "one number of bytes")
    if found.size != 1:
        raise Wrong(f"Return one number of bytes, not {found.size}")
    return found.reshape(())


check_packed_bytes = Exercise(
    name="packed_bytes",
    asks="`fn(weights, scales, bits)`: whole bytes of codes and float32 scales.",
    reference=lambda weights, scales, bits: _codes(weights, bits) + 4 * scales,
    calls=[(784, 10, 8), (8, 1, 4), (7, 1, 3), (9, 9, 2), (266_200, 410, 5)],
    form=_one_number,
    rtol=0,
    atol=0,
    mistakes={
        "Your answer is in bits; a byte has 8 of them": (
            lambda weights, scales, bits: weights * bits + 32 * scales
        ),
        "You left out the scales: each is a float32 of 4 bytes": (
            lambda weights, scales, bits: _codes(weights, bits),
            lambda weights, scales, bits: weights * bits / 8,
        ),
        "A scale is a float32: it takes 4 bytes, not 1": (
            lambda weights, scales, bits: _codes(weights, bits) + scales,
            lambda weights, scales, bits: weights * bits / 8 + scales,
        ),
        "A file has whole bytes, so round up": (
            lambda weights, scales, bits: weights * bits / 8 + 4 * scales
        ),
        "You round down: the last bits need a byte of their own": (
            lambda weights, scales, bits: weights * bits // 8 + 4 * scales
        ),
        "You add a byte where the bits fill the last one: round up, don't add one": (
            lambda weights, scales, bits: weights * bits // 8 + 1 + 4 * scales
        ),
        "You count 4 bytes a weight: a code takes only `bits` bits": (
            lambda weights, scales, bits: 4 * weights + 4 * scales
        ),
        "You count a whole byte a code: codes of fewer bits share bytes": (
            lambda weights, scales, bits: weights + 4 * scales
        ),
    },
)
