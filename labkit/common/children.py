"""Child processes that import what this process imports, and what their ends mean."""

import os
import signal
import sys
from collections.abc import Sequence

_WORDS = 200  # characters of one line that is passed on


def environment() -> dict[str, str]:
    """The environment for a child Python that finds the same modules as this process.

    labkit may be here by `sys.path` alone, and a folder's own `json.py` is not wanted.
    """
    places = dict.fromkeys(os.path.abspath(place) for place in sys.path)
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(places),
        "PYTHONSAFEPATH": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def ending(code: int) -> str:
    """How a process ended, from its return code.

    >>> ending(1), ending(-11)
    ('exit code 1', 'signal SIGSEGV')
    """
    if code >= 0:
        return f"exit code {code}"
    known = {int(number): number.name for number in signal.Signals}
    return f"signal {known.get(-code, -code)}"


def one_line(said: object) -> str:
    """The first line of a text or an error, cut to 200 characters.

    >>> one_line(ValueError("no such axis\\nsecond line")), one_line(MemoryError())
    ('no such axis', 'MemoryError')
    """
    return _cut(str(said).strip().splitlines(), 0) or type(said).__name__


def last_line(said: str, without: tuple[str, ...] = ("INFO:", "WARNING:")) -> str:
    """The last line of what a process wrote that is no mere remark.

    >>> last_line("INFO: opened\\nkilled by bad_alloc\\nINFO: closed\\n")
    'killed by bad_alloc'
    """
    lines = [line.strip() for line in said.splitlines()]
    return _cut([line for line in lines if line and not line.startswith(without)], -1)


def _cut(lines: Sequence[str], which: int) -> str:
    line = lines[which] if lines else ""
    return line if len(line) <= _WORDS else line[:_WORDS] + " …"
