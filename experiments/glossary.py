"""The lab's words as pages: for those who write, and for those who learn."""

from experiments.files import markdown_table
from labkit.common.words import WORDS, Term


def for_writers() -> str:
    """Every column of the table, in the order of the alphabet."""
    header = ["term", "what it means here", "symbol", "unit", "source", "instead of"]
    rows = [
        [t.name, t.line, t.symbol, t.unit, t.source, ", ".join(t.instead)]
        for t in in_order()
    ]
    return markdown_table(header, rows)


def for_learners() -> str:
    """Terms with their symbols, meanings, units and sources."""
    rows = [
        [f"**{t.name}** {t.symbol}".strip(), t.line, t.unit, t.source]
        for t in in_order()
    ]
    return markdown_table(["term", "what it means here", "unit", "source"], rows)


def in_order() -> list[Term]:
    """The terms by the alphabet, capitals as small letters."""
    return sorted(WORDS, key=lambda term: term.name.lower())
