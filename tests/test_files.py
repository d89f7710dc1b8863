"""Files are written whole or not at all, whoever else writes or reads them."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from labkit.files import write_bytes, write_text, write_whole


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
    with pytest.raises(OSError):
        write_bytes(tmp_path / "taken", b"x")
    assert names(tmp_path) == ["taken"]


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
