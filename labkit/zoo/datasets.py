"""MNIST and CIFAR-10 as uint8 arrays, with the same splits everywhere.

`load("mnist")` and `load("cifar10")` read the sheets that the repository carries:
MNIST complete, and of CIFAR-10 the test images and the first 10,000 training images.
`load("cifar10", full=True)` adds the other 40,000 from the folder named in the
environment variable LABKIT_DATA, from the cache, or from a verified download.

A sheet is one lossless WebP picture of 10,000 images in rows. Every file is checked
against `data/checksums.json` before it is used.
"""

import hashlib
import io
import os
import threading
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from labkit.common.file_errors import FileError
from labkit.common.memory import return_large_blocks
from labkit.common.reading import read_json
from labkit.common.split import Split
from labkit.zoo.cifar10_archive import CIFAR10_ARCHIVE, DataError, read_training_images

ROOT = Path(__file__).resolve().parents[2]
DATA_FOLDER = ROOT / "data"
IMAGE_SHAPES = {"mnist": (28, 28), "cifar10": (32, 32, 3)}
CLASSES = {
    "mnist": tuple("0123456789"),
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
}
SHEET_SIZE = 10_000
SHEETS = {"mnist": 6, "cifar10": 5}
VALIDATION = {"mnist": range(55_000, 60_000), "cifar10": range(5_000, 10_000)}
CALIBRATION = range(5_000)
TEST_ORDER_SEED = 20_260_101


class _decoded_once(cached_property):
    """A cached_property that two threads never compute twice."""

    lock = threading.RLock()

    def __get__(self, instance, owner=None):
        with self.lock:
            return super().__get__(instance, owner)


@dataclass(frozen=True)
class Dataset:
    """A data set whose splits are decoded when they are first asked for.

    No network of the lab trains on `validation`: it is for choices (a range, a bit
    width, when to stop). `calibration` (training images 0 to 4,999) is for ranges of
    activations. `test` is for reported figures only; it comes in one fixed shuffled
    order, so that its first n images are a fair sample of it.
    """

    name: str
    full: bool = False

    @_decoded_once
    def train(self) -> Split:
        """Every available training image outside `validation`."""
        labels = _labels(f"{self.name}-train-labels.npy")
        images = _training_images(self.name, self.full, labels)
        index = np.setdiff1d(np.arange(len(images)), VALIDATION[self.name])
        return Split(images[index], labels[index], index)

    @_decoded_once
    def validation(self) -> Split:
        """5,000 training images that no network trains on."""
        return _within_one_sheet(self.name, VALIDATION[self.name])

    @_decoded_once
    def calibration(self) -> Split:
        """The first 5,000 training images."""
        return _within_one_sheet(self.name, CALIBRATION)

    @_decoded_once
    def test(self) -> Split:
        """The 10,000 test images in the lab's fixed shuffled order."""
        images = _sheet(DATA_FOLDER / f"{self.name}-test.webp")
        labels = _labels(f"{self.name}-test-labels.npy")
        order = np.random.default_rng(TEST_ORDER_SEED).permutation(len(labels))
        return Split(images[order], labels[order], order)


def load_images(name: str, full: bool = False) -> Dataset:
    """The data set `name`, "mnist" or "cifar10" (`full`: all 50,000 training images).

    Nothing is read until a split is asked for. Raises ValueError for another name;
    the splits raise DataError for a missing, truncated or changed file.

    >>> load_images("mnist").test.images.shape
    (10000, 28, 28)
    >>> len(load_images("cifar10").train), len(load_images("cifar10").validation)
    (5000, 5000)
    """
    if name not in IMAGE_SHAPES:
        raise ValueError(f"there is no data set {name!r}: choose 'mnist' or 'cifar10'")
    return _dataset(name, full and name == "cifar10")


@cache
def _dataset(name: str, full: bool) -> Dataset:
    return Dataset(name, full)


def cut(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Cut a sheet (rows * h, columns * w[, 3]) into images (n, h, w[, 3]), row by row.

    shape: of one image, (h, w) or (h, w, 3).

    >>> cut(np.arange(8).reshape(2, 4), (2, 2)).tolist()
    [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
    """
    height, width, *channels = shape
    rows, columns = picture.shape[0] // height, picture.shape[1] // width
    grid = picture.reshape(rows, height, columns, width, *channels)
    return grid.swapaxes(1, 2).reshape(-1, *shape)


def _sheet(path: Path) -> np.ndarray:
    """The 10,000 images of a sheet, uint8; the file's name says of which data set."""
    return_large_blocks()
    shape = IMAGE_SHAPES[path.name.split("-")[0]]
    height, width = shape[:2]
    with Image.open(io.BytesIO(_read_checked(path))) as picture:
        rows, columns = picture.height // height, picture.width // width
        images = np.empty((rows, columns, *shape), np.uint8)
        # Row by row: the decoder holds the picture already, and another copy is 31 MB.
        for row in range(rows):
            box = (0, row * height, picture.width, (row + 1) * height)
            pixels = np.asarray(picture.crop(box))
            images[row] = cut(pixels if shape[2:] else pixels[..., 0], shape)  # R=G=B
    return images.reshape(-1, *shape)


def _labels(name: str) -> np.ndarray:
    content = io.BytesIO(_read_checked(DATA_FOLDER / name))
    return np.load(content, allow_pickle=False)


def _within_one_sheet(name: str, numbers: range) -> Split:
    """The training images with these numbers, which lie in one sheet."""
    sheet, first = divmod(numbers.start, SHEET_SIZE)
    images = _sheet(DATA_FOLDER / f"{name}-train-{sheet + 1}.webp")
    labels = _labels(f"{name}-train-labels.npy")
    index = np.array(numbers)
    # A copy, so that the other half of the sheet is not kept in memory.
    return Split(images[first : first + len(index)].copy(), labels[index], index)


def _training_images(name: str, full: bool, labels: np.ndarray) -> np.ndarray:
    """The available training images, from number 0 on."""
    sheets = [f"{name}-train-{k + 1}.webp" for k in range(SHEETS[name])]
    if name == "mnist":
        return np.concatenate([_sheet(DATA_FOLDER / sheet) for sheet in sheets])
    if not full:
        return _sheet(DATA_FOLDER / sheets[0])
    named = os.environ.get("LABKIT_DATA")
    if not named:
        return read_training_images(None, labels)
    folder = Path(named).expanduser()
    if (folder / CIFAR10_ARCHIVE).is_file():
        return read_training_images(folder / CIFAR10_ARCHIVE, labels)
    if any((folder / sheet).is_file() for sheet in sheets):
        return np.concatenate([_sheet(folder / sheet) for sheet in sheets])
    raise DataError(
        f"LABKIT_DATA={named} holds neither {sheets[0]} to {sheets[-1]} nor "
        f"{CIFAR10_ARCHIVE}: name a folder that does, or unset LABKIT_DATA to download"
    )


def _read_checked(path: Path) -> bytes:
    """The bytes of a data file, or DataError if they are not the published ones."""
    if not DATA_FOLDER.is_dir():
        raise DataError(
            f"there is no folder {DATA_FOLDER}: install labkit from a clone of its "
            "repository with `pip install -e .`, so that data/ lies beside the package"
        )
    expected = _checksum(path.name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} is missing or unreadable: {_mend(path)}") from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise DataError(
            f"{path} is truncated or changed ({len(content):,} bytes, wrong sha256): "
            f"{_mend(path)}"
        )
    return content


def _checksum(name: str) -> str:
    path = DATA_FOLDER / "checksums.json"
    try:
        return read_json(path, {name: str}, _mend(path))[name]
    except FileError as error:
        raise DataError(str(error)) from error


def _mend(path: Path) -> str:
    if path.parent == DATA_FOLDER:
        return f"{restore(path)}, or clone anew"
    return f"copy {path.name} into {path.parent} again"


def restore(*paths: Path) -> str:
    """What brings files under data/ back as the repository has them: "run `git …`"."""
    named = (os.path.relpath(path, DATA_FOLDER.parent) for path in paths)
    return f"run `git checkout -- {' '.join(named)}` in {DATA_FOLDER.parent}"


def made_again(path: Path) -> str:
    """What to do about a damaged file under data/ that a command writes."""
    return f"{restore(path)}, or delete it and run again the command that wrote it"
