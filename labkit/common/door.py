"""One door a room: its public names, each imported when it is first asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def door(
    room: str, files: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a room's `__init__` (PEP 562).

    room: its `__name__`. files: file of the room -> its public names in one string.
    Nothing is kept in the room: a name is always what its file has at the moment.

    >>> get, names, everything = door("labkit.common", {"memory": "LARGE"})
    >>> everything, names(), get("LARGE") > 0
    (['LARGE'], ['LARGE'], True)
    """
    homes = {name: file for file, names in files.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(import_module(f"{room}.{homes[name]}"), name)

    everything = sorted(homes)
    return get, lambda: everything, everything
