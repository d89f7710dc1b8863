"""Which of many results are worth the time of a picture."""

import time
from collections.abc import Iterable, Iterator

REDRAW_SECONDS = 0.3


def throttled(results: Iterable, seconds: float = REDRAW_SECONDS) -> Iterator:
    """The first result, then at most one every `seconds`, and always the last.

    >>> list(throttled(range(1000), seconds=60))
    [0, 999]
    """
    due = 0.0
    held = []
    for result in results:
        held = [result]
        if time.monotonic() >= due:
            yield held.pop()
            due = time.monotonic() + seconds
    yield from held
