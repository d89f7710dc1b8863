"""What holds for every declared exercise, and answers that its author did not foresee.

The mistakes of a declaration are its own tests: each is told by its own sentence, so
that the calls tell every pair of them apart. `answers/` holds further wrong answers,
each with what is true of it, and unusual right ones.
"""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from labkit import checks
from labkit.checks.base import describe, side_by_side
from labkit.checks.exercise import Exercise

EXERCISES = {
    found.name: found
    for found in map(checks.__dict__.get, checks.__all__)
    if isinstance(found, Exercise)
}
FILES = sorted((Path(__file__).parents[1] / "helpers" / "answers").glob("[a-z]*.py"))
ANSWERS = [import_module(f"answers.{path.stem}") for path in FILES]
RIGHT = {name: fns for module in ANSWERS for name, fns in module.RIGHT.items()}
WRONG = {name: rows for module in ANSWERS for name, rows in module.WRONG.items()}
each = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES.keys())


def functions(exercise):
    """Sentence and function of each mistake."""
    for sentence, made in exercise.mistakes.items():
        for wrong in made if isinstance(made, tuple) else (made,):
            yield sentence, wrong


@each
def test_the_reference_and_unusual_right_answers_pass(exercise):
    assert len(RIGHT[exercise.name]) >= 2
    for fn in (exercise.reference, *RIGHT[exercise.name]):
        verdict = exercise(fn)
        assert verdict, verdict


@each
def test_each_mistake_is_told_by_its_own_sentence(exercise):
    for sentence, wrong in functions(exercise):
        verdict = exercise(wrong)
        assert verdict.state == "wrong" and verdict.message.startswith(sentence)


@each
def test_further_wrong_answers_get_a_neutral_or_a_true_sentence(exercise):
    rows = WRONG[exercise.name]
    assert len(rows) >= 5
    for fn, hint in rows:
        verdict = exercise(fn)
        assert verdict.state == "wrong", hint
        if hint:
            assert hint in verdict.message, verdict
        else:
            assert verdict.message.startswith(f"{exercise.name}("), verdict
            assert " gives " in verdict.message and " is " in verdict.message
            assert any(verdict.arguments is call for call in exercise.calls)


def test_a_declaration_has_no_answers_without_an_exercise():
    assert RIGHT.keys() == WRONG.keys() == EXERCISES.keys()


def double(**more):
    """An exercise on which two mistakes agree."""
    return Exercise(
        name="double",
        asks="`fn(x) -> 2 x`",
        reference=lambda x: 2 * x,
        calls=[(np.array([1.0, 3.0]),), (np.array([2.0]),)],
        mistakes={"Squared": lambda x: x**2, "The number itself": lambda x: x},
        **more,
    )


def test_a_mistake_is_named_only_if_every_call_agrees_with_it_alone():
    assert double()(lambda x: x**2).message == "Squared (in double([1.0, 3.0]))."
    once = double()(lambda x: x**2 if len(x) == 2 else 5 * x)
    assert (
        once.message == "double([1.0, 3.0]) gives [1.0, 9.0]; expected is [2.0, 6.0]."
    )
    twins = Exercise(
        "one", "", lambda x: x, [(1.0,)], {"a": lambda x: 2, "b": lambda x: 2}
    )
    assert twins(lambda x: 2).message == "one(1.0) gives 2; expected is 1.0."


def test_a_mistake_may_raise_and_other_exceptions_are_shown_first():
    third = Exercise(
        "third",
        "",
        lambda x: x[min(2, len(x) - 1)],
        [(np.arange(3.0),), (np.array([4.0]),)],
        {"Counted from the end": lambda x: x[-3]},
    )
    assert third(lambda x: np.copy(x)[-3]).message.startswith("Counted from the end")
    other = third(lambda x: x[5] if len(x) == 1 else 7)
    assert "IndexError: index 5" in other.message and other.arguments == third.calls[1]


def test_an_exception_may_have_a_meaning():
    root = Exercise(
        "root",
        "",
        abs,
        [(4.0,), (-9.0,)],
        {},
        raises={ArithmeticError: "A square is never below 0"},
    )
    assert root(lambda x: x // (x + 9)).message == (
        "ZeroDivisionError. A square is never below 0 (in root(-9.0))."
    )
    assert "TypeError: " in root(lambda: 0).message


def test_more_than_one_right_value():
    even = double(accepts=lambda value, x: bool((value % 2 == 0).all()))
    assert even(lambda x: 4 * x)
    assert "one right answer is [2.0, 6.0]" in even(lambda x: 0.5 * x).message


def test_an_error_is_shown_where_the_least_is_asked_for():
    near = double(error=("a distance from 2 x", lambda y, x: abs(y - 2 * x).max()))
    message = near(lambda x: 5 * x).message
    assert message == "double([1.0, 3.0]) gives a distance from 2 x of 9.0; " + (
        "the least is 0.0."
    )


def test_what_is_shown_of_two_results_differs():
    near = np.array([0.0123, 1.0]), np.array([0.0123000001, 1.0])
    assert len(set(side_by_side(*near))) == 2
    nested = describe({"fc1": np.eye(2)})
    assert nested == "{'fc1': [[1.0, 0.0], [0.0, 1.0]]}"


def test_arguments_that_hold_arrays_are_copied_and_compared():
    def in_place(weights):
        weights["a"] *= 2
        return weights["a"]

    nested = Exercise(
        "f", "", lambda weights: 2 * weights["a"], [({"a": np.ones(2)},)], {}
    )
    assert "changes the array" in nested(in_place).message
    assert nested(lambda weights: weights["a"] + 1)
