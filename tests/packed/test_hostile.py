"""Small files that say much: one sentence each, and little memory."""

import json
import subprocess
import sys

import hostile
import numpy as np
import pytest

from labkit import zoo
from labkit.common.children import environment
from labkit.packed import codec, compressed
from labkit.packed.bit_packing import CodecError
from labkit.packed.storages import sparse
from labkit.quantize.codebook import quantize_to_levels

MEGABYTES = 200
READER = """
import json, resource, sys
from pathlib import Path
from labkit.packed import opened, unpack
unit = 1 << (20 if sys.platform == "darwin" else 10)
def own_peak():
    # What a process had before it became this one counts in ru_maxrss, not in VmHWM.
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
def child_peak():
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
peak, read = own_peak, lambda path: opened(path.read_bytes())
if sys.argv[1] == "child":
    peak, read = child_peak, unpack
for path in sys.argv[2:]:
    try:
        read(Path(path))
        said = None
    except Exception as error:
        said = type(error).__name__, str(error)
    print(json.dumps([said, peak()]))
"""


@pytest.fixture(scope="module")
def files():
    """Made when a test asks: 800 MB of zeros are deflated for them."""
    return hostile.hostile_files()


def said_of(whose: str, paths) -> list:
    """For each file what was said of it, and the peak so far in MB.

    All in one process, so that the last peak is that of the worst. whose: "own", or the
    "child" that checks.
    """
    done = subprocess.run(
        [sys.executable, "-c", READER, whose, *map(str, paths)],
        capture_output=True,
        text=True,
        env=environment(),
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(paths), done.stderr
    return lines


def test_what_each_takes_and_says(files, tmp_path):
    paths = [tmp_path / f"{k}.packed" for k in range(len(files))]
    for path, content in zip(paths, files.values(), strict=True):
        path.write_bytes(content)
    for title, (said, peak) in zip(files, said_of("own", paths), strict=True):
        assert said is not None, f"{title}: opened"
        kind, words = said
        assert kind == "CodecError" and "\n" not in words, (title, said)
        assert 20 < len(words) < 400, (title, words)
        assert peak < MEGABYTES, f"{title}: {peak:.0f} MB"


def test_the_check_itself_stays_small(files, tmp_path):
    """The child of `unpack`: one sentence with the file's name."""
    path = tmp_path / "gift.packed"
    path.write_bytes(files["sixty huge tensors of no bytes"])
    assert path.stat().st_size < 3000
    ((said, peak),) = said_of("child", [path])
    assert said[0] == "CodecError"
    assert said[1].startswith("gift.packed was not opened: ")
    assert "may unpack to" in said[1]
    assert 0 < peak < MEGABYTES


def rewritten(packed: bytes, change) -> bytes:
    """A good packed file whose tensors were changed and that was signed anew."""
    skeleton, tensors = codec.decode(packed)
    change(tensors)
    return codec.encode(skeleton, tensors)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("fc3/bias"), "are not those of its graph"),
        (lambda t: t.update({"fc9/bias": np.ones(3)}), "are not those of its graph"),
        (lambda t: t.update({"fc3/bias": np.ones(9)}), r"fc3/bias has shape \(10,\)"),
        (lambda t: t.update({"fc3/bias": np.full(10, np.nan)}), "NaN or infinity"),
    ],
)
def test_unpack_keeps_its_promise(change, words):
    """A graph and weights that do not fit: CodecError, not the graph's own error."""
    packed = rewritten(compressed.pack(zoo.load("mlp"), {}), change)
    for read in (compressed.unpack, compressed.opened):
        with pytest.raises(CodecError, match=words):
            read(packed)


def test_a_skeleton_that_is_no_model():
    packed = codec.encode(b"no model", {})
    for read in (compressed.unpack, compressed.read_packed, compressed.opened):
        with pytest.raises(CodecError, match="no TFL3 identifier"):
            read(packed)


def test_paths(tmp_path):
    network = zoo.load("mlp")
    path = tmp_path / "mine.packed"
    path.write_bytes(compressed.pack(network, {}))
    assert compressed.unpack(path).digest == network.digest
    assert compressed.read_packed(str(path)).packed == path.read_bytes()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CodecError, match=r"^mine\.packed was not opened: .*truncated"):
        compressed.unpack(path)
    with pytest.raises(CodecError, match=r"nothing\.packed does not exist"):
        compressed.unpack(tmp_path / "nothing.packed")


def test_what_cannot_be_read_again_is_not_written():
    pruned = sparse(np.zeros((1 << 11, 1 << 12), np.float32), "rice")
    with pytest.raises(CodecError, match="cannot be packed: the tensors take 33,554"):
        codec.encode(b"", {"fc1/kernel": pruned})
    with pytest.raises(CodecError, match="cannot be packed: a name is not of at most"):
        codec.encode(b"", {"n" * 201: np.ones(1)})
    many = {f"fc{k}/kernel": np.ones(1) for k in range(20_000)}
    with pytest.raises(CodecError, match="cannot be packed: the header has more than"):
        codec.encode(b"", many)


def test_a_reader_of_large_files_has_more_room():
    """A network of 40 MB, a bit a weight: 32 times smaller, and opened all the same."""
    w = np.where(np.random.default_rng(0).random((1000, 10_000)) > 0.5, 1, -1)
    coded = quantize_to_levels(w.astype(np.float32), "binary", 1)
    (again,) = codec.decode(codec.encode(b"", {"fc1/kernel": coded}))[1].values()
    assert np.array_equal(again.q, coded.q)
