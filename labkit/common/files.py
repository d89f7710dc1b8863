"""Writing files whole or not at all.

A reader of a path, and a second writer of it, sees the old file or a whole new one. A
path that is a link stays one: the file that it leads to is written.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from labkit.common.file_errors import writing

try:
    import fcntl
except ImportError:  # Windows has no such locks: what a killed writer left stays there
    fcntl = None

PREFIX = ".partial-"
Content = bytes | Callable[[Path], object]


class _Staged(NamedTuple):
    """A file that is written (`new`), but not yet where it belongs (`target`)."""

    path: Path
    new: Path
    target: Path


def write_all(contents: Mapping[str | os.PathLike, Content]) -> list[Path]:
    """Write several files, all of them or none, and return their paths.

    contents: path -> its bytes, or what writes it: called with a path of the same name
    in a new folder beside it, since some writers choose the format by the name's
    ending. Missing folders are made. Raises FileError where a file cannot be written;
    then, and if a writer raises, what stood at the paths still does.

    >>> with TemporaryDirectory() as folder:
    ...     new = f"{folder}/new"
    ...     paths = write_all({f"{new}/a": b"1", f"{new}/b": lambda p: p.touch()})
    ...     sorted(os.listdir(new)), paths[0].read_bytes()
    (['a', 'b'], b'1')
    """
    with ExitStack() as folders:
        staged = [
            _stage(Path(path), content, folders) for path, content in contents.items()
        ]
        _put_in_place(staged)
    return [file.path for file in staged]


def write_whole(path: str | os.PathLike, save: Callable[[Path], object]) -> Path:
    """Have `save` write a file as `write_all` does, and return its path."""
    return write_all({path: save})[0]


def write_bytes(path: str | os.PathLike, content: bytes) -> Path:
    """Put these bytes at `path`, whole or not at all."""
    return write_all({path: content})[0]


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Put this text at `path` as UTF-8, whole or not at all."""
    return write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, content: dict) -> Path:
    """Put this at `path` as JSON, see `json_bytes`."""
    return write_bytes(path, json_bytes(content))


def json_bytes(content: dict) -> bytes:
    """A JSON file, indented: a changed figure is a changed line."""
    return (json.dumps(content, indent=1) + "\n").encode()


def _stage(path: Path, content: Content, folders: ExitStack) -> _Staged:
    """Write a file into a folder of its own beside its place.

    A file is moved in one step only within its file system.
    """
    target = Path(os.path.realpath(path))
    with writing(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        new = folders.enter_context(_folder_in(target.parent)) / path.name
        if isinstance(content, bytes):
            new.write_bytes(content)
        else:
            content(new)
    if not new.is_file():
        raise FileNotFoundError(f"{content} has not written {path}")
    return _Staged(path, new, target)


def _put_in_place(staged: list[_Staged]) -> None:
    """Move each file to its target; if one fails, the former ones are moved back."""
    moving: list[tuple[_Staged, Path | None]] = []
    try:
        for file in staged:
            with writing(file.path):
                moving.append((file, _kept(file) if len(staged) > 1 else None))
                os.replace(file.new, file.target)
    except BaseException:
        for file, kept in reversed(moving):
            if file.new.exists():  # it was not moved
                continue
            if kept:
                os.replace(kept, file.target)
            else:
                file.target.unlink()
        raise


def _kept(file: _Staged) -> Path | None:
    """A second name, or else a copy, of what stands at the target; None if nothing."""
    if not file.target.is_file():
        return None
    kept = file.new.with_name(f"{file.new.name}.before")
    try:
        os.link(file.target, kept)
    except OSError:  # no such links in this file system
        shutil.copy2(file.target, kept)
    return kept


@contextmanager
def _folder_in(parent: Path) -> Iterator[Path]:
    """A new folder that is locked while it is used.

    The system ends a lock with its process, however that ends: what is not locked was
    left by a writer that was killed, and is removed.
    """
    with ExitStack() as held:
        with _lock(parent) as locked:
            if locked:
                _remove_leftovers(parent)
            folder = TemporaryDirectory(prefix=PREFIX, dir=parent)
            path = Path(held.enter_context(folder))
            held.enter_context(_lock(path))
        yield path


def _remove_leftovers(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with _lock(folder, wait=False) as free:
            if free:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(folder: Path, wait: bool = True) -> Iterator[bool]:
    """Lock a folder among the lab's writers; False where that cannot be had."""
    try:
        opened = os.open(folder, os.O_RDONLY) if fcntl else None
    except OSError:
        opened = None
    if opened is None:
        yield False
        return
    try:
        yield _locked(opened, wait)
    finally:
        os.close(opened)


def _locked(opened: int, wait: bool) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # locked by another writer, or a file system without locks
        return False
    return True
