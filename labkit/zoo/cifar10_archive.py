"""All 50,000 training images of CIFAR-10 from the official archive.

The archive (170 MB) is one tar of Python 2 pickles. It is downloaded once into the
cache, its sha256 is checked before it is opened, nothing of it is unpacked to disk,
and the pickles are read by an unpickler that can build numpy arrays and nothing else.
"""

import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np

from labkit.common.file_errors import FileError

CIFAR10_ARCHIVE = "cifar-10-python.tar.gz"
URL = f"https://www.cs.toronto.edu/~kriz/{CIFAR10_ARCHIVE}"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
BATCHES = tuple(f"cifar-10-batches-py/data_batch_{k}" for k in range(1, 6))
ALLOWED = {
    # The pickles name numpy's function by its address of 2009; numpy says where it is.
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class DataError(FileError):
    """A data file is missing or is not the published one; the text says what to do."""


def read_training_images(path: Path | None, labels: np.ndarray) -> np.ndarray:
    """The archive's training images, uint8 (50000, 32, 32, 3), in the published order.

    path: an archive, or None for the one in the cache, which is downloaded if need be.
    labels: uint8 (50000,), what the archive's own labels must equal.
    Raises DataError if the archive cannot be had, has another sha256 or other labels.
    """
    path = path or _cached_archive()
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
            raise DataError(
                f"{path} is truncated or changed (wrong sha256): copy it again, or "
                "delete it and unset LABKIT_DATA to download it"
            )
        file.seek(0)
        batches = _batches(file)
    found = np.concatenate([batch[b"labels"] for batch in batches])
    if not np.array_equal(found, labels):
        raise DataError(
            f"the labels in {path} are not those of the lab's cifar10-train-labels.npy"
        )
    return np.concatenate([_images(batch[b"data"]) for batch in batches])


def _cached_archive() -> Path:
    """The archive in the cache. A part of it never counts: pooch renames at the end."""
    import pooch  # here because it takes longer to import than a small sheet to read

    folder = Path(os.environ.get("LABKIT_CACHE") or pooch.os_cache("labkit"))
    try:
        return Path(
            pooch.retrieve(
                URL,
                known_hash=f"sha256:{SHA256}",
                fname=CIFAR10_ARCHIVE,
                path=folder,
                downloader=pooch.HTTPDownloader(progressbar=True),
            )
        )
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        wrong_hash = isinstance(error, ValueError)
        reason = "wrong sha256" if wrong_hash else type(error).__name__
        raise DataError(
            f"{URL} could not be downloaded into {folder} ({reason}): try again, or "
            f"set LABKIT_DATA to a folder that holds {CIFAR10_ARCHIVE}"
        ) from error


def _batches(file: io.BufferedReader) -> list[dict]:
    """The five training batches of the tar in their order (the tar has another one)."""
    with tarfile.open(fileobj=file, mode="r:gz") as tar:
        found = {
            member.name: _unpickle(tar.extractfile(member))
            for member in tar
            if member.name in BATCHES
        }
    return [found[name] for name in BATCHES]


def _unpickle(file: io.BufferedReader):
    return _ArrayUnpickler(file, encoding="bytes").load()


def _images(rows: np.ndarray) -> np.ndarray:
    """Rows of 1,024 red, 1,024 green, 1,024 blue bytes -> uint8 (n, 32, 32, 3)."""
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


class _ArrayUnpickler(pickle.Unpickler):
    """Reads dicts, lists, numbers, byte strings and numpy arrays, and nothing else."""

    def find_class(self, module: str, name: str):
        if (module, name) not in ALLOWED:
            raise DataError(
                f"a pickle asks for {module}.{name}, which the lab never loads: "
                f"download {CIFAR10_ARCHIVE} again from {URL}"
            )
        return ALLOWED[module, name]
