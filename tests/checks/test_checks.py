"""The exercise checks: right answers pass, each wrong one is told what is wrong."""

import pytest

from labkit.checks.bench import check_packed_bytes
from labkit.checks.predictions import Predictions
from labkit.checks.quantization import (
    check_channel_scales,
    check_fake_quantize,
    check_scale_zero_point,
)

CHECKS = [
    check_scale_zero_point,
    check_fake_quantize,
    check_channel_scales,
    check_packed_bytes,
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_stub_is_not_yet_an_error(check):
    def my_function(*arguments):
        raise NotImplementedError

    verdict = check(my_function)
    assert verdict.state == "not yet" and not verdict
    assert repr(verdict).startswith(verdict.name)


@pytest.mark.parametrize("check", CHECKS)
def test_an_exception_is_named_with_its_arguments(check):
    def broken(*arguments):
        raise ZeroDivisionError("no such luck")

    verdict = check(broken)
    assert verdict.state == "wrong"
    assert "ZeroDivisionError: no such luck" in verdict.message
    assert "called with" in verdict.message


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("answer", [None, "eight", float("nan"), [[1], [2, 3]], {}])
def test_answers_of_the_wrong_kind_are_wrong(check, answer):
    assert check(lambda *arguments: answer).state == "wrong"


@pytest.mark.parametrize("check", CHECKS)
def test_a_value_instead_of_a_function_is_told(check):
    assert "function itself" in check(3.0).message


@pytest.mark.parametrize("check", CHECKS)
def test_too_few_parameters_are_told(check):
    assert "TypeError" in check(lambda only_one: 1).message


def test_predictions_are_scored():
    book = Predictions()
    for question, value in [("a", 10), ("b", "Conv"), ("c", 3), ("d", None), ("e", 1)]:
        book.guess(question, value)
    assert book.settle("a", 10.4, within=0.5).endswith("close")
    assert book.settle("b", "conv").endswith("close")
    assert book.settle("c", 4.0, within=0.5).endswith("off")
    assert "no guess" in book.settle("d", 7)
    assert book.score() == "2 of 3 predictions close, 2 left open"
    assert "e: not measured yet" in book.table()
    assert book["a"] == 10


def test_an_unasked_prediction_raises():
    with pytest.raises(KeyError):
        Predictions().settle("never asked", 1)
