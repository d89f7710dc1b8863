"""What the tests of committed networks ask in common."""

from math import sqrt

import pytest

from labkit import zoo
from labkit.measure.correctness import accuracy


def assert_reaches(record: dict, network, images: int | None = None) -> None:
    """The network is as accurate on validation images as its record says.

    images: of the first so many alone, within 4 standard errors; None takes all.
    """
    validation = zoo.dataset(record["name"]).validation
    recorded, within = record["validation_accuracy"], 2e-3
    if images is not None:
        validation = validation.take(images)
        within = 4 * sqrt(recorded * (1 - recorded) / images)
    found = accuracy(network, validation).value
    assert found == pytest.approx(recorded, abs=within)
