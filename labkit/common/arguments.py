"""What arguments must be, in one sentence each: the name, what it is, what to give."""

import numpy as np


def finite(name: str, values: np.ndarray, may_be_empty: bool = False) -> np.ndarray:
    """The values as an array of finite real numbers, else ValueError.

    >>> finite("w", [[0.5, -1.0]]).tolist()
    [[0.5, -1.0]]
    """
    found = np.asarray(values)
    if found.dtype.kind not in "biuf" and not _is_small_float(found.dtype):
        raise ValueError(f"{name} is {found.dtype}: give real numbers")
    if not found.size and not may_be_empty:
        raise ValueError(f"{name} of shape {found.shape} is empty: give numbers")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} contains NaN or infinity: remove them first")
    return found


def shaped(name: str, values: np.ndarray, sides: str) -> np.ndarray:
    """`finite` values with as many axes as `sides` names, such as "(n, classes)".

    >>> shaped("x", [[1, 2]], "(n, in)").shape
    (1, 2)
    """
    found = finite(name, values)
    if found.ndim != len(sides.strip("(,)").split(",")):
        raise ValueError(f"{name} has shape {found.shape}: give {sides}")
    return found


def whole(name: str, value: int, least: int, most: int | None = None) -> int:
    """The value as an int from `least` to `most`, None for no end; else ValueError.

    A float that is whole is one; True and False are not.

    >>> whole("count", 3.0, 1), whole("count", np.int64(3), 1, 3)
    (3, 3)
    """
    right = _is_number(value) and np.isfinite(value) and value == int(value)
    if not (right and least <= value and (most is None or value <= most)):
        ends = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} is {value!r}: give a whole number {ends}")
    return int(value)


def positive(name: str, value: float) -> float:
    """The value, unless it is no finite number above 0: then ValueError.

    >>> positive("scale", 0.5)
    0.5
    """
    if not (_is_number(value) and 0 < value < np.inf):
        raise ValueError(f"{name} is {value!r}: give a finite number above 0")
    return value


def fraction(name: str, value: float, meaning: str = "a number") -> float:
    """The value, unless it is no number from 0 to 1: then ValueError.

    >>> fraction("alpha", 1)
    1
    """
    if not (_is_number(value) and 0 <= value <= 1):
        raise ValueError(f"{name} is {value!r}: give {meaning} from 0 to 1")
    return value


def _is_number(value) -> bool:
    """Whether it is one real number, of Python's or numpy's."""
    kind = np.asarray(value).dtype.kind
    return np.ndim(value) == 0 and kind in "iuf"


def _is_small_float(dtype: np.dtype) -> bool:
    """Whether it is one of `ml_dtypes`' floats, which numpy lists as void."""
    return dtype.kind == "V" and dtype.names is None and "float" in dtype.name
