"""Registries: what can be chosen, in one place beside the arithmetic that does it.

A registry maps names to rows. Settings, menus, tables and messages read the rows, so
that adding a choice is a function and a row.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar


@dataclass(frozen=True)
class Row:
    """A choice of a registry; called, it computes.

    name: as settings and files have it. text: as a menu has it. line: what it is, one
    sentence. compute: the function, None where the name alone is what is chosen. needs:
    what it looks at beside the weights, "" for nothing; each registry says which there
    are. kinds: of layers that it applies to, as `Layer.kind` has them; () for all.

    >>> row = Row("halve", "half", "Divides by 2.", lambda x: x / 2)
    >>> row(3), str(row), row.applies_to({"CONV_2D"})
    (1.5, 'half', True)
    """

    name: str
    text: str
    line: str
    compute: Callable[..., Any] | None = None
    needs: str = ""
    kinds: tuple[str, ...] = ()

    def __call__(self, *arguments, **settings):
        """What `compute` returns."""
        return self.compute(*arguments, **settings)

    def __str__(self) -> str:
        """The text, so that a registry serves as a menu's texts."""
        return self.text

    def applies_to(self, kinds: Iterable[str]) -> bool:
        """Whether it applies to layers of all these kinds."""
        return not self.kinds or set(kinds) <= set(self.kinds)


R = TypeVar("R", bound=Row)


def registry(*rows: R) -> dict[str, R]:
    """Name -> row, in this order. Raises ValueError for a name that is there twice.

    >>> list(registry(Row("a", "A", "The first."), Row("b", "B", "The second.")))
    ['a', 'b']
    """
    found = {row.name: row for row in rows}
    if len(found) < len(rows):
        raise ValueError(f"a name is there twice: {[row.name for row in rows]}")
    return found


def chosen(what: str, name: str, rows: Mapping[str, R]) -> R:
    """The row of that name, else ValueError with the names that there are.

    what: the argument's name, for the message.

    >>> chosen("rule", "c", registry(Row("a", "A", "The first.")))
    Traceback (most recent call last):
    ValueError: rule is 'c': choose one of a
    """
    if name not in rows:
        raise ValueError(f"{what} is {name!r}: choose one of {', '.join(rows)}")
    return rows[name]


def markdown(rows: Mapping[str, Row]) -> str:
    """A registry as a table for a page: name, line, what it needs, where it applies.

    >>> print(markdown(registry(Row("a", "A", "The first.", needs="images"))))
    | name | what it does | needs | layers |
    |---|---|---|---|
    | `a` | The first. | images | all |
    """
    lines = ["| name | what it does | needs | layers |", "|---|---|---|---|"]
    for row in rows.values():
        kinds = ", ".join(row.kinds) or "all"
        lines.append(f"| `{row.name}` | {row.line} | {row.needs or '–'} | {kinds} |")
    return "\n".join(lines)
