"""The arrays are the published ones, the splits are fixed, damage is never an array."""

import doctest
import hashlib
import json
import shutil
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from labkit.zoo import datasets
from labkit.zoo.cifar10_archive import CIFAR10_ARCHIVE, DataError
from labkit.zoo.datasets import load_images

# sha256 of the decoded arrays (uint8, C order) in the published order.
IMAGES_SHA256 = {
    "mnist-train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "mnist-test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "cifar10-train": "fc115a3de050d667b88cbd5b0b9612ebf996c54230fe7758f3a14bb5af9a1c27",
    "cifar10-test": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
}
LABELS_SHA256 = {
    "mnist-train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "mnist-test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    "cifar10-train": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
    "cifar10-test": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
}
MNIST_COUNTS = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}
NAMES = ("mnist", "cifar10")


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def published_order(*splits) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(np.concatenate([split.index for split in splits]))
    images = np.concatenate([split.images for split in splits])[order]
    return images, np.concatenate([split.labels for split in splits])[order]


@pytest.mark.parametrize("name", NAMES)
def test_arrays_are_the_published_ones(name):
    dataset = load_images(name)
    for part, splits in {
        "train": (dataset.train, dataset.validation),
        "test": (dataset.test,),
    }.items():
        images, labels = published_order(*splits)
        assert sha256(images) == IMAGES_SHA256[f"{name}-{part}"]
        every_label = datasets._labels(f"{name}-{part}-labels.npy")
        assert sha256(every_label) == LABELS_SHA256[f"{name}-{part}"]
        np.testing.assert_array_equal(labels, every_label[: len(labels)])


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_as_many_as_published(name):
    for part in ("train", "test"):
        labels = datasets._labels(f"{name}-{part}-labels.npy")
        even = [5000 if part == "train" else 1000] * 10
        expected = MNIST_COUNTS[part] if name == "mnist" else even
        assert np.bincount(labels).tolist() == expected
    assert len(datasets.CLASSES[name]) == 10


@pytest.mark.parametrize(("name", "train"), [("mnist", 55_000), ("cifar10", 5_000)])
def test_splits(name, train):
    dataset = load_images(name)
    sizes = {"train": train, "validation": 5_000, "calibration": 5_000, "test": 10_000}
    for part, size in sizes.items():
        split = getattr(dataset, part)
        assert len(split) == size
        assert split.images.shape == (size, *datasets.IMAGE_SHAPES[name])
        assert split.images.dtype == split.labels.dtype == np.uint8
        assert split.labels.shape == split.index.shape == (size,)
        assert len(np.unique(split.index)) == size
        assert not split.images.flags.writeable
    assert not np.isin(dataset.validation.index, dataset.train.index).any()
    assert not np.isin(dataset.validation.index, dataset.calibration.index).any()
    assert dataset.validation.index[0] == {"mnist": 55_000, "cifar10": 5_000}[name]
    np.testing.assert_array_equal(dataset.calibration.index, np.arange(5_000))
    np.testing.assert_array_equal(
        dataset.calibration.images, dataset.train.images[:5_000]
    )
    np.testing.assert_array_equal(
        dataset.calibration.labels, dataset.train.labels[:5_000]
    )


@pytest.mark.parametrize(
    ("name", "labels"), [("mnist", [8, 8, 3, 9, 0]), ("cifar10", [4, 8, 5, 5, 8])]
)
def test_the_test_order_never_changes(name, labels):
    first = load_images(name).test.take(5)
    assert first.index.tolist() == [4731, 5729, 4109, 2538, 4720]
    assert first.labels.tolist() == labels


def test_take_is_a_view_of_the_first():
    test = load_images("mnist").test
    few = test.take(3)
    assert len(few) == 3
    assert np.shares_memory(few.images, test.images)
    assert len(test.take(20_000)) == 10_000


def test_a_data_set_is_loaded_once_and_mnist_is_always_full():
    assert (
        load_images("mnist")
        is load_images("mnist", full=False)
        is load_images("mnist", True)
    )
    assert load_images("cifar10") is not load_images("cifar10", full=True)
    with pytest.raises(ValueError, match="choose 'mnist' or 'cifar10'"):
        load_images("imagenet")


def test_threads_decode_once(monkeypatch):
    calls = []
    real = datasets._sheet
    monkeypatch.setattr(
        datasets, "_sheet", lambda path: calls.append(path) or real(path)
    )
    dataset = datasets.Dataset("mnist")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(dataset.test)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len({id(split) for split in found}) == 1


def test_no_sheet_is_large_enough_for_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in datasets.DATA_FOLDER.glob("*-t*.webp"):
            with Image.open(path) as picture:
                assert picture.width * picture.height < Image.MAX_IMAGE_PIXELS


def test_importing_the_module_reads_no_file_and_no_network_library():
    unwanted = {"pooch", "requests"}
    code = f"import sys, labkit.zoo.datasets; print({unwanted} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the small files of data/, to be damaged."""
    copied = tmp_path / "data"
    copied.mkdir()
    names = ["checksums.json", "mnist-test.webp", "mnist-test-labels.npy"]
    for name in names:
        shutil.copy(datasets.DATA_FOLDER / name, copied)
    monkeypatch.setattr(datasets, "DATA_FOLDER", copied)
    return copied


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-1])


def remove(path):
    path.unlink()


@pytest.mark.parametrize("file", ["mnist-test.webp", "mnist-test-labels.npy"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip_a_bit, "truncated or changed"),
        (cut_short, "truncated or changed"),
        (remove, "missing or unreadable"),
    ],
)
def test_damage_gives_one_sentence_and_can_be_mended(folder, file, damage, words):
    dataset = datasets.Dataset("mnist")
    whole = (folder / file).read_bytes()
    damage(folder / file)
    with pytest.raises(DataError) as error:
        dataset.test  # noqa: B018
    text = str(error.value)
    assert str(folder / file) in text and words in text and "\n" not in text
    assert f"git checkout -- data/{file}" in text
    (folder / file).write_bytes(whole)
    assert len(dataset.test) == 10_000


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"{", b"\xff", b"[]", b'{"mnist-test.webp": 7}']
)
def test_a_damaged_list_of_checksums(folder, content):
    (folder / "checksums.json").write_bytes(content)
    words = r"checksums\.json is damaged \(.*git checkout -- data/checksums"
    with pytest.raises(DataError, match=words):
        datasets.Dataset("mnist").test  # noqa: B018


def test_without_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "DATA_FOLDER", tmp_path / "data")
    with pytest.raises(DataError, match=r"there is no folder .*pip install -e \."):
        datasets.Dataset("mnist").test  # noqa: B018


def sheet_of(images: np.ndarray) -> np.ndarray:
    """(n, 32, 32, 3) -> one row of images."""
    return images.swapaxes(0, 1).reshape(32, -1, 3)


@pytest.fixture
def five_sheets(tmp_path, monkeypatch):
    """A LABKIT_DATA folder with five small sheets of CIFAR-10, and their 10 images."""
    images = np.random.default_rng(1).integers(0, 256, (10, 32, 32, 3), np.uint8)
    checksums = {}
    for k in range(5):
        path = tmp_path / f"cifar10-train-{k + 1}.webp"
        picture = Image.fromarray(sheet_of(images[2 * k : 2 * k + 2]))
        picture.save(path, lossless=True)
        checksums[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(datasets, "_checksum", checksums.__getitem__)
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    return tmp_path, images


def test_full_cifar10_from_sheets(five_sheets):
    _, images = five_sheets
    found = datasets._training_images("cifar10", True, np.zeros(10, np.uint8))
    np.testing.assert_array_equal(found, images)


def test_full_cifar10_without_one_of_the_sheets(five_sheets):
    folder, _ = five_sheets
    (folder / "cifar10-train-3.webp").unlink()
    with pytest.raises(DataError, match=r"cifar10-train-3\.webp is missing.*copy "):
        datasets._training_images("cifar10", True, np.zeros(10, np.uint8))


def test_full_cifar10_from_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"holds neither .*unset LABKIT_DATA"):
        datasets.Dataset("cifar10", full=True).train  # noqa: B018


@pytest.mark.parametrize("named", [True, False])
def test_full_cifar10_from_the_archive(tmp_path, monkeypatch, named):
    """The archive in LABKIT_DATA comes first, then the cache (None)."""
    everything = np.zeros((50_000, 32, 32, 3), np.uint8)
    asked = []

    def read(path, labels):
        asked.append(path)
        assert len(labels) == 50_000
        return everything

    monkeypatch.setattr(datasets, "read_training_images", read)
    archive = tmp_path / CIFAR10_ARCHIVE
    archive.touch()
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path) if named else "")
    train = datasets.Dataset("cifar10", full=True).train
    assert asked == [archive if named else None]
    assert len(train) == 45_000
    assert train.index[[4_999, 5_000]].tolist() == [4_999, 10_000]


def test_the_list_of_checksums_names_every_file_of_the_repository():
    listed = json.loads((datasets.DATA_FOLDER / "checksums.json").read_text())
    sheets = [f"mnist-train-{k}.webp" for k in range(1, 7)] + ["cifar10-train-1.webp"]
    for name in (*sheets, "mnist-test.webp", "cifar10-test.webp"):
        digest = hashlib.sha256((datasets.DATA_FOLDER / name).read_bytes()).hexdigest()
        assert digest == listed[name]


def test_the_readme_cuts_a_sheet_as_it_says():
    path = datasets.DATA_FOLDER / "README.md"
    outcome = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert outcome.attempted > 5 and outcome.failed == 0
