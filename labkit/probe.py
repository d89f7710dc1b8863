"""Try model files of unknown origin in a child process, where a crash harms nobody.

`python -m labkit.probe FILE …` reads each file's graph, runs it once on a black image
and prints one line a file: null where it is usable, else what is wrong, as JSON.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

CHILD = ["-m", "labkit.probe"]
SECONDS_A_FILE = 20
MEMORY_BYTES = 2 << 30


def check(paths: Sequence[Path]) -> list[str | None]:
    """For each file None if it can be used, else one sentence saying why not.

    Where the child dies or hangs on a file, that file is at fault and a new child goes
    on with the next.
    """
    verdicts: list[str | None] = []
    while len(verdicts) < len(paths):
        rest = [str(path) for path in paths[len(verdicts) :]]
        lines, complaint = _run_child(rest)
        verdicts += lines
        if len(verdicts) < len(paths):
            verdicts.append(complaint)
    return verdicts


def _run_child(paths: list[str]) -> tuple[list[str | None], str]:
    """The verdicts that a child gave before its end, and what its end would mean."""
    command = [sys.executable, *CHILD, *paths]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        lines: Queue[str | None] = Queue()
        Thread(target=_forward, args=(child.stdout, lines), daemon=True).start()
        verdicts = []
        try:
            while line := lines.get(timeout=SECONDS_A_FILE):
                verdicts.append(json.loads(line))
        except Empty:
            child.kill()
            return verdicts, f"LiteRT hung on it for {SECONDS_A_FILE} s: it is damaged"
        code = child.wait()
        return verdicts, f"LiteRT crashed on it (exit code {code}): it is damaged"


def _forward(stream, lines: Queue) -> None:
    """Put each line of a child's output into the queue, and None at its end."""
    for line in stream:
        lines.put(line)
    lines.put(None)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _complaint(path: str) -> str | None:
    import numpy as np

    from labkit.graph import NetworkError, read_graph
    from labkit.runtime import Runner

    try:
        content = Path(path).read_bytes()
        shape = read_graph(content).input_shape
        outputs = Runner(content, batch_size=1).run(np.zeros((1, *shape), np.float32))
    except (NetworkError, MemoryError, ValueError) as error:
        return str(error) or type(error).__name__
    return None if np.isfinite(outputs).all() else "its outputs are not finite numbers"


if __name__ == "__main__":
    _limit_memory()
    for name in sys.argv[1:]:
        print(json.dumps(_complaint(name)), flush=True)
