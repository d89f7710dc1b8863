"""What every check shares: call the learner's function safely, say what is wrong.

A check is a list of cases. A case calls the function through `answer` and raises
`Wrong` with one sentence that names the mistake. `verdict` runs the cases and stops
at the first `Wrong`. A stub that still raises NotImplementedError is "not yet", not
an error, so that a notebook runs to its last cell. In a graded cell write
`assert check_…(fn)`: a verdict is true only when every case passed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np


class Wrong(Exception):
    """A wrong answer; the text is one sentence for the learner."""


class NotYet(Exception):
    """The exercise has not been started."""


@dataclass(frozen=True)
class Verdict:
    """What a check found: `state` is "passed", "not yet" or "wrong"."""

    name: str
    state: str
    message: str

    def __bool__(self) -> bool:
        return self.state == "passed"

    def __repr__(self) -> str:
        return f"{self.name}: {self.state}. {self.message}"


def verdict(name: str, fn: Callable, cases: Iterable[Callable]) -> Verdict:
    """Run the cases on `fn` in order and say what the first wrong one found."""
    if not callable(fn):
        text = f"Pass the function itself, not the {type(fn).__name__} it returns."
        return Verdict(name, "wrong", text)
    count = 0
    for case in cases:
        try:
            case(fn)
        except NotYet:
            stub = getattr(fn, "__name__", "the function")
            text = f"Write {stub}, then run its cell and this one again."
            return Verdict(name, "not yet", text)
        except Wrong as wrong:
            return Verdict(name, "wrong", str(wrong))
        count += 1
    return Verdict(name, "passed", f"All {count} cases are right.")


def answer(fn: Callable, *arguments):
    """What `fn` returns for copies of the arguments.

    Raises NotYet for a stub, and Wrong if `fn` fails or changes an array it was given.
    """
    given = [_copy(argument) for argument in arguments]
    try:
        result = fn(*given)
    except NotImplementedError as error:
        raise NotYet from error
    except Exception as error:
        raise Wrong(
            f"Your function raised {type(error).__name__}: {error} "
            f"(called with {describe(*arguments)})."
        ) from error
    for before, after in zip(arguments, given, strict=True):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after):
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
        array = np.asarray(result, dtype=np.float64)
    except (TypeError, ValueError):
        kind = type(result).__name__
        raise Wrong(f"Return {what}: a {kind} does not hold numbers.") from None
    if not np.isfinite(array).all():
        raise Wrong(f"Return {what}: some of yours are infinite or not a number.")
    return array


def named(known: dict, found, otherwise: str, call: str) -> str:
    """The sentence of the first known mistake that gives what was found.

    known: sentence -> what that mistake gives. otherwise: said where none of them does.
    call: how the function was called.
    """
    for sentence, wrong in known.items():
        if np.shape(wrong) == np.shape(found) and np.allclose(
            found, wrong, rtol=1e-5, atol=1e-9
        ):
            return f"{sentence} ({call})."
    return f"{otherwise} ({call})."


def describe(*arguments) -> str:
    """The arguments as short text: arrays by their shape, unless they are tiny.

    >>> describe(-1.0, np.zeros((2, 3)), 8)
    '-1.0, array of shape (2, 3), 8'
    """
    return ", ".join(_short(argument) for argument in arguments)


def _short(argument) -> str:
    if not isinstance(argument, np.ndarray):
        return repr(argument)
    if argument.size <= 4:
        return str(argument.tolist())
    return f"array of shape {argument.shape}"


def _copy(argument):
    return argument.copy() if isinstance(argument, np.ndarray) else argument
