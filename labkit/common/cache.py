"""The lab's one cache: a value under what it was made from, all together in bounds.

A key holds digests, never a network's name: a file that is replaced while a kernel runs
is another network, and what was made from the old one is not found under it.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import update_wrapper
from threading import Lock, RLock

from labkit.common.footprint import footprint
from labkit.common.keys import key_of

LIMIT_BYTES = 200_000_000

_NOTHING = object()


class Cache:
    """Values of at most `limit_bytes` together; the one not used for longest goes.

    A value counts as many bytes as `footprint` finds when it is put; what alone passes
    the limit is not kept. Safe to use from several threads.

    >>> cache = Cache(limit_bytes=100)
    >>> cache.put("a", None), cache.get("a", list), cache.peek("b", "not there")
    (None, None, 'not there')
    """

    def __init__(self, limit_bytes: int):
        self.limit_bytes = limit_bytes
        self._entries: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._size_bytes = 0
        self._lock = Lock()
        self._turns: dict[Hashable, RLock] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """The bytes of all values."""
        return self._size_bytes

    def peek(self, key: Hashable, default=None):
        """The value under `key`, or `default` where there is none."""
        with self._lock:
            if key not in self._entries:
                return default
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: Hashable, value) -> None:
        """Keep a value in place of the one that was under `key`."""
        size = footprint(value)
        with self._lock:
            self._remove(key)
            if size > self.limit_bytes:
                return
            self._entries[key] = value, size
            self._size_bytes += size
            while self._size_bytes > self.limit_bytes:
                self._remove(next(iter(self._entries)))

    def get(self, key: Hashable, make: Callable[[], object]):
        """The value under `key`, made now if there is none.

        Threads that ask for it at the same time wait for the first; an error of `make`
        is not kept, so that the next one tries again. `make` takes no lock that a
        caller of `get` may hold.
        """
        value = self.peek(key, _NOTHING)
        if value is not _NOTHING:
            return value
        with self._lock:
            turn = self._turns.setdefault(key, RLock())
        try:
            with turn:
                value = self.peek(key, _NOTHING)
                if value is _NOTHING:
                    value = make()
                    self.put(key, value)
                return value
        finally:
            with self._lock:
                self._turns.pop(key, None)

    def drop(self, key: Hashable) -> None:
        """Forget one value, if it is there."""
        with self._lock:
            self._remove(key)

    def drop_all(self, of: Hashable) -> None:
        """Forget the values whose keys are tuples that begin with `of`."""
        with self._lock:
            for key in [key for key in self._entries if key[0] == of]:
                self._remove(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._size_bytes = 0

    def _remove(self, key: Hashable) -> None:
        self._size_bytes -= self._entries.pop(key, (None, 0))[1]


CACHE = Cache(LIMIT_BYTES)


def cached(function: Callable) -> Callable:
    """Keep a pure function's values in CACHE, under the contents of its arguments.

    The arguments are given by position and are all that the value depends on; see
    `keys.key_of` for what they can be. `drop(*arguments)` of the function that comes
    back forgets one value, `drop_all()` all of them.
    """

    def key(*arguments) -> tuple:
        return (function, *map(key_of, arguments))

    def kept(*arguments):
        return CACHE.get(key(*arguments), lambda: function(*arguments))

    kept.drop = lambda *arguments: CACHE.drop(key(*arguments))
    kept.drop_all = lambda: CACHE.drop_all(function)
    return update_wrapper(kept, function)
