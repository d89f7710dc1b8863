"""What a file that cannot be read or written is answered with: path, cause, remedy."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

_ELSEWHERE = "name a folder that you may write to, or change who may write to this one"
_CAUSES = {
    errno.ENOSPC: "the disk is full: free some space and do the same again",
    errno.EDQUOT: "your part of the disk is full: delete files and do the same again",
    errno.EFBIG: "it is larger than files may be here: raise the limit `ulimit -f`",
    errno.EACCES: f"permission is denied: {_ELSEWHERE}",
    errno.EPERM: f"it is not permitted: {_ELSEWHERE}",
    errno.EROFS: f"its file system is read-only: {_ELSEWHERE}",
    errno.EISDIR: "a folder has that name: move that folder, or choose another name",
    errno.ENOTDIR: "a file stands where a folder must be: choose another folder",
    errno.EEXIST: "a file stands where a folder must be: choose another folder",
}


class FileError(OSError):
    """A file is missing, damaged or cannot be written; the text says what to do."""


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Turn an OSError inside into a FileError that names `path`, cause and remedy.

    >>> try:
    ...     with writing("/a.json"):
    ...         raise OSError(errno.ENOSPC, "No space left on device")
    ... except FileError as error:
    ...     print(str(error).partition(": free")[0])
    /a.json cannot be written: the disk is full
    """
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        cause = _CAUSES.get(error.errno, error.strerror or str(error))
        raise FileError(
            f"{os.path.abspath(path)} cannot be written: {cause}"
        ) from error
