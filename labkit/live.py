"""Short trainings for the lessons, each in a child process that can be cancelled.

The child imports TensorFlow (seconds, 600 MB) and gives all of it back at its end; the
kernel that looks at the progress stays small.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Thread

LOOK_SECONDS = 0.1


class TrainingError(Exception):
    """The training ended without a result; the text is the child's last word."""


@dataclass(frozen=True)
class Progress:
    """step: how many of `steps` batches are done. loss: their latest mean loss.

    packed: the trained network's packed file; None but at the end.
    """

    step: int
    steps: int
    loss: float
    packed: bytes | None = None


def train_quantized(
    name: str,
    setting: str,
    steps: int,
    seed: int = 0,
    progress: Callable[[Progress], object] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> bytes | None:
    """Quantization-aware training of a zoo's network: its packed file.

    As `training`; progress is called every few steps. None if it was cancelled.
    """
    packed = None
    for now in training(name, setting, steps, seed, cancelled):
        packed = now.packed
        if packed is None:
            progress(now)
    return packed


def training(
    name: str,
    setting: str,
    steps: int,
    seed: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Progress]:
    """Quantization-aware training of a zoo's network, seen every few steps.

    setting: bits of weights and activations, as "W4A4". steps: batches of 128 images,
    1 or more. The last Progress has the packed file. cancelled: asked ten times a
    second; once it says True the child is ended and nothing more comes.
    Raises TrainingError where the child fails, or TensorFlow is not installed.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}: give 1 or more")
    if importlib.util.find_spec("tensorflow") is None:
        raise TrainingError("training needs TensorFlow: pip install -e '.[train]'")
    with TemporaryDirectory() as folder:
        out = Path(folder) / "trained.packed"
        command = [
            *(sys.executable, "-m", "labkit.train.live", name, setting),
            *("--steps", str(steps), "--seed", str(seed), "--out", str(out)),
        ]
        for line in _lines(command, cancelled):
            now = Progress(steps=steps, **json.loads(line))
            yield now
        if out.exists() and not cancelled():
            yield replace(now, packed=out.read_bytes())


def _lines(command: list[str], cancelled: Callable[[], bool]) -> Iterator[str]:
    """A child's lines as they come; TrainingError if it fails, quiet if cancelled.

    The child never outlives the reader, however the reading ends.
    """
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with (
        TemporaryFile("w+") as complaints,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env=environment,
        ) as child,
    ):
        try:
            yield from _until_cancelled(child.stdout, cancelled)
            if cancelled():
                return
            failed = child.wait() != 0
        finally:
            child.kill()
        if failed:
            complaints.seek(0)
            said = complaints.read().strip().splitlines() or ["it said nothing"]
            raise TrainingError(f"the training failed: {said[-1]}")


def _until_cancelled(stream, cancelled: Callable[[], bool]) -> Iterator[str]:
    """The lines of a child's output, to its end or until `cancelled`."""
    lines: Queue[str | None] = Queue()
    Thread(target=_forward, args=(stream, lines), daemon=True).start()
    line = ""
    while line is not None and not cancelled():
        try:
            line = lines.get(timeout=LOOK_SECONDS)
        except Empty:
            continue
        if line is not None:
            yield line


def _forward(stream, lines: "Queue[str | None]") -> None:
    """Put each line of a child's output into the queue, and None at its end."""
    for line in stream:
        lines.put(line)
    lines.put(None)
