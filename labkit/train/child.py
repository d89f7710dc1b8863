"""Short trainings for the lessons, each in a child process that can be cancelled.

The child imports TensorFlow (seconds, 600 MB) and gives all of it back at its end; the
kernel that looks at the progress stays small.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from queue import Empty, Queue
from signal import Signals
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Thread

import numpy as np

from labkit.common.children import environment
from labkit.common.files import write_whole
from labkit.distill.losses import check_mixture
from labkit.model.vouched import vouch

LOOK_SECONDS = 0.1


def _seconds(named: str | None) -> float:
    """What lessons and panels give a training, so that none of them waits for minutes.

    named: the environment variable LABKIT_SECONDS. Raises ValueError for one that is
    no number above 0.

    >>> _seconds(None), _seconds("2.5")
    (20.0, 2.5)
    """
    try:
        seconds = float(named or 20)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < inf:
        raise ValueError(
            f"LABKIT_SECONDS is {named!r}: give a number of seconds above 0"
        )
    return seconds


SECONDS = _seconds(os.environ.get("LABKIT_SECONDS"))


class TrainingError(Exception):
    """The training ended without a result; the text is the child's last word."""


@dataclass(frozen=True)
class Progress:
    """step: how many of `steps` batches are done. loss: their latest mean loss.

    steps: as many as were asked for, or fewer where a time was given. packed: the
    trained network's packed file; None but at the end. student: which of two networks,
    where two are trained.
    """

    step: int
    steps: int
    loss: float
    packed: bytes | None = None
    student: str = ""


def train_quantized(
    name: str,
    setting: str,
    steps: int,
    seed: int = 0,
    progress: Callable[[Progress], object] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
    seconds: float | None = None,
) -> bytes | None:
    """Quantization-aware training of a zoo's network: its packed file.

    As `training`; progress is called every few steps. None if it was cancelled.
    """
    seen = training(name, setting, steps, seed, cancelled, seconds)
    return result(seen, progress)


def result(
    seen: Iterable[Progress], progress: Callable[[Progress], object] = lambda _: None
) -> bytes | None:
    """The packed file that a training ends with, None if it was cancelled.

    seen: what `training`, `fine_tuning`, `pruning` or `distillation` returned.
    progress is called with each Progress before the last.
    """
    packed = None
    for now in seen:
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
    seconds: float | None = None,
) -> Iterator[Progress]:
    """Quantization-aware training of a zoo's network, seen every few steps.

    setting: bits of weights and activations, as "W4A4". steps: batches of 128 images,
    1 or more. The last Progress has the packed file. cancelled: asked ten times a
    second; once it says True the child is ended and nothing more comes. seconds: above
    0; where this machine, as fast as in the first second of training, would take longer
    for the steps, it takes as many as fit. Then the result is that of so many `steps`.
    Raises TrainingError where the child fails, or TensorFlow is not installed.
    """
    yield from _training(["qat", name, setting], steps, seed, cancelled, seconds)


def fine_tuning(
    name: str,
    masks: Mapping[str, np.ndarray],
    steps: int,
    seed: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
    seconds: float | None = None,
) -> Iterator[Progress]:
    """Training of a zoo's network with masks kept, from its trained weights.

    masks: layer name -> bool array in the shape of the kernel in the file, True = kept,
    as `labkit.prune.masking` makes them; layers without one keep all their weights.
    Everything else as for `training`; ends with the packed file of the pruned network.
    """
    with TemporaryDirectory() as folder:
        file = write_whole(
            Path(folder) / "masks.npz", lambda new: np.savez_compressed(new, **masks)
        )
        how = ["masked", name, "--masks", str(file)]
        yield from _training(how, steps, seed, cancelled, seconds)


def pruning(
    name: str,
    sparsity: float,
    steps: int,
    schedule: str = "cubic",
    scope: str = "global",
    seed: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
    seconds: float | None = None,
) -> Iterator[Progress]:
    """Training of a zoo's network while its smallest weights are removed.

    sparsity: the fraction of its kernels' weights that is gone at the end, from 0 to
    below 1. schedule: "one-shot", "iterative" or "cubic", see `labkit.prune.schedules`:
    the first half of the steps prunes. scope: as for `labkit.prune.masks`.
    Everything else as for `fine_tuning`.
    """
    how = ["prune", name, str(sparsity), "--schedule", schedule, "--scope", scope]
    yield from _training(how, steps, seed, cancelled, seconds)


def distillation(
    teacher: str,
    width: int,
    temperature: float,
    alpha: float,
    images: int,
    steps: int,
    seed: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
    seconds: float | None = None,
) -> Iterator[Progress]:
    """Training of a student 784-w-w-10 on digits: alone, then by a teacher.

    teacher: "mlp" or "lenet5". width: w. temperature, alpha: as in
    `labkit.distill.loss`. images: of the first 5,000 training images. steps: batches of
    up to 128 images for each student. seconds: for both, half of it each. Each Progress
    names its student, "alone" or "distilled", and its loss on some validation images;
    the last one's file is read by `labkit.compress.read_students`. Everything else as
    for `training`.
    """
    if width < 1:
        raise ValueError(f"width is {width}: give 1 or more units")
    if not 1 <= images <= 5000:
        raise ValueError(f"images is {images}: give 1 to 5,000")
    check_mixture(temperature, alpha)
    how = {"width": width, "temperature": temperature, "alpha": alpha, "images": images}
    options = [f"--{name}={value}" for name, value in how.items()]
    module = "labkit.train.live_distillation"
    yield from _training([teacher, *options], steps, seed, cancelled, seconds, module)


def _training(
    arguments: list[str],
    steps: int,
    seed: int,
    cancelled: Callable[[], bool],
    seconds: float | None,
    module: str = "labkit.train.live_training",
) -> Iterator[Progress]:
    """What a child that trains says, and at the end the file that it wrote."""
    if steps < 1:
        raise ValueError(f"steps is {steps}: give 1 or more")
    if seconds is not None and not 0 < seconds < inf:
        raise ValueError(f"seconds is {seconds}: give a time above 0, or None for all")
    if importlib.util.find_spec("tensorflow") is None:
        raise TrainingError("training needs TensorFlow: pip install -e '.[train]'")
    with TemporaryDirectory() as folder:
        out = Path(folder) / "trained.packed"
        command = [
            *(sys.executable, "-m", module, *arguments),
            *("--steps", str(steps), "--seed", str(seed), "--out", str(out)),
            *(() if seconds is None else ("--seconds", str(seconds))),
        ]
        for line in _lines(command, cancelled):
            now = Progress(**json.loads(line))
            yield now
        if out.exists() and not cancelled():
            yield replace(now, packed=vouch(out.read_bytes()))


def _lines(command: list[str], cancelled: Callable[[], bool]) -> Iterator[str]:
    """A child's lines as they come; TrainingError if it fails, quiet if cancelled.

    The child never outlives the reader, however the reading ends.
    """
    with (
        TemporaryFile("w+") as complaints,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env=environment(),
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
            said = complaints.read().strip().splitlines()
            raise TrainingError(_why(child.returncode, said[-1] if said else ""))


def _why(code: int, last: str) -> str:
    """Why a child ended: code is its exit code, last what it said at last, or "".

    >>> _why(1, "no memory")
    'the training failed: no memory'
    >>> _why(-11, "")
    'the training was ended by signal 11 (SIGSEGV); it said nothing'
    """
    if code >= 0:
        return f"the training failed: {last or 'it said nothing'}"
    ended = f"the training was ended by signal {-code} ({Signals(-code).name})"
    if code == -Signals.SIGKILL:
        return (
            f"{ended}, probably because memory ran out (it takes up to 1 GB): shut "
            "other kernels and programs down, then start it again"
        )
    return f"{ended}; {f'its last word: {last}' if last else 'it said nothing'}"


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
