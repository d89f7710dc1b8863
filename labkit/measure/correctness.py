"""How often a model file is right, and whether a change of it is real.

Accuracy is counted on a growing prefix of a split. The lab's test images have one fixed
shuffled order, so a prefix is a fair sample: the first figure comes from a few hundred
images, the last from all of them, and no image runs twice.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from labkit.common.split import Split
from labkit.measure.intervals import mcnemar, newcombe, wilson
from labkit.model.graph import NetworkError
from labkit.model.runtime import THREADS, Runner

# Of what is no file; a file has the batch that suits it (`runtime.suited_batch`). Small
# enough that a cancel is heard soon.
BATCH = 125


@dataclass(frozen=True, eq=False)
class Accuracy:
    """Which images a model got right.

    correct: bool, (n,), in the order the images ran. index: int, (n,), where each image
    stands in its data set, so that only equal images are ever paired; left out, the
    images count as 0 to n - 1.

    >>> accuracy = Accuracy(np.array([True, True, False, True]))
    >>> accuracy.value, accuracy.n
    (0.75, 4)
    """

    correct: np.ndarray
    index: np.ndarray | None = None

    def __post_init__(self):
        correct = np.array(self.correct, dtype=bool)
        index = np.arange(len(correct)) if self.index is None else np.array(self.index)
        if correct.ndim != 1 or index.shape != correct.shape or not len(correct):
            raise ValueError(
                f"correct {correct.shape} and index {index.shape}: give one dimension, "
                "the same length, at least one image"
            )
        correct.flags.writeable = index.flags.writeable = False
        object.__setattr__(self, "correct", correct)
        object.__setattr__(self, "index", index)

    @property
    def n(self) -> int:
        """How many images ran."""
        return len(self.correct)

    @property
    def value(self) -> float:
        """The share that was right, 0 to 1."""
        return int(self.correct.sum()) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of `value`."""
        return wilson(int(self.correct.sum()), self.n)


def accuracy(runnable, split: Split, n: int | None = None) -> Accuracy:
    """The accuracy on the first n images of the split, or on all of them.

    runnable: as in `refine`. Raises ValueError unless 1 <= n <= len(split).
    """
    if n is not None and not 1 <= n <= len(split):
        raise ValueError(f"{n} images: give 1 to {len(split)}, what the split has")
    return next(refine(runnable, split, stages=(n,)))


def refine(
    runnable,
    split: Split,
    stages: Sequence[int | None] = (250, 1000, None),
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Accuracy]:
    """One Accuracy a stage, each over more images of the same prefix.

    runnable: a model with `to_bytes()`, whose file is opened once for all stages; or,
    for arithmetic that no file holds, anything with `predict(images)` that takes uint8
    images and returns logits (n, classes). The largest logit is the answer.
    stages: growing numbers of images, None for all; a stage is cut to the split.
    cancelled: asked before each batch of at most 125 images; once it says True, nothing
    more is yielded.
    Raises ValueError for stages that do not grow and for an empty split, NetworkError
    for logits that are not finite.
    """
    ends = _ends(stages, len(split))
    predict, size = _opened(runnable)
    correct = np.zeros(ends[-1], dtype=bool)
    start = 0
    for end in ends:
        while start < end:
            if cancelled():
                return
            batch = slice(start, min(start + size, end))
            answers = _answers(predict(split.images[batch]), start)
            correct[batch] = answers == split.labels[batch]
            start = batch.stop
        yield Accuracy(correct[:end], split.index[:end])


def _ends(stages: Sequence[int | None], total: int) -> list[int]:
    """Where each stage ends, cut to the split and without repeats.

    >>> _ends((250, 1000, None), 600)
    [250, 600]
    """
    if not total:
        raise ValueError("the split has no images: give at least one")
    ends = [total if stage is None else min(stage, total) for stage in stages]
    if not ends or ends[0] < 1 or sorted(ends) != ends:
        raise ValueError(f"stages {tuple(stages)}: give growing numbers, 1 or more")
    return sorted(set(ends))


def _opened(runnable) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """A function images -> logits, and how many images it takes at most."""
    if hasattr(runnable, "to_bytes"):
        runner = Runner(runnable.to_bytes(), None, THREADS)
        return runner.run, runner.batch_size
    return runnable.predict, BATCH


def _answers(logits: np.ndarray, start: int) -> np.ndarray:
    if not np.isfinite(logits).all():
        raise NetworkError(
            f"the model's outputs for images {start} to {start + len(logits) - 1} are "
            "not finite: its weights are too large, take a milder setting"
        )
    return logits.argmax(axis=1)


@dataclass(frozen=True)
class Paired:
    """Two models on the same n images.

    newly_wrong: right before, wrong now. newly_right: the reverse. difference: accuracy
    now minus before, -1 to 1. interval: its 95 % interval (Newcombe 1998, method 10).
    p_value: exact McNemar; small where the two models are not equally good.
    """

    n: int
    newly_wrong: int
    newly_right: int
    difference: float
    interval: tuple[float, float]
    p_value: float


def compare(base: Accuracy, other: Accuracy) -> Paired:
    """How `other` differs from `base` on the images that both have run.

    Where one ran fewer images, the other's prefix of that length is used. Raises
    ValueError if the two prefixes are not the same images.

    >>> before, now = Accuracy([True, True, False]), Accuracy([False, True, True])
    >>> paired = compare(before, now)
    >>> paired.newly_wrong, paired.newly_right, paired.difference, paired.p_value
    (1, 1, 0.0, 1.0)
    """
    n = min(base.n, other.n)
    if not np.array_equal(base.index[:n], other.index[:n]):
        raise ValueError(
            "the two accuracies come from different images: measure both on one split"
        )
    before, now = base.correct[:n], other.correct[:n]
    both = int((before & now).sum())
    newly_wrong = int((before & ~now).sum())
    newly_right = int((now & ~before).sum())
    neither = n - both - newly_wrong - newly_right
    return Paired(
        n=n,
        newly_wrong=newly_wrong,
        newly_right=newly_right,
        difference=(newly_right - newly_wrong) / n,
        interval=newcombe(both, newly_right, newly_wrong, neither),
        p_value=mcnemar(newly_wrong, newly_right),
    )
