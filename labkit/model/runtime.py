"""Running a model file: the LiteRT interpreter behind a batch of images."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from threading import Lock

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from labkit.common.children import one_line
from labkit.model.graph import NetworkError
from labkit.model.inputs import checked, divisor


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """How many cores this process may use: fewer than there are where it is confined.

    cgroup: where Linux keeps a container's share of time (`cpu.max`, in microseconds of
    a period), which Docker and Binder set.

    >>> 1 <= usable_cores() <= os.cpu_count()
    True
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = map(int, (cgroup / "cpu.max").read_text().split())
    except (OSError, ValueError):  # no such file, or "max": no limit
        return cores
    return max(1, min(cores, quota // period))


THREADS = min(2, usable_cores())  # a second one on the same core waits for the first
LARGEST_OUTPUT_BYTES = 1 << 27  # of one layer, for the images that run at once

# Of these, 250, 1,000 and 10,000 images are whole batches.
BATCHES = (125, 50, 25, 10, 5, 1)
WIDEST_BYTES = 2 << 20


def suited_batch(widest: int) -> int:
    """The largest of BATCHES whose widest layer takes at most 2 MiB, or 1.

    widest: the bytes of one image where the network needs most for it. Above that size
    a batch no longer fits the processor's caches, and memory that the system has to
    clear for it first takes longer than a larger batch saves.

    >>> suited_batch(784 * 4), suited_batch(32 * 32 * 16 * 4)  # mlp, resnet8
    (125, 25)
    """
    return next((n for n in BATCHES if n * widest <= WIDEST_BYTES), BATCHES[-1])


class Runner:
    """One model file made ready for batches of a fixed size.

    content: the bytes of a .tflite file with a float32 input and float32 outputs.
    batch_size: None for the `suited_batch` of the file. threads: how many the kernels
    may use. `step` is how many images run at once: the batch size, or fewer where a
    layer's output for all of them is larger than 128 MB. `own_batch` is the batch that
    the file is made for, None for any.
    Raises NetworkError for a file that LiteRT refuses, or with another input. Making
    one costs milliseconds (the weights are packed for the kernels), so keep it as long
    as the file is measured.
    """

    def __init__(self, content: bytes, batch_size: int | None, threads: int = THREADS):
        if batch_size is not None and batch_size < 1:
            raise NetworkError(f"a batch of {batch_size} images: give at least 1")
        self.batch_size, self.own_batch = batch_size, None
        self._lock = Lock()
        try:
            with _first_time_quietly():
                self._open(content, batch_size, threads)
        except (ValueError, RuntimeError) as error:
            raise NetworkError(
                f"LiteRT refuses the model{self._fixed()}: {one_line(error)}"
            ) from error

    def _open(self, content: bytes, batch_size: int | None, threads: int) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._input = _only_input(self._interpreter.get_input_details())
        outputs = self._interpreter.get_output_details()
        _check_floats(outputs, "output")
        self._outputs = [d["index"] for d in outputs]
        own = [int(side) for side in self._input["shape_signature"][:1] if side > 0]
        self.own_batch = own[0] if own else None
        self.input_shape = tuple(int(side) for side in self._input["shape"][1:])
        self.batch_size = batch_size or suited_batch(self._widest())
        self.step = _fitting(self._interpreter.get_tensor_details(), self.batch_size)
        self._interpreter.resize_tensor_input(
            self._input["index"], (self.step, *self.input_shape)
        )
        self._interpreter.allocate_tensors()

    def _widest(self) -> int:
        """The most bytes that a tensor has for one image, as the file says.

        Looked at are all tensors with as many rows as the input, so that a kernel with
        that first side counts too: the batch is then smaller than it might be.
        """
        rows = self._input["shape"][:1].tolist()
        sizes = [
            prod(tensor["shape"][1:].tolist()) * np.dtype(tensor["dtype"]).itemsize
            for tensor in self._interpreter.get_tensor_details()
            if tensor["shape"][:1].tolist() == rows
        ]
        return max(sizes, default=1)

    def run(self, images: np.ndarray) -> np.ndarray:
        """The first output, float32 (n, classes), of at most `batch_size` images.

        images: as for `labkit.model.inputs.checked`, which raises ValueError.
        """
        return self._run(images, self._outputs[:1])[0]

    def run_all(self, images: np.ndarray) -> list[np.ndarray]:
        """As `run`, with every output of the file in its order."""
        return self._run(images, self._outputs)

    def _run(self, images: np.ndarray, outputs: list[int]) -> list[np.ndarray]:
        images = checked(images, self.input_shape)
        if len(images) <= self.step:
            return self._run_at_once(images, outputs)
        starts = range(0, len(images), self.step)
        parts = [self._run_at_once(images[k : k + self.step], outputs) for k in starts]
        return [np.concatenate(rows) for rows in zip(*parts, strict=True)]

    def _run_at_once(self, images: np.ndarray, outputs: list[int]) -> list[np.ndarray]:
        n = len(images)
        with self._lock:
            # Straight into the interpreter's memory; rows past n keep old pixels.
            np.divide(
                images,
                divisor(images),
                out=self._interpreter.tensor(self._input["index"])()[:n],
            )
            self._invoke()
            return [self._rows(self._interpreter.get_tensor(k))[:n] for k in outputs]

    def _rows(self, output: np.ndarray) -> np.ndarray:
        """An output, if it has a row for each image.

        Its shape before the first run need not be true: that may depend on the input.
        """
        if output.shape[:1] != (self.step,):
            raise NetworkError(
                f"the model's output for {self.step} images has shape {output.shape}, "
                f"not one row an image{self._fixed()}"
            )
        return output

    def _fixed(self) -> str:
        """What to do about a file that says a batch of its own, where it does."""
        if self.own_batch in (None, self.batch_size):
            return ""
        return f" (the file has a fixed batch: give batch_size={self.own_batch})"

    def invoke(self) -> None:
        """Run on the batch that is in the input (what a latency measurement times).

        Raises NetworkError where a whole batch does not run at once.
        """
        if self.step < self.batch_size:
            raise NetworkError(
                f"a layer's output for {self.batch_size} images takes more than "
                f"{LARGEST_OUTPUT_BYTES >> 20} MB: time at most {self.step} at once"
            )
        self._invoke()

    def _invoke(self) -> None:
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise NetworkError(
                f"LiteRT cannot run the model{self._fixed()}: {one_line(error)}"
            ) from error


def _only_input(inputs: list[dict]) -> dict:
    """The details of a file's input; NetworkError unless it is one batch of floats."""
    if len(inputs) != 1:
        raise NetworkError(f"the model has {len(inputs)} inputs: it must have one")
    _check_floats(inputs, "input")
    if len(inputs[0]["shape"]) == 0:
        raise NetworkError("the model's input has no axis for the images of a batch")
    return inputs[0]


def _check_floats(tensors: list[dict], role: str) -> None:
    """Raise NetworkError for inputs or outputs that are not float32."""
    for tensor in tensors:
        if tensor["dtype"] != np.float32:
            raise NetworkError(
                f"the model's {role} is {np.dtype(tensor['dtype'])}, and here float32 "
                "goes in and out: `labkit.integer.IntegerNetwork` opens int8 files"
            )


def _fitting(tensors: list[dict], batch_size: int) -> int:
    """How many of `batch_size` images keep each tensor below LARGEST_OUTPUT_BYTES.

    >>> image = {"shape": np.array([1, 512, 512, 32]), "dtype": np.float32}
    >>> _fitting([image], 125)    # 32 MB an image
    4
    """
    largest = max(
        (
            prod(int(side) for side in tensor["shape"][1:])
            * np.dtype(tensor["dtype"]).itemsize
            for tensor in tensors
        ),
        default=0,
    )
    return max(1, min(batch_size, LARGEST_OUTPUT_BYTES // max(largest, 1)))


_announced = Lock()


@contextmanager
def _first_time_quietly() -> Iterator[None]:
    """Hide what LiteRT writes to stderr when it first opens its CPU kernels."""
    if not _announced.acquire(blocking=False):
        yield
        return
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
