"""Small archives built like the official one of CIFAR-10, served on this machine."""

import hashlib
import http.server
import io
import os
import pickle
import socket
import struct
import tarfile
import threading
from types import SimpleNamespace

import numpy as np
import pooch
import pytest

from labkit.zoo import cifar10_archive
from labkit.zoo.cifar10_archive import CIFAR10_ARCHIVE, DataError, read_training_images

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 32, 32, 3), np.uint8)
LABELS = RNG.integers(0, 10, 20, np.uint8)


class Python2Pickler(pickle._Pickler):
    """Writes strings as Python 2 did: that is what the official batches hold."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, text):
        raw = text.encode("latin1") if isinstance(text, str) else text
        if len(raw) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(raw)]) + raw)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_string


def python2_pickle(thing) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(thing)
    return file.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")


def batch(images: np.ndarray, labels: np.ndarray) -> bytes:
    planar = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(-1, 3072)
    return python2_pickle(
        {
            b"batch_label": b"training batch",
            b"labels": labels.tolist(),
            b"data": planar,
            b"filenames": [f"{k}.png".encode() for k in range(len(labels))],
        }
    )


def tar_of(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def official_like() -> bytes:
    """Batches of 4 images, out of order and among other members, as in the real one."""
    members = {"test_batch": batch(IMAGES[:1], LABELS[:1]), "readme.html": b"<html>"}
    for k in (4, 1, 3, 5, 2):
        part = slice(4 * (k - 1), 4 * k)
        members[f"data_batch_{k}"] = batch(IMAGES[part], LABELS[part])
    return tar_of(members)


CONTENT = official_like()


def publish(monkeypatch, content: bytes) -> None:
    """Let `content` be the archive whose sha256 is known."""
    monkeypatch.setattr(cifar10_archive, "SHA256", hashlib.sha256(content).hexdigest())


@pytest.fixture(autouse=True)
def published(monkeypatch):
    publish(monkeypatch, CONTENT)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("LABKIT_CACHE", str(folder))
    return folder


@pytest.fixture
def server(monkeypatch):
    """A server on this machine: `plan` says what each request gets, then CONTENT."""
    state = SimpleNamespace(plan=[], requests=0)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            state.requests += 1
            announced, sent = state.plan.pop(0) if state.plan else (CONTENT, CONTENT)
            self.send_response(200)
            self.send_header("Content-Length", str(len(announced)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *args):
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{listening.server_port}/{CIFAR10_ARCHIVE}"
    monkeypatch.setattr(cifar10_archive, "URL", url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    yield state
    listening.shutdown()
    listening.server_close()


def assert_one_sentence(error, *parts: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    for part in parts:
        assert part in text


def test_images_come_in_the_published_order(tmp_path):
    path = tmp_path / CIFAR10_ARCHIVE
    path.write_bytes(CONTENT)
    images = read_training_images(path, LABELS)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, IMAGES)
    assert [file.name for file in tmp_path.iterdir()] == [CIFAR10_ARCHIVE]


def test_the_pickles_built_here_are_python_2_pickles():
    content = batch(IMAGES[:2], LABELS[:2])
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in content
    assert b"_codecs" not in content
    assert content.startswith(b"\x80\x02}")


@pytest.mark.parametrize(
    "content",
    [CONTENT[:-1], CONTENT + b"\0", b""],
    ids=["truncated", "longer", "empty"],
)
def test_another_archive_is_refused_before_it_is_opened(tmp_path, monkeypatch, content):
    path = tmp_path / CIFAR10_ARCHIVE
    path.write_bytes(content)
    monkeypatch.setattr(tarfile, "open", None)
    with pytest.raises(DataError) as error:
        read_training_images(path, LABELS)
    assert_one_sentence(error, str(path), "sha256", "copy it again")


def test_other_labels_are_refused(tmp_path):
    path = tmp_path / CIFAR10_ARCHIVE
    path.write_bytes(CONTENT)
    with pytest.raises(DataError) as error:
        read_training_images(path, LABELS[::-1])
    assert_one_sentence(error, str(path), "cifar10-train-labels.npy")


class Runs:
    """Asks an ordinary unpickler to call a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, np.load, pickle.loads])
def test_a_pickle_that_calls_something_is_refused_and_not_run(
    tmp_path, monkeypatch, function
):
    marker = tmp_path / "was_run"
    argument = {
        os.system: f'mkdir "{marker}"',
        eval: f"open({str(marker)!r}, 'w')",
    }.get(function, str(marker))
    evil = python2_pickle({b"labels": [], b"data": Runs(function, argument)})
    content = tar_of({f"data_batch_{k}": evil for k in range(1, 6)})
    publish(monkeypatch, content)
    path = tmp_path / CIFAR10_ARCHIVE
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_training_images(path, LABELS)
    assert_one_sentence(error, "never loads", function.__name__)
    assert not marker.exists()


def test_the_same_pickle_would_run_in_an_ordinary_unpickler(tmp_path):
    marker = tmp_path / "was_run"
    pickle.loads(pickle.dumps(Runs(os.system, f'mkdir "{marker}"')))
    assert marker.exists()


def test_a_download_is_kept_and_shows_its_progress(cache, server, capsys):
    np.testing.assert_array_equal(read_training_images(None, LABELS), IMAGES)
    assert "100%" in capsys.readouterr().err
    np.testing.assert_array_equal(read_training_images(None, LABELS), IMAGES)
    assert server.requests == 1
    assert (cache / CIFAR10_ARCHIVE).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("announced", "sent", "reason"),
    [
        pytest.param(CONTENT, CONTENT[: len(CONTENT) // 2], "Error", id="breaks off"),
        pytest.param(CONTENT[:-9], CONTENT[:-9], "sha256", id="truncated"),
        pytest.param(b"another file", b"another file", "sha256", id="another file"),
    ],
)
def test_a_bad_download_never_counts(cache, server, announced, sent, reason):
    server.plan = [(announced, sent)]
    with pytest.raises(DataError) as error:
        read_training_images(None, LABELS)
    assert_one_sentence(error, cifar10_archive.URL, str(cache), reason, "LABKIT_DATA")
    assert list(cache.iterdir()) == []
    np.testing.assert_array_equal(read_training_images(None, LABELS), IMAGES)
    assert server.requests == 2


def test_an_interrupted_download_starts_again_cleanly(cache, server, monkeypatch):
    def interrupted(self, url, output_file, *_):
        with open(output_file, "wb") as file:
            file.write(CONTENT[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pooch.HTTPDownloader, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            read_training_images(None, LABELS)
    assert list(cache.iterdir()) == []
    np.testing.assert_array_equal(read_training_images(None, LABELS), IMAGES)


def test_a_damaged_file_in_the_cache_is_downloaded_again(cache, server):
    cache.mkdir()
    (cache / CIFAR10_ARCHIVE).write_bytes(CONTENT[:1000])
    np.testing.assert_array_equal(read_training_images(None, LABELS), IMAGES)
    assert (cache / CIFAR10_ARCHIVE).read_bytes() == CONTENT


def test_no_server_gives_the_address_and_the_mend(cache, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/{CIFAR10_ARCHIVE}"
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(cifar10_archive, "URL", url)
    with pytest.raises(DataError) as error:
        read_training_images(None, LABELS)
    assert_one_sentence(error, url, "ConnectionError", "set LABKIT_DATA")
