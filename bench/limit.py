"""The physical limit of a measurement: the bare LiteRT interpreter on the same runs.

Bare is what no program can leave out that counts right answers with this interpreter:
open the file, resize its input to the batch, divide the uint8 pixels by 255 straight
into the interpreter's memory, invoke, and compare the largest logits with the labels.
The threads are the same, the pixels are not in the input beforehand, and no check, lock
or cancel is asked for. `bare` does it for one file; `beside` times a call of the lab
and then, bare, exactly those files and images that the call has run.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from unittest.mock import patch

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from labkit.model.runtime import Runner


class Bare:
    """The interpreter on one file: content, images a batch, threads."""

    def __init__(self, content: bytes, batch: int, threads: int):
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        details = self._interpreter.get_input_details()[0]
        self._shape = details["shape"][1:].tolist()
        self._interpreter.resize_tensor_input(details["index"], (batch, *self._shape))
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.tensor(details["index"])
        output = self._interpreter.get_output_details()[0]["index"]
        self._output = self._interpreter.tensor(output)
        self.invoke = self._interpreter.invoke

    def run(self, images: np.ndarray) -> np.ndarray:
        """The logits of at most `batch` images, in the interpreter's own memory."""
        n = len(images)
        divisor = np.float32(255 if images.dtype == np.uint8 else 1)
        np.divide(images.reshape(n, *self._shape), divisor, out=self._input()[:n])
        self.invoke()
        return self._output()[:n]


def bare(
    content: bytes, images: np.ndarray, labels: np.ndarray, batch: int, threads: int
) -> int:
    """How many of the images a new interpreter on the file gets right."""
    interpreter, right = Bare(content, batch, threads), 0
    for k in range(0, len(images), batch):
        answers = interpreter.run(images[k : k + batch]).argmax(axis=1)
        right += int((answers == labels[k : k + batch]).sum())
    return right


@dataclass(frozen=True)
class Opened:
    """A file that the lab has opened, and what it ran there.

    images: one array a batch, in their order. invokes: () for each call of the
    interpreter, those of the batches included.
    """

    content: bytes
    batch: int
    threads: int
    images: list[np.ndarray] = field(default_factory=list)
    invokes: list[tuple] = field(default_factory=list)


@contextmanager
def recorded() -> Iterator[list[Opened]]:
    """The files that the lab opens meanwhile, each with what it runs there."""
    files, init, run, invoke = [], Runner.__init__, Runner._run, Runner.invoke

    def opened(self, content, batch_size, threads=2):
        init(self, content, batch_size, threads)
        self.noted = Opened(content, self.batch_size, threads)
        files.append(self.noted)

    def ran(self, images, outputs):
        self.noted.images.append(images)
        return run(self, images, outputs)

    def invoked(self):
        self.noted.invokes.append(())
        invoke(self)

    with patch.multiple(Runner, __init__=opened, _run=ran, invoke=invoked):
        yield files


def so_far(files: Sequence[Opened]) -> list[Opened]:
    """A copy that later runs do not change."""
    return [
        replace(file, images=file.images[:], invokes=file.invokes[:]) for file in files
    ]


def replay(files: Sequence[Opened]) -> None:
    """The same runs with the bare interpreter, one file after the other."""
    for file in files:
        interpreter = Bare(file.content, file.batch, file.threads)
        for images in file.images:
            interpreter.run(images)
        for _ in file.invokes[len(file.images) :]:
            interpreter.invoke()


def milliseconds(call: Callable[[], object]) -> float:
    """The time of one call."""
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def limit_milliseconds(files: Sequence[Opened]) -> float:
    """The time of `replay`."""
    return milliseconds(partial(replay, files))


def beside(call: Callable[[], object]) -> tuple[float, float]:
    """The time of a call, and of the bare interpreter on what the call has run."""
    with recorded() as files:
        took = milliseconds(call)
    return took, limit_milliseconds(files)


def cells(pairs: Sequence[tuple[float, float]], digits: int = 0) -> list[str]:
    """Median time, median limit, and the median of their ratios, round by round.

    >>> cells([(30.0, 20.0), (12.0, 10.0), (11.0, 10.0)])
    ['12', '10', '1.20']
    >>> cells([(30.0, 0.0)])  # nothing ran
    ['30', '0', '']
    """
    took, limit = (median(times) for times in zip(*pairs, strict=True))
    times = median(a / b for a, b in pairs) if all(b for _, b in pairs) else None
    ratio = "" if times is None else f"{times:.2f}"
    return [f"{took:,.{digits}f}", f"{limit:,.{digits}f}", ratio]
