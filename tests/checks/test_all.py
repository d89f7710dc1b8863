"""What holds for every check of an exercise: stubs, no functions, any answers."""

import importlib
import pkgutil

import pytest

from labkit import checks
from labkit.checks.exercise import Exercise

ALL = [getattr(checks, name) for name in checks.__all__ if name.startswith("check_")]


def test_every_check_can_be_imported_from_one_place():
    modules = [
        importlib.import_module(f"labkit.checks.{found.name}")
        for found in pkgutil.iter_modules(checks.__path__)
    ]
    names = {name for m in modules for name in vars(m) if name.startswith("check_")}
    assert names == {name for name in checks.__all__ if name.startswith("check_")}


def test_every_check_is_a_declared_exercise():
    assert all(isinstance(check, Exercise) for check in ALL)


@pytest.mark.parametrize("check", ALL)
def test_a_stub_is_not_yet_done_and_a_number_is_wrong(check):
    def exercise(*given):
        raise NotImplementedError

    verdict = check(exercise)
    assert verdict.state == "not yet" and not verdict
    assert repr(verdict).startswith(verdict.name)
    assert check(3).state == "wrong" and "function itself" in check(3).message


@pytest.mark.parametrize("check", ALL)
@pytest.mark.parametrize("answer", [None, "eight", float("nan"), [[1], [2, 3]], {}])
def test_answers_of_the_wrong_kind_are_wrong(check, answer):
    verdict = check(lambda *arguments, **named: answer)
    assert verdict.state == "wrong" and str(verdict)


@pytest.mark.parametrize("check", ALL)
def test_an_error_inside_is_said_with_its_call_and_not_raised(check):
    def exercise(*given):
        return {}["missing"]

    verdict = check(exercise)
    assert verdict.state == "wrong" and "KeyError: 'missing'" in str(verdict)
    assert "called with" in str(verdict)
    assert "TypeError" in str(check(lambda: 1))
