"""Damaged model files end in an error, never in a dead kernel."""

from contextlib import suppress

import numpy as np

from labkit import probe, zoo
from labkit.network import Network, NetworkError

DAMAGED = 1000


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


def test_a_thousand_damaged_files(tmp_path):
    rng = np.random.default_rng(0)
    content = zoo.load("mlp").remove_units("fc1", range(280)).to_bytes()
    paths = []
    for k in range(DAMAGED):
        path = tmp_path / f"damaged-{k}.tflite"
        path.write_bytes(damage(content, rng))
        paths.append(path)
    verdicts = probe.check(paths)
    assert len(verdicts) == DAMAGED
    refused = [verdict for verdict in verdicts if verdict is not None]
    assert len(refused) > DAMAGED / 2
    assert all(len(verdict) > 10 and "\n" not in verdict for verdict in refused)
    # What passed can be used here, in this process: it gives numbers and stays alive.
    images = zoo.dataset("mlp").test.images[:3]
    for path, verdict in zip(paths, verdicts, strict=True):
        if verdict is None:
            with suppress(NetworkError):
                Network.from_bytes(path.read_bytes()).predict(images)


def test_load_goes_through_the_child(tmp_path, monkeypatch):
    path = zoo.load("mlp").save(tmp_path / "fine.tflite")
    monkeypatch.setattr(probe, "check", lambda paths: ["the child says no"])
    try:
        Network.load(path)
    except NetworkError as error:
        assert str(error) == "fine.tflite cannot be used: the child says no"
    else:
        raise AssertionError("load must ask the child first")


def test_a_crash_or_a_hang_is_blamed_on_the_file_at_work(tmp_path, monkeypatch):
    """A stand-in for LiteRT that dies on one file and hangs on another."""
    code = (
        "import json, os, sys, time\n"
        "for name in sys.argv[1:]:\n"
        "    if 'crash' in name: os.abort()\n"
        "    if 'hang' in name: time.sleep(60)\n"
        "    print(json.dumps(None), flush=True)\n"
    )
    script = tmp_path / "stand_in.py"
    script.write_text(code)
    monkeypatch.setattr(probe, "CHILD", [str(script)])
    monkeypatch.setattr(probe, "SECONDS_A_FILE", 2)
    verdicts = probe.check(["good", "crash", "good", "hang", "good"])
    assert [verdict is None for verdict in verdicts] == [True, False, True, False, True]
    assert "crashed" in verdicts[1] and "hung" in verdicts[3]
