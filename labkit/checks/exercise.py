"""An exercise is declared: the right function, the calls, and the known mistakes.

A mistake is a function, as a learner who makes it would write it. Its sentence is said
only of an answer that equals its results on every call, and no other mistake's; an
exception is such a result. Any other wrong answer gets the call, what it gave and what
was expected.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labkit.checks.base import (
    NotYet,
    Verdict,
    Wrong,
    answer,
    describe,
    numbers,
    plain,
    side_by_side,
)

Value = Any  # a float64 array, or a tuple of them


@dataclass(frozen=True)
class Exercise:
    """What a learner's function is asked to do, and how its answer is judged.

    name: of the learner's function. asks: its signature, and what it returns.
    reference: the right function. calls: the arguments of each call, copied first.
    mistakes: sentence without a full stop -> the function, or functions, of whoever
    makes it. form: (result, *arguments) -> what is compared, float64 array(s); raises
    `Wrong` for an answer of another form. accepts: (value, *arguments) -> whether the
    value is right, where more than one is; without it a value is right that is close
    to the reference's. rtol, atol: how close, as in `np.isclose`. raises: exception ->
    what it means here, said of an answer that raises it and is no known mistake's.
    error: its name, and (result, *arguments) -> it; where the least one is asked for,
    it is shown instead of the results.
    """

    name: str
    asks: str
    reference: Callable
    calls: Sequence[tuple]
    mistakes: Mapping[str, Callable | tuple[Callable, ...]]
    form: Callable[..., Value] = lambda result, *_: numbers(result, "numbers")
    accepts: Callable[..., bool] | None = None
    rtol: float = 1e-5
    atol: float = 1e-9
    raises: Mapping[type[Exception], str] = field(default_factory=dict)
    error: tuple[str, Callable[..., float]] | None = None
    _answers: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, "__doc__", f"Check {self.asks}")

    def __call__(self, fn: Callable) -> Verdict:
        """The verdict on `fn`; it is true only where every call gave the right value.

        A stub that raises NotImplementedError is "not yet".
        """
        title = f"check_{self.name}"
        if not callable(fn):
            text = f"Pass the function itself, not the {type(fn).__name__} it returns."
            return Verdict(title, "wrong", text)
        try:
            found = [_answer(fn, call) for call in self.calls]
        except NotYet:
            text = f"Write {self.name}, then run its cell and this one again."
            return Verdict(title, "not yet", text)
        failing = [k for k, f in enumerate(found) if not self._is_right(f, k)]
        if not failing:
            return Verdict(title, "passed", f"All {len(found)} cases are right.")
        k, text = self._explained(found, failing)
        return Verdict(title, "wrong", text, self.calls[k])

    def _is_right(self, result, k: int) -> bool:
        call = self.calls[k]
        value = self._value(result, call)
        if isinstance(value, Wrong):
            return False
        if self.accepts:
            return bool(self.accepts(value, *call))
        return self._same(value, self._value(self._declared(self.reference, k), call))

    def _declared(self, fn: Callable, k: int) -> Any:
        """What a function of the declaration answers on a call, computed once."""
        if (fn, k) not in self._answers:
            self._answers[fn, k] = _answer(fn, self.calls[k])
        return self._answers[fn, k]

    def _value(self, result, call: tuple) -> "Value | Wrong":
        """What is compared of a result; the complaint about its form if it has none."""
        if isinstance(result, Wrong):
            return result
        try:
            return self.form(result, *call)
        except Wrong as wrong:
            return wrong

    def _explained(self, found: list, failing: list[int]) -> tuple[int, str]:
        """The call that is shown, and one sentence about it.

        failing: the numbers of the calls with a wrong answer. An answer that is no
        known mistake's is shown where it raised, if it did.
        """
        made = [text for text, fns in self.mistakes.items() if self._made(found, fns)]
        if len(made) == 1:
            return failing[0], f"{made[0]} (in {self._call(failing[0])})."
        for k in failing:
            if isinstance(found[k], Wrong):
                return k, self._raised(found[k], k)
        return failing[0], self._compared(found[failing[0]], failing[0])

    def _raised(self, wrong: Wrong, k: int) -> str:
        """What an exception means, or the complaint as it is."""
        error = wrong.__cause__
        for kind, sentence in self.raises.items():
            if isinstance(error, kind):
                return f"{type(error).__name__}. {sentence} (in {self._call(k)})."
        return str(wrong)

    def _compared(self, result, k: int) -> str:
        """The complaint about a result's form, or the result beside the right one."""
        value = self._value(result, self.calls[k])
        if isinstance(value, Wrong):
            return f"{str(value).removesuffix('.')} (in {self._call(k)})."
        right = self._declared(self.reference, k)
        if self.error:
            name, error = self.error
            errors = (error(each, *self.calls[k]) for each in (result, right))
            found, least = side_by_side(*errors)
            return f"{self._call(k)} gives {name} of {found}; the least is {least}."
        gives, right = side_by_side(result, right)
        expected = "one right answer is" if self.accepts else "expected is"
        return f"{self._call(k)} gives {gives}; {expected} {right}."

    def _call(self, k: int) -> str:
        return f"{self.name}({describe(*self.calls[k])})"

    def _made(self, found: list, mistakes: Callable | tuple[Callable, ...]) -> bool:
        """Whether one of the functions gives the same answer on every call."""
        several = mistakes if isinstance(mistakes, tuple) else (mistakes,)
        return any(
            all(
                self._alike(result, self._declared(wrong, k), self.calls[k])
                for k, result in enumerate(found)
            )
            for wrong in several
        )

    def _alike(self, found, wrong, call: tuple) -> bool:
        """Whether two results are the same: by their values, else as plain numbers.

        Two complaints are the same if their texts are.
        """
        if isinstance(found, Wrong) or isinstance(wrong, Wrong):
            return str(found) == str(wrong)
        values = [self._value(result, call) for result in (found, wrong)]
        if any(isinstance(value, Wrong) for value in values):
            values = [plain(result) for result in (found, wrong)]
        return self._same(*values)

    def _same(self, one: Value | None, other: Value | None) -> bool:
        if one is None or other is None:
            return False
        if isinstance(one, tuple) or isinstance(other, tuple):
            both = isinstance(one, tuple) and isinstance(other, tuple)
            return both and len(one) == len(other) and all(map(self._same, one, other))
        return np.shape(one) == np.shape(other) and np.allclose(
            one, other, self.rtol, self.atol
        )


def _answer(fn: Callable, call: tuple) -> Any:
    """What `fn` returns, or the complaint about what it raises or changes."""
    try:
        return answer(fn, *call)
    except Wrong as wrong:
        return wrong
