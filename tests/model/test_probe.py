"""Damaged model files end in an error, never in a dead kernel."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from long import quick

import labkit
from labkit import zoo
from labkit.measure import trial
from labkit.model import probe
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.packed import codec, compressed
from labkit.packed.bit_packing import CodecError


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut the file, overwrite a stretch, or change some bytes, mostly in the graph.

    The weights fill most of a file and any value of them is legal, so half of the
    changes go to the graph: the bytes that are not weights.
    """
    spans = Network.from_bytes(content)._graph.spans.values()
    graph = np.ones(len(content), bool)
    for span in spans:
        graph[span.offset : span.offset + span.size_bytes] = False
    places = np.flatnonzero(graph)
    changed = bytearray(content)
    match rng.integers(4):
        case 0:
            return content[: rng.integers(len(content))]
        case 1:
            start = int(rng.choice(places))
            length = int(rng.integers(1, 64))
            changed[start : start + length] = rng.bytes(length)
        case 2:
            for place in rng.choice(places, rng.integers(1, 8)):
                changed[place] = rng.integers(256)
        case 3:
            changed[int(rng.choice(places))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


@pytest.mark.parametrize("count", quick([100, 1000], 100))
def test_damaged_files(tmp_path, count):
    rng = np.random.default_rng(0)
    content = zoo.load("mlp").remove_units("fc1", range(280)).to_bytes()
    paths = []
    for k in range(count):
        path = tmp_path / f"damaged-{k}.tflite"
        path.write_bytes(damage(content, rng))
        paths.append(path)
    verdicts = probe.check(paths)
    assert len(verdicts) == count
    refused = [verdict for verdict in verdicts if verdict is not None]
    assert len(refused) > count / 2
    assert all(len(verdict) > 10 and "\n" not in verdict for verdict in refused)
    # What passed can be used here, in this process: it gives numbers and stays alive.
    images = zoo.dataset("mlp").test.images[:3]
    for path, verdict in zip(paths, verdicts, strict=True):
        if verdict is None:
            with suppress(NetworkError):
                Network.from_bytes(path.read_bytes()).predict(images)


def test_load_goes_through_the_child(tmp_path, monkeypatch):
    path = zoo.load("mlp").remove_units("fc1", [0]).save(tmp_path / "fine.tflite")
    monkeypatch.setattr(probe, "check", lambda paths: ["the child says no"])
    with pytest.raises(NetworkError) as refused:
        Network.load(path)
    assert str(refused.value) == "fine.tflite was not opened: the child says no"


def test_unpack_goes_through_the_child(monkeypatch):
    """A packed file that this process neither made nor had from the zoo."""
    network = zoo.load("mlp")
    weights = network.weights | {"fc3/bias": np.arange(10, dtype=np.float32) / 7}
    packed = codec.encode(network.skeleton(), weights)
    monkeypatch.setattr(probe, "check", lambda paths: ["the child says no"])
    for read in (compressed.unpack, compressed.read_packed):
        with pytest.raises(CodecError) as refused:
            read(packed)
        assert str(refused.value) == "the child says no"


def test_own_and_known_files_need_no_child(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(probe, "check", lambda paths: asked.append(paths) or [None])
    network = zoo.load("mlp")
    compressed.unpack(
        compressed.pack(network.with_weights({"fc3/bias": np.ones(10)}), {})
    )
    compressed.unpack(zoo.load_packed("lenet5", "W2A4"))
    Network.load(zoo.FOLDER / "mlp.tflite")
    assert not asked
    path = network.remove_units("fc1", [3]).save(tmp_path / "new.tflite")
    for _ in range(2):
        Network.load(path)
    assert len(asked) == 1


def test_both_formats_in_one_child(tmp_path):
    paths = [tmp_path / name for name in ("a.tflite", "b.packed", "c.packed")]
    network = zoo.load("mlp")
    paths[0].write_bytes(network.to_bytes())
    paths[1].write_bytes(compressed.pack(network, {}))
    paths[2].write_bytes(codec.encode(network.to_bytes()[:5000], {}))
    good, also_good, cut = probe.check(paths)
    assert good is None and also_good is None
    assert "not those of its graph" in cut or "is damaged" in cut


STAND_IN = """
import json, os, sys, time
print("ready", flush=True)
for name in sys.argv[1:]:
    if "crash" in name:
        print("INFO: a remark", "the reason", sep=chr(10), file=sys.stderr, flush=True)
        os.abort()
    if "killed" in name: os.kill(os.getpid(), 9)
    if "hang" in name: time.sleep(600)
    print(json.dumps(None), flush=True)
"""


def test_a_crash_or_a_hang_is_blamed_on_the_file_at_work(tmp_path, monkeypatch):
    """A stand-in for LiteRT that dies on one file and hangs on another."""
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(probe, "CHILD", [str(script)])
    monkeypatch.setattr(probe, "SECONDS_A_FILE", 4)
    verdicts = probe.check(["good", "crash", "good", "hang", "killed", "good"])
    assert [k for k, verdict in enumerate(verdicts) if verdict] == [1, 3, 4]
    assert "SIGABRT; its last words: the reason): it is damaged" in verdicts[1]
    assert verdicts[3] == "it was not done after 4 s of running"
    assert "SIGKILL" in verdicts[4] and "memory is short" in verdicts[4]


@pytest.mark.parametrize(
    ("child", "words"),
    [
        (["-c", "import nowhere"], "No module named 'nowhere'"),
        (["-c", "print('something else'); raise SystemExit(3)"], "exit code 3"),
    ],
)
def test_a_check_that_does_not_start(child, words, monkeypatch):
    """It says nothing of the files, and is not tried once for each of them."""
    runs = []
    run = probe._run_child
    monkeypatch.setattr(probe, "CHILD", child)
    monkeypatch.setattr(probe, "_run_child", lambda paths: runs.append(1) or run(paths))
    verdicts = probe.check(["a", "b", "c"])
    assert len(verdicts) == 3 and len(set(verdicts)) == 1 and len(runs) == 1
    assert words in verdicts[0] and "did not start" in verdicts[0]
    assert "damaged" not in verdicts[0]


def test_no_program_to_start(monkeypatch):
    monkeypatch.setattr(probe.sys, "executable", "/nowhere/python")
    assert "did not start ([Errno 2]" in probe.check(["a"])[0]


def test_the_child_imports_the_same_labkit(tmp_path):
    """Where labkit is on `sys.path` alone, beside a module named as one of Python's."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "labkit").symlink_to(Path(labkit.__file__).parent)
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong module')")
    child = "import json, labkit; print('ready'); print(json.dumps(labkit.__file__))"
    code = (
        f"import sys; sys.path[:] = [{str(tmp_path / 'here')!r}, *sys.path[1:]]\n"
        f"from labkit.model import probe; probe.CHILD = ['-c', {child!r}]\n"
        "print(probe.check(['file'])[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.startswith(str(tmp_path / "here")), done.stderr


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "large.tflite"
    path.write_bytes(bytes(100))
    monkeypatch.setattr(probe, "LARGEST_FILE", 99)
    with pytest.raises(NetworkError, match=r"large\.tflite has 100 bytes: .* most 99"):
        Network.load(path)
    with pytest.raises(NetworkError, match="does not exist"):
        Network.load(tmp_path)


def test_a_graph_inside_the_weights():
    """Zeroing the weights must leave the graph what it was."""
    other = zoo.load("mlp")

    class Torn:
        _graph = zoo.load("lenet5")._graph

        def skeleton(self):
            return other.skeleton()

    with pytest.raises(NetworkError, match="weights overlap the graph"):
        trial.try_out(Torn())
