"""What panels measure of a model file, kept under the file's digest.

So a position visited twice is exact at once.
"""

from collections.abc import Callable, Iterator, Mapping
from threading import Lock

from labkit import measure
from labkit.common.cache import CACHE, cached
from labkit.common.keys import file_digest
from labkit.common.split import Split
from labkit.measure import ledger, timing
from labkit.measure.correctness import Accuracy
from labkit.measure.timing import Latency
from labkit.panels import one_by_one

_KEEPING = Lock()


def growing(
    runnable, split: Split, stages: tuple, cancelled: Callable[[], bool]
) -> Iterator[Accuracy]:
    """One Accuracy a stage, as `measure.refine`; what is known does not run again.

    Where all images have run, every stage is exact at once. Nothing asked, nothing
    yielded.
    """
    for found in together({"": runnable}, split, stages, cancelled):
        yield found[""]


def together(
    files: Mapping[str, object],
    split: Split,
    stages: tuple,
    cancelled: Callable[[], bool],
) -> Iterator[dict[str, Accuracy]]:
    """Name -> accuracy, all files at the same stage; ends early only if cancelled.

    As `growing`: a file that has run on all images before stands there at each stage.
    """
    ends = _ends(stages, len(split))
    each = {name: _stages(f, split, ends, cancelled) for name, f in files.items()}
    for _ in ends:
        found = {name: next(one, None) for name, one in each.items()}
        if None in found.values():
            return
        yield found


def _ends(stages: tuple, total: int) -> list[int]:
    """Where each stage ends, cut to the split and without repeats.

    >>> _ends((250, 1000, None), 600), _ends((), 600)
    ([250, 600], [])
    """
    ends = (total if stage is None else min(stage, total) for stage in stages)
    return list(dict.fromkeys(ends))


def _stages(
    file, split: Split, ends: list[int], cancelled: Callable[[], bool]
) -> Iterator[Accuracy]:
    """The accuracy at each stage: from the cache as far as that goes, then measured."""
    key = _stages, file_digest(file), split.digest
    known = CACHE.peek(key, ())
    if len(known) == len(split):
        ends = [len(split)] * len(ends)
    there = [end for end in ends if end <= len(known)]
    for end in there:
        yield Accuracy(known[:end], split.index[:end])
    if left := ends[len(there) :]:
        for accuracy in measure.refine(file, split, left, cancelled):
            _keep(key, accuracy)
            yield accuracy


def _keep(key: tuple, accuracy: Accuracy) -> None:
    """Keep which images were right, unless more of them are known."""
    with _KEEPING:
        if accuracy.n > len(CACHE.peek(key, ())):
            CACHE.put(key, accuracy.correct)


def slow_figures(files: dict[str, bytes], timed: dict[str, object]) -> dict[str, dict]:
    """What comes last: "deflated", name -> bytes, and "latency", name -> Latency."""
    deflated = {name: _deflated(file) for name, file in files.items()}
    return {"deflated": deflated, "latency": latencies(timed)}


@cached
def _deflated(content: bytes) -> int:
    """The length of a file after zlib."""
    return ledger.deflated_bytes(content)


def latencies(models: dict[str, object]) -> dict[str, Latency]:
    """Name -> latency, measured in turns on one thread and kept until forgotten."""
    key = latencies, *((name, file_digest(file)) for name, file in models.items())
    return CACHE.get(key, lambda: timing.latency(models))


def forget_latencies() -> None:
    """Have every latency measured anew when it is asked for again."""
    CACHE.drop_all(latencies)
    one_by_one.forget()
