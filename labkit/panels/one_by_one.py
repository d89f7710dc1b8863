"""Files too slow to run on every test image: some images, one at a time.

LiteRT's kernels for 16-bit activations are plain loops. Each call is then long enough
to be timed by itself, so one run gives both the accuracy and the latency, and a new
setting need not wait for the end of a batch.
"""

import time
from collections.abc import Iterator

import numpy as np

from labkit.common.cache import CACHE
from labkit.common.keys import file_digest
from labkit.common.split import Split
from labkit.measure.correctness import Accuracy
from labkit.measure.timing import MIN_RUNS, Latency, summary
from labkit.model.network import Network
from labkit.model.runtime import Runner
from labkit.panels.worker import Cancelled

MACS = 1_500_000_000  # in all: some seconds
EVERY = 10  # images between two results

Measured = tuple[Accuracy, Latency | None]


def images_for(network: Network) -> int:
    """How many images a slow file of this network runs, at least MIN_RUNS."""
    return max(MIN_RUNS, MACS // network.macs)


def one_by_one(model, split: Split, n: int, cancelled: Cancelled) -> Iterator[Measured]:
    """The accuracy on a growing prefix of at most n images; the latency with the last.

    model: has `to_bytes()`, a .tflite file. Kept under the file's digest, until
    `forget` is called. Nothing more is yielded once `cancelled` says True.
    """
    n = min(n, len(split))
    key = one_by_one, file_digest(model), split.digest, n
    known = CACHE.peek(key)
    if known is not None:
        yield known
        return
    runner = Runner(model.to_bytes(), batch_size=1, threads=1)
    correct, samples_us = np.zeros(n, bool), []
    for k in range(n):
        if cancelled():
            return
        start = time.perf_counter()
        logits = runner.run(split.images[k : k + 1])
        samples_us.append((time.perf_counter() - start) * 1e6)
        correct[k] = logits.argmax() == split.labels[k]
        if (k + 1) % EVERY == 0 and k + 1 < n:
            yield Accuracy(correct[: k + 1], split.index[: k + 1]), None
    measured = Accuracy(correct, split.index[:n]), summary(samples_us, threads=1)
    CACHE.put(key, measured)
    yield measured


def forget() -> None:
    """Have the next call measure anew."""
    CACHE.drop_all(one_by_one)
