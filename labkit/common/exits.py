"""How a command ends that cannot go on: in one sentence, with an exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # what shells report for a process that Ctrl-C ended


@contextmanager
def in_one_sentence(
    interrupted: str, told: tuple[type[Exception], ...]
) -> Iterator[None]:
    """End the process where what is inside is interrupted or raises one of `told`.

    interrupted: what a reader who pressed Ctrl-C is told. Other errors go on: their
    tracebacks are for who mends the code.
    """
    try:
        yield
    except KeyboardInterrupt:
        _end(interrupted, INTERRUPTED)
    except told as error:
        _end(str(error), 1)


def _end(sentence: str, code: int) -> None:
    print(f"\n{sentence}", file=sys.stderr)
    sys.exit(code)
