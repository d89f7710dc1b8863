"""What panels measure of a model file, kept under the file's digest.

So a position visited twice is exact at once.
"""

import hashlib
from collections.abc import Callable, Iterator

from labkit import latency, ledger, measure
from labkit.data import Split
from labkit.latency import Latency
from labkit.measure import Accuracy
from labkit.memo import Memo

_ACCURACIES, _DEFLATED, _LATENCIES = Memo(400), Memo(400), Memo(100)


def digest(content: bytes) -> str:
    """A file's sha256, what its figures are kept under."""
    return hashlib.sha256(content).hexdigest()


def growing(
    runnable, split: Split, stages: tuple, cancelled: Callable[[], bool]
) -> Iterator[Accuracy]:
    """As `measure.refine`; a stage that was measured before does not run again.

    Where all images were, every stage is exact at once.
    """
    key = (digest(runnable.to_bytes()), digest(split.index.tobytes()))
    known = _ACCURACIES.peek(key)
    if known is not None and known.n == len(split):
        for _ in stages:
            yield known
        return
    done = [stage for stage in stages if stage and known and stage <= known.n]
    for stage in done:
        yield Accuracy(known.correct[:stage], known.index[:stage])
    for accuracy in measure.refine(runnable, split, stages[len(done) :], cancelled):
        _ACCURACIES.put(key, accuracy)
        yield accuracy


def side_by_side(
    one, other, split: Split, stages: tuple, cancelled: Callable[[], bool]
) -> Iterator[tuple[Accuracy, Accuracy]]:
    """Two files, stage by stage on the same images."""
    both = (growing(file, split, stages, cancelled) for file in (one, other))
    yield from zip(*both, strict=False)


def slow_figures(files: dict[str, bytes], timed: dict[str, object]) -> dict[str, dict]:
    """What comes last: "deflated", name -> bytes, and "latency", name -> Latency."""
    deflated = {name: _deflated(file) for name, file in files.items()}
    return {"deflated": deflated, "latency": latencies(timed)}


def _deflated(content: bytes) -> int:
    """The length of a file after zlib."""
    return _DEFLATED.get(digest(content), lambda: ledger.deflated_bytes(content))


def latencies(models: dict[str, object]) -> dict[str, Latency]:
    """Name -> latency, measured in turns on one thread."""
    key = tuple((name, digest(model.to_bytes())) for name, model in models.items())
    return _LATENCIES.get(key, lambda: latency.latency(models))
