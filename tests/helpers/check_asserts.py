"""What the tests of committed networks ask in common."""

import pytest

from labkit import zoo
from labkit.measure.correctness import accuracy


def assert_reaches(record: dict, network) -> None:
    """The network is as accurate on validation images as its record says."""
    validation = zoo.dataset(record["name"]).validation
    found = accuracy(network, validation).value
    assert found == pytest.approx(record["validation_accuracy"], abs=2e-3)
