"""What the words on a panel mean: its terms, and each choice of its menus."""

from collections.abc import Iterable

from labkit.common import words
from labkit.common.registries import Row
from labkit.panels.controls import Control

# What every panel that measures a file shows.
MEASURED = (
    "accuracy", "interval", "paired difference", "payload", "packed file",
    "deployable file", "MACs", "latency",
)  # fmt: skip


def explanations(
    terms: Iterable[str], controls: Iterable[Control]
) -> list[tuple[str, str]]:
    """(word, one line) of each term, then of each choice that a registry explains.

    terms: names in the lab's table of words. A choice is called as its menu calls it.
    Raises KeyError for a term that is not in the table.

    >>> mask = Row("mask", "a mask", "True where a weight is kept.")
    >>> control = Control("kind", "Kind", ("mask",), texts={"mask": mask})
    >>> explanations(["logits"], [control])[1]
    ('Kind: a mask', 'True where a weight is kept.')
    """
    found = [(word, words.TERMS[word].line) for word in terms]
    for control in controls:
        rows = (row for row in control.texts.values() if isinstance(row, Row))
        found += [(f"{control.label}: {row}", row.line) for row in rows]
    return found
