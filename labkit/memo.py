"""A cache of a fixed size, keyed by what a thing is made of."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock


class Memo:
    """The latest `limit` values, each under its key; safe to use from several threads.

    >>> memo = Memo(limit=2)
    >>> [memo.get(key, lambda: key * 10) for key in (1, 2, 3)], memo.peek(1)
    ([10, 20, 30], None)
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._values: OrderedDict = OrderedDict()
        self._lock = Lock()

    def peek(self, key: Hashable):
        """The value under `key`, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def values(self) -> tuple:
        """All values, the one used last at the end."""
        with self._lock:
            return tuple(self._values.values())

    def put(self, key: Hashable, value) -> None:
        """Keep a value; the one not used for longest goes when there are too many."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._limit:
                self._values.popitem(last=False)

    def get(self, key: Hashable, make: Callable[[], object]):
        """The value under `key`, made now if it is not there."""
        value = self.peek(key)
        if value is None:
            value = make()
            self.put(key, value)
        return value
