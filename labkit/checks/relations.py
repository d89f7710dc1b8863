"""Relations that one run may not show: those of times, and of short trainings."""

from collections.abc import Mapping

SHOWN = "this run shows: "
NOT_SHOWN = "this run does NOT show: "


def shown(relations: Mapping[str, bool]) -> str:
    """One line a relation, which says whether this run shows it.

    relations: sentence -> whether it holds of what was measured. For what hangs on the
    machine and on what else it does; what holds on every machine is asserted.

    >>> print(shown({"A is faster than B": True, "B is faster than C": 2 < 1}))
    this run shows: A is faster than B
    this run does NOT show: B is faster than C
    """
    return "\n".join(
        (SHOWN if holds else NOT_SHOWN) + sentence
        for sentence, holds in relations.items()
    )
