"""Checks of notebook 00: bytes that a packed layer takes."""

from collections.abc import Callable

from labkit.checks.base import Verdict, Wrong, answer, describe, numbers, verdict


def check_packed_bytes(fn: Callable) -> Verdict:
    """Check `fn(weights, scales, bits)`: whole bytes of codes and float32 scales."""
    settings = [(784, 10, 8), (8, 1, 4), (7, 1, 3), (9, 9, 2), (266_200, 410, 5)]
    cases = [_case(*setting) for setting in settings]
    return verdict("check_packed_bytes", fn, cases)


def _case(weights: int, scales: int, bits: int) -> Callable:
    right = -(-weights * bits // 8) + 4 * scales

    def case(fn):
        given = numbers(answer(fn, weights, scales, bits), "one number of bytes")
        call = f"for {describe(weights, scales, bits)}"
        if given.size != 1:
            raise Wrong(f"Return one number of bytes, not {given.size} ({call}).")
        found = float(given.reshape(-1)[0])
        if found != right:
            raise Wrong(_explain(found, weights, scales, bits, call))

    return case


def _explain(found: float, weights: int, scales: int, bits: int, call: str) -> str:
    codes = weights * bits / 8
    if found == weights * bits + 32 * scales:
        return f"{found:g} is in bits; a byte has 8 of them ({call})."
    if found in (codes, -(-weights * bits // 8)):
        return f"You left out the scales: each is a float32 of 4 bytes ({call})."
    if found in (codes + scales, -(-weights * bits // 8) + scales):
        return f"A scale is a float32: it takes 4 bytes, not 1 ({call})."
    if found != int(found):
        return f"{found:g} bytes: a file has whole bytes, so round up ({call})."
    if found == weights * bits // 8 + 4 * scales:
        return f"You round down: the last bits need a byte of their own ({call})."
    if found == 4 * weights + 4 * scales:
        return f"You count 4 bytes a weight: a code takes only `bits` bits ({call})."
    return f"{found:g} is not the number of bytes of codes and scales ({call})."
