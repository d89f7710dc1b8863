"""Cases that `make test` leaves to `make check`."""

from collections.abc import Iterable

import pytest


def quick(cases: Iterable, *kept) -> list:
    """The cases as parameters of a test, those that are not in `kept` marked as long.

    Two cases that take the same way through the code differ in their size alone: the
    small one is for every change, the large one for `make check`.
    """
    cases = list(cases)
    unknown = [case for case in kept if case not in cases]
    if unknown:
        raise ValueError(f"there is no case {unknown[0]!r}")
    return [case if case in kept else _long(case) for case in cases]


def _long(case):
    parts = case if isinstance(case, tuple) else (case,)
    return pytest.param(*parts, marks=pytest.mark.long)
