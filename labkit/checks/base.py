"""What judging an answer takes: call it safely, read its numbers, show what differs.

`answer` calls the learner's function and raises `Wrong` with one sentence for the
learner. A stub that still raises NotImplementedError is "not yet", not an error, so
that a notebook runs to its last cell. In a graded cell write `assert check_…(fn)`: a
verdict is true only when every call gave the right value.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np

SHOWN = 40  # numbers of an array that a message shows


class Wrong(Exception):
    """A wrong answer; the text is one sentence for the learner."""


class NotYet(Exception):
    """The exercise has not been started."""


@dataclass(frozen=True)
class Verdict:
    """What a check found: `state` is "passed", "not yet" or "wrong".

    arguments: of the call that went wrong, to try it again: `fn(*verdict.arguments)`.
    """

    name: str
    state: str
    message: str
    arguments: tuple = field(default=(), repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.state == "passed"

    def __repr__(self) -> str:
        return f"{self.name}: {self.state}. {self.message}"


def answer(fn: Callable, *arguments):
    """What `fn` returns for copies of the arguments.

    Raises NotYet for a stub, and Wrong if `fn` fails or changes an array it was given.
    """
    given = deepcopy(arguments)
    try:
        result = fn(*given)
    except NotImplementedError as error:
        raise NotYet from error
    except Wrong:  # an argument complains of what is done with it
        raise
    except Exception as error:
        raise Wrong(
            f"Your function raised {type(error).__name__}: {error} "
            f"(called with {describe(*arguments)})."
        ) from error
    if not _unchanged(arguments, given):
        raise Wrong(
            "Your function changes the array that it is given. "
            "Compute a new array, without out= and without +=."
        )
    return result


def numbers(result, what: str) -> np.ndarray:
    """`result` as a float64 array, or Wrong if it does not hold finite numbers."""
    if result is None:
        raise Wrong(f"Your function returns None: end it with `return` {what}.")
    try:
        array = np.asarray(result)
        if array.dtype.kind in "USc":  # text, complex
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        kind = type(result).__name__
        raise Wrong(f"Return {what}: a {kind} does not hold numbers.") from None
    if not np.isfinite(array).all():
        raise Wrong(f"Return {what}: some of yours are infinite or not a number.")
    return array


def plain(result) -> np.ndarray | tuple | None:
    """Any numbers that a result holds, finite or not; None where it holds none.

    A list or tuple whose parts fit no array becomes a tuple of arrays.
    """
    try:
        return np.nan_to_num(np.asarray(result, dtype=np.float64), nan=1e300)
    except (TypeError, ValueError, OverflowError):
        if not isinstance(result, tuple | list):
            return None
        parts = tuple(plain(part) for part in result)
        return None if any(part is None for part in parts) else parts


def describe(*arguments) -> str:
    """The arguments as text: arrays of more than 40 numbers by their shape.

    >>> describe(-1.0, np.zeros((8, 9)), np.arange(3), 8)
    '-1.0, array of shape (8, 9), [0, 1, 2], 8'
    """
    return ", ".join(_short(argument) for argument in arguments)


def side_by_side(found, right) -> tuple[str, str]:
    """Two results as text that differs: long arrays by where they differ most.

    >>> side_by_side([0.5, 0.25], np.array([0.5, 0.125]))
    ('[0.5, 0.25]', '[0.5, 0.125]')
    >>> side_by_side(np.zeros(50), np.eye(1, 50, 7)[0])
    ('0 at index 7', '1 at index 7')
    """
    one, other = plain(found), plain(right)
    arrays = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
    if arrays and one.shape == other.shape and one.size > SHOWN:
        worst = np.unravel_index(np.abs(one - other).argmax(), one.shape)
        index = ", ".join(str(int(i)) for i in worst)
        texts = [f"{array[worst]:.6g} at index {index}" for array in (one, other)]
        exact = [f"{array[worst]!r} at index {index}" for array in (one, other)]
    else:
        texts = [_short(found), _short(right)]
        exact = [repr(getattr(r, "tolist", lambda r=r: r)()) for r in (found, right)]
    return tuple(texts if texts[0] != texts[1] else exact)


def _short(argument) -> str:
    if isinstance(argument, tuple):
        return f"({', '.join(map(_short, argument))})"
    if isinstance(argument, dict):
        parts = ", ".join(f"{key!r}: {_short(v)}" for key, v in argument.items())
        return f"{{{parts}}}"
    if isinstance(argument, float | np.floating):
        return f"{argument:.6g}" if argument % 1 else repr(float(argument))
    if not isinstance(argument, np.ndarray):
        return repr(argument)
    if argument.size <= SHOWN:
        return str(_rounded(argument.tolist()))
    return f"array of shape {argument.shape}"


def _rounded(part):
    """Nested lists with floats of six significant digits."""
    if isinstance(part, list):
        return [_rounded(each) for each in part]
    return float(f"{part:.6g}") if isinstance(part, float) else part


def _unchanged(before, after) -> bool:
    """Whether nested tuples, lists and dictionaries hold the same arrays still."""
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(
            _unchanged(before[key], after[key]) for key in before
        )
    if isinstance(before, tuple | list):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind in "fc")
    return True
