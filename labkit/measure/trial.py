"""The child of `labkit.model.probe`: reads and runs model files, one after the other.

`python -m labkit.measure.trial FILE …` prints "ready", and then one line a file: null
where it can be used, else why not, as JSON.
"""

import json
import sys
from pathlib import Path

import numpy as np

from labkit.common.children import one_line
from labkit.measure.correctness import BATCH
from labkit.model.graph import NetworkError, read_graph
from labkit.model.network import Network
from labkit.model.probe import READY
from labkit.model.runtime import Runner
from labkit.packed import codec, compressed
from labkit.packed.bit_packing import CodecError

MEMORY_BYTES = 1 << 30  # beside what the interpreter and the libraries take
_IMAGES = 3


def complaint(path: str) -> str | None:
    """What is wrong with a .tflite or packed file, None if nothing."""
    try:
        try_out(opened(Path(path).read_bytes()))
    except (CodecError, NetworkError) as error:
        return str(error)
    except MemoryError:
        return f"it takes more than {MEMORY_BYTES >> 20} MB of memory to read or to run"
    except Exception as error:  # whatever a file that nobody foresaw makes it do
        return f"it is damaged ({type(error).__name__}: {one_line(error)})"
    return None


def opened(content: bytes) -> Network:
    """The network in a file of either format."""
    if content.startswith(codec.MAGIC):
        return compressed.opened(content).network
    return Network.from_bytes(content)


def try_out(network: Network) -> None:
    """Raise NetworkError where the file contradicts itself or runs wrongly.

    It runs on a few images, each alone and in a batch as measurements take them.
    """
    if read_graph(network.skeleton()) != network._graph:
        raise NetworkError("weights overlap the graph: the file is damaged")
    shape = (_IMAGES, *network.input_shape)
    images = np.random.default_rng(0).random(shape, np.float32)
    images[0] = 0
    content = network.to_bytes()
    runner = Runner(content, batch_size=1)
    alone = np.concatenate([runner.run(image[None]) for image in images])
    if not np.isfinite(alone).all():
        raise NetworkError("its outputs are not finite numbers")
    order = np.arange(BATCH) % _IMAGES
    try:
        together = Runner(content, BATCH).run(images[order])
    except NetworkError:
        if runner.own_batch == 1:
            return  # it runs image by image, and a Runner of more says so
        raise
    if not stays_in_place(alone, together, order):
        raise NetworkError(
            f"in a batch of {BATCH} its rows are not those of the single images: it "
            "mixes or moves images"
        )


def stays_in_place(alone: np.ndarray, together: np.ndarray, order: np.ndarray) -> bool:
    """Whether row k of `together` is nearest to the output of image order[k] alone.

    alone: (images, …). together: (n, …). Rounding inside a network may move outputs a
    little, so they need not be equal; a tie is no fault.

    >>> alone, order = np.array([[0.0], [1.0]]), np.array([0, 1, 0])
    >>> stays_in_place(alone, alone[order] + 0.1, order)
    True
    >>> stays_in_place(alone, alone[[1, 0, 0]], order)
    False
    """
    if together.shape != (len(order), *alone.shape[1:]):
        return False
    single = alone.reshape(len(alone), -1).astype(np.float64)
    rows = together.reshape(len(together), -1).astype(np.float64)
    far = np.linalg.norm(rows[:, None] - single[None], axis=2)
    own = far[np.arange(len(order)), order]
    return bool((own <= far.min(axis=1) + 1e-5 * (1 + np.abs(single).max())).all())


def _limit_memory() -> None:
    """Bound the address space, where the system has such a limit."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    except (ImportError, OSError, ValueError):  # Windows and macOS have none
        return


if __name__ == "__main__":
    _limit_memory()
    print(READY, flush=True)
    for name in sys.argv[1:]:
        print(json.dumps(complaint(name)), flush=True)
