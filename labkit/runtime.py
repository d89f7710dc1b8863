"""Running a model file: the LiteRT interpreter behind a batch of images."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from labkit.graph import NetworkError


class Runner:
    """One model file made ready for batches of a fixed size.

    content: the bytes of a .tflite file with a float32 input and float32 outputs.
    threads: how many the kernels may use. Raises NetworkError for a file that LiteRT
    refuses. Making one costs milliseconds (the weights are packed for the kernels), so
    keep it as long as the file is measured.
    """

    def __init__(self, content: bytes, batch_size: int, threads: int = 2):
        self.batch_size = batch_size
        self._lock = Lock()
        try:
            with _first_time_quietly():
                self._open(content, batch_size, threads)
        except (ValueError, RuntimeError) as error:
            raise NetworkError(
                f"LiteRT refuses the model: {_first_line(error)}"
            ) from error

    def _open(self, content: bytes, batch_size: int, threads: int) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = [d["index"] for d in self._interpreter.get_output_details()]
        self.input_shape = tuple(int(side) for side in self._input["shape"][1:])
        self._interpreter.resize_tensor_input(
            self._input["index"], (batch_size, *self.input_shape)
        )
        self._interpreter.allocate_tensors()

    def run(self, images: np.ndarray) -> np.ndarray:
        """The first output, float32 (n, classes), of at most `batch_size` images.

        uint8 images are taken as pixels and divided by 255; float32 as they are.
        """
        return self._run(images, self._outputs[:1])[0]

    def run_all(self, images: np.ndarray) -> list[np.ndarray]:
        """As `run`, with every output of the file in its order."""
        return self._run(images, self._outputs)

    def _run(self, images: np.ndarray, outputs: list[int]) -> list[np.ndarray]:
        n = len(images)
        divisor = np.float32(255 if images.dtype == np.uint8 else 1)
        with self._lock:
            # Straight into the interpreter's memory; rows past n keep old pixels.
            np.divide(
                images.reshape(n, *self.input_shape),
                divisor,
                out=self._interpreter.tensor(self._input["index"])()[:n],
            )
            self.invoke()
            return [self._interpreter.get_tensor(index)[:n] for index in outputs]

    def invoke(self) -> None:
        """Run on the batch that is in the input (what a latency measurement times)."""
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise NetworkError(
                f"LiteRT cannot run the model: {_first_line(error)}"
            ) from error


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


def _first_line(error: Exception) -> str:
    return (
        str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
    )
