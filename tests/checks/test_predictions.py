"""Predictions: guessed first, settled later, and scored."""

import pytest

from labkit.checks.predictions import Predictions


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
