"""Try model files of unknown origin in a child process, where a crash harms nobody.

Both formats of the lab: .tflite, and the packed file. `labkit.measure.trial` is the
child.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Thread

from labkit.common.children import ending, environment, last_line
from labkit.model.graph import NetworkError
from labkit.model.vouched import is_vouched, vouch

CHILD = ["-m", "labkit.measure.trial"]
READY = "ready"  # the child's first line
SECONDS_TO_START = 120
SECONDS_A_FILE = 60
LARGEST_FILE = 1 << 29


def read(path: str | os.PathLike) -> bytes:
    """The bytes of a model file. Raises NetworkError where there are none to be read,
    or more than 512 MB."""
    path = Path(path)
    try:
        if not path.is_file():
            raise NetworkError(f"{path} does not exist: give the path of a model file")
        if path.stat().st_size > LARGEST_FILE:
            raise NetworkError(
                f"{path} has {path.stat().st_size:,} bytes: files of this lab have at "
                f"most {LARGEST_FILE:,}"
            )
        return path.read_bytes()
    except OSError as error:
        raise NetworkError(
            f"{path} cannot be read ({error.strerror}): check its permissions"
        ) from error


def complaint(content: bytes) -> str | None:
    """None if a file of this content can be used, else why not.

    A content that is vouched for, by an earlier check too, needs no child.
    """
    if is_vouched(content):
        return None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        found = check([path])[0]
    if found is None:
        vouch(content)
    return found


def check(paths: Sequence[Path]) -> list[str | None]:
    """For each file None if it can be used, else why not, in words of one line.

    Where the child dies or hangs on a file, that file is at fault and a new child goes
    on with the next. Where no child can be started, that is said of every file left.
    """
    verdicts: list[str | None] = []
    while len(verdicts) < len(paths):
        rest = [str(path) for path in paths[len(verdicts) :]]
        started, lines, end = _run_child(rest)
        verdicts += lines
        missing = len(paths) - len(verdicts)
        verdicts += [end] * (min(missing, 1) if started else missing)
    return verdicts


def _run_child(paths: list[str]) -> tuple[bool, list[str | None], str]:
    """Whether a child started, its verdicts, and what its end means for the next file.

    Its stderr goes to a file, so that it never waits for a reader.
    """
    command = [sys.executable, *CHILD, *paths]
    with TemporaryFile("w+", errors="replace") as said:
        try:
            child = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env=environment(),
            )
        except OSError as error:
            return False, [], _not_started(str(error))
        with child:
            try:
                started, verdicts, in_time = _heard(child)
            finally:
                child.kill()
        said.seek(0)
        last = last_line(said.read())
    if not started:
        return False, [], _not_started(last or ending(child.returncode))
    if not in_time:
        return True, verdicts, f"it was not done after {SECONDS_A_FILE} s of running"
    return True, verdicts, _died(child.returncode, last)


def _heard(child: subprocess.Popen) -> tuple[bool, list[str | None], bool]:
    """Whether a child started, its verdicts, and whether it ended in time by itself."""
    lines: Queue[str | None] = Queue()
    Thread(target=_forward, args=(child.stdout, lines), daemon=True).start()
    verdicts = []
    try:
        if lines.get(timeout=SECONDS_TO_START) != f"{READY}\n":
            child.wait()
            return False, [], True
    except Empty:
        return False, [], False
    try:
        while line := lines.get(timeout=SECONDS_A_FILE):
            verdicts.append(json.loads(line))
    except Empty:
        return True, verdicts, False
    child.wait()
    return True, verdicts, True


def _not_started(reason: str) -> str:
    return (
        f"the process that checks files did not start ({reason}), which says nothing "
        f"of the file: see that {sys.executable} runs `import labkit`"
    )


def _died(code: int, last: str) -> str:
    """What it means that the child ended while it was at work on a file."""
    end = f"{ending(code)}; its last words: {last}" if last else ending(code)
    if ending(code) == "signal SIGKILL":
        return (
            f"the system ended its check ({end}), as it does where memory is short: "
            "close other programs and try again"
        )
    return f"running it ended the process ({end}): it is damaged, get it anew"


def _forward(stream, lines: Queue) -> None:
    """Put each line of a child's output into the queue, and None at its end."""
    for line in stream:
        lines.put(line)
    lines.put(None)
