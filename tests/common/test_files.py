"""Files are written whole or not at all, whoever else writes or reads them."""

import errno
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from labkit.common.file_errors import FileError
from labkit.common.files import write_all, write_bytes, write_text, write_whole


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_it_writes_and_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "model.bin"
    assert write_bytes(path, b"\0\r\n") == path
    assert write_bytes(str(path), b"\1\r\n") == path
    assert path.read_bytes() == b"\1\r\n"
    assert names(path.parent) == ["model.bin"]


def test_text_is_utf8_on_every_machine_and_lines_end_alike(tmp_path):
    assert write_text(tmp_path / "a", "6.02 dB – µs\n").read_bytes() == (
        b"6.02 dB \xe2\x80\x93 \xc2\xb5s\n"
    )


def test_the_writer_sees_the_name_and_the_old_file_until_it_returns(tmp_path):
    path = write_text(tmp_path / "model.keras", "old")

    def save(temporary):
        assert temporary.name == "model.keras" and temporary != path
        temporary.write_text("half of the new o")
        assert path.read_text() == "old"
        temporary.write_text("the new one")

    assert write_whole(path, save).read_text() == "the new one"


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_writer_that_fails_changes_nothing(tmp_path, error):
    path = write_text(tmp_path / "log.json", "old")

    def save(temporary):
        temporary.write_text("half")
        raise error

    with pytest.raises(type(error)):
        write_whole(path, save)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["log.json"]


def test_a_writer_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "a", lambda temporary: None)
    assert names(tmp_path) == []


def test_a_place_that_is_taken_by_a_folder(tmp_path):
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(FileError, match="taken cannot be written: a folder has that"):
        write_bytes(tmp_path / "taken", b"x")
    assert names(tmp_path) == ["taken"]


def test_a_folder_that_is_a_file(tmp_path):
    write_bytes(tmp_path / "a", b"x")
    with pytest.raises(FileError, match="a file stands where a folder must be"):
        write_bytes(tmp_path / "a" / "b", b"x")
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full: free some space"),
        (errno.EDQUOT, "your part of the disk is full: delete files"),
        (errno.EACCES, "permission is denied: name a folder that you may write to"),
        (errno.EROFS, "its file system is read-only: name a folder"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_the_system_refuses_is_told_with_a_remedy(tmp_path, code, words):
    def save(temporary):
        raise OSError(code, os.strerror(code), str(temporary))

    with pytest.raises(FileError) as error:
        write_whole(tmp_path / "a", save)
    text = str(error.value)
    assert text.startswith(f"{tmp_path / 'a'} cannot be written: {words}")
    assert "\n" not in text and names(tmp_path) == []


LIMITED = """
import resource, sys
from labkit.common import write_all
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_all({f"{sys.argv[1]}/a": b"x", f"{sys.argv[1]}/b": b"x" * 2000})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sets a limit of the system")
def test_of_several_files_all_are_written_or_none(tmp_path):
    """The second is too large for a limit that the system sets."""
    write_bytes(tmp_path / "a", b"old")
    command = [sys.executable, "-c", LIMITED, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith(
        f"labkit.common.file_errors.FileError: {tmp_path}/b cannot be written: "
        "it is larger"
    )
    assert (tmp_path / "a").read_bytes() == b"old" and names(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [OSError(errno.EPERM, "no"), KeyboardInterrupt()])
@pytest.mark.parametrize("links", [True, False])
def test_files_that_were_moved_are_moved_back(tmp_path, monkeypatch, error, links):
    write_bytes(tmp_path / "a", b"old")
    replace = os.replace

    def refuse(source, target):
        if target.name == "c":
            raise error
        replace(source, target)

    def no_links(source, target):
        raise OSError(errno.ENOTSUP, "no links here")

    monkeypatch.setattr(os, "replace", refuse)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises((FileError, KeyboardInterrupt)):
        write_all({tmp_path / name: b"new" for name in "abc"})
    assert (tmp_path / "a").read_bytes() == b"old" and names(tmp_path) == ["a"]


def test_a_link_stays_one_and_its_file_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere/file")
    for content in (b"first", b"second"):
        assert write_bytes(tmp_path / "link", content) == tmp_path / "link"
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "elsewhere" / "file").read_bytes() == content
    assert names(tmp_path) == ["elsewhere", "link"]


WRITER = """
import sys, time
from labkit.common import write_whole
def save(path):
    path.write_text("half")
    print("begun", flush=True)
    sys.stdin.readline()
write_whole(sys.argv[1], save)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path):
    """But not what belongs to a writer that lives."""
    command = [sys.executable, "-c", WRITER, tmp_path / "a"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen(command, **pipes) as killed,
        subprocess.Popen(command, **pipes) as alive,
    ):
        assert killed.stdout.readline() == alive.stdout.readline() == "begun\n"
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(names(tmp_path)) == 2
        write_bytes(tmp_path / "b", b"x")
        left = names(tmp_path)
        assert len(left) == 2 and left[0].startswith(".partial-") and left[1] == "b"
        alive.communicate("go on\n")
    assert alive.returncode == 0 and names(tmp_path) == ["a", "b"]


def test_concurrent_writers_and_readers_meet_whole_files_only(tmp_path):
    path = tmp_path / "shared"
    contents = {bytes([k]) * 300_000 for k in range(4)}
    write_bytes(path, next(iter(contents)))

    def write(content):
        for _ in range(20):
            write_bytes(path, content)

    with ThreadPoolExecutor(len(contents)) as pool:
        writing = [pool.submit(write, content) for content in contents]
        seen = {path.read_bytes()}
        while not all(future.done() for future in writing):
            seen.add(path.read_bytes())
        for future in writing:
            future.result()
    assert seen <= contents
    assert names(tmp_path) == ["shared"]


def test_the_file_has_the_usual_permissions(tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"x")
    written = write_bytes(tmp_path / "written", b"x")
    assert os.stat(written).st_mode == os.stat(plain).st_mode
