"""How much memory a value holds."""

import sys
from collections.abc import Iterable, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType

import numpy as np

# What a value shares with the whole program.
_SHARED = type | ModuleType | BuiltinFunctionType


def footprint(value) -> int:
    """About how many bytes a value holds, each object counted once.

    Followed are items of containers, attributes, what arrays are views of, and what
    functions have closed over. Memory of C libraries is not seen.

    >>> array = np.zeros(1000)
    >>> 8000 < footprint(array) < 8200, footprint([array, array[1:]]) < 8600
    (True, True)
    """
    seen, waiting, total = set(), [value], 0
    while waiting:
        found = waiting.pop()
        if id(found) not in seen and not isinstance(found, _SHARED):
            seen.add(id(found))
            total += sys.getsizeof(found)
            waiting.extend(_parts(found))
    return total


def _parts(value) -> Iterable:
    """What a value refers to."""
    if isinstance(value, str | bytes | bytearray | int | float | complex | None):
        return ()
    if isinstance(value, np.ndarray):
        items = value.ravel().tolist() if value.dtype == object else ()
        return (value.base, *items)
    if isinstance(value, memoryview):
        return (value.obj,)
    if isinstance(value, Mapping):
        return (*value.keys(), *value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return (*value, *_attributes(value))
    if isinstance(value, FunctionType):
        return [cell.cell_contents for cell in value.__closure__ or ()]
    return _attributes(value)


def _attributes(value) -> list:
    return [*vars(value).values()] if hasattr(value, "__dict__") else []
