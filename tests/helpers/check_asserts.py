"""What the tests of checks and of committed networks ask in common."""

import pytest

from labkit import zoo
from labkit.measure.correctness import accuracy


def assert_explained(check, fn, hint: str) -> None:
    """The check refuses the answer, in a sentence that has the hint."""
    verdict = check(fn)
    assert verdict.state == "wrong"
    assert hint in verdict.message, verdict


def assert_reaches(record: dict, network) -> None:
    """The network is as accurate on validation images as its record says."""
    validation = zoo.dataset(record["name"]).validation
    found = accuracy(network, validation).value
    assert found == pytest.approx(record["validation_accuracy"], abs=2e-3)
