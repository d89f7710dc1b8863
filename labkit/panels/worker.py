"""A background thread that always does the latest thing asked, and drops the rest."""

from collections.abc import Callable
from threading import Condition, Thread

Cancelled = Callable[[], bool]


def never() -> bool:
    """The `cancelled` of work that nothing cancels."""
    return False


class CancelToken:
    """A cancellation token: a call returns True once a newer job was submitted.

    number: counts up, so that of two jobs the newer is known.
    """

    def __init__(self, owner: "LatestWins", number: int):
        self._owner = owner
        self.number = number

    def __call__(self) -> bool:
        return self._owner.newest != self.number


class LatestWins:
    """At most one thread, at most one waiting job; a new job cancels the old one.

    The thread starts with the first job, ends when there is none, and starts again
    with the next, so that a panel that nobody touches holds no thread.
    """

    def __init__(self, name: str):
        self._name = name
        self._condition = Condition()
        self.newest = 0
        self._waiting = None
        self._thread = None

    def claim(self) -> CancelToken:
        """Cancel everything asked before; the claim says whether a newer one came."""
        with self._condition:
            self.newest += 1
            self._waiting = None
            return CancelToken(self, self.newest)

    def submit(self, job: Callable[[CancelToken], None]) -> None:
        """Run job(claim) in the thread, soon, in place of what was asked before.

        job: asks `claim()` often and ends once it says True. It handles its own errors.
        """
        with self._condition:
            self._waiting = (job, self.claim())
            if self._thread is None:
                self._thread = Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def wait(self, timeout: float | None = None) -> None:
        """Return when nothing runs or waits; TimeoutError after `timeout` seconds."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._thread is None, timeout):
                raise TimeoutError(f"{self._name} is still busy after {timeout} s")

    def _run(self) -> None:
        while True:
            with self._condition:
                if self._waiting is None:
                    self._thread = None
                    self._condition.notify_all()
                    return
                job, claim = self._waiting
                self._waiting = None
            job(claim)
