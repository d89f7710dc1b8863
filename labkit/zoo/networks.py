"""The trained networks that the repository carries, and how each was trained."""

from pathlib import Path

from labkit.common.cache import CACHE
from labkit.common.file_errors import FileError
from labkit.common.keys import sha256
from labkit.common.reading import read_arrays, read_file, read_json
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.model.vouched import vouch
from labkit.packed.compressed import unpack
from labkit.prune.gradients import Gradients
from labkit.zoo import datasets

NAMES = ("mlp", "lenet5", "resnet8", "resnet20")
FOLDER = datasets.DATA_FOLDER / "models"
GRADIENTS_FOLDER = FOLDER / "gradients"
RUNS = datasets.ROOT / "runs"

# What the records say, see `labkit.common.read_json`.
RECORD = {
    **dict.fromkeys(("name", "dataset", "command", "sha256"), str),
    **dict.fromkeys(("seed", "epochs", "training_images", "size_bytes"), int),
    **dict.fromkeys(("seconds", "validation_accuracy", "test_accuracy"), float),
    "recipe": dict,
    "history": [dict],
}
_COUNTED = {"parameters": int, "macs": int}
FLOAT_RECORD = {**RECORD, **_COUNTED, "keras_sha256": str}


class Family:
    """Networks that were trained further in one way: their files, a record beside each.

    kind: what such a network is called. folder: of its files. shape: what a record has
    beside RECORD, see `labkit.common.read_json`. A network's title is its files' name.
    """

    def __init__(self, kind: str, folder: Path, shape: dict):
        self.kind, self.folder, self.shape = kind, folder, {**RECORD, **shape}

    def names(self) -> list[str]:
        """The titles that there are, sorted."""
        found = self.folder.glob("*.json")
        return sorted(path.name.removesuffix(".json") for path in found)

    def record(self, title: str) -> dict:
        """How a network was trained: the JSON beside its file.

        Keys: as of `labkit.zoo.record`, where size_bytes and sha256 are of the packed
        file if there is one, and the family's own. Raises NetworkError for a title that
        there is not, or a damaged record.
        """
        if title not in (found := self.names()):
            raise NetworkError(
                f"there is no {self.kind} network {title!r}: there are "
                f"{', '.join(found)}"
            )
        return _record(self.folder / f"{title}.json", self.shape)

    def packed(self, title: str) -> bytes:
        """The packed file of a network, see `labkit.packed.unpack`.

        Raises NetworkError for a file that is not the trained one.
        """
        return _checked(self.folder / f"{title}.packed", self.record(title))

    def load(self, title: str) -> Network:
        """A network, from its packed file or its .tflite file.

        Raises NetworkError for a file that is not the trained one.
        """
        record = self.record(title)
        if "sparsity" in record or "setting" in record:
            return unpack(_checked(self.folder / f"{title}.packed", record))
        return _network(self.folder / f"{title}.tflite", record)


_START = {"starts_from": str}  # the sha256 of the network before
# "lenet5-W2A4": trained with rounding, packed.
QAT = Family(
    "quantized",
    FOLDER / "qat",
    {**_START, "setting": str, "kept_at_8_bits": [str]},
)
# "lenet5-0.92": the fraction of the kernels' weights that is zero, packed, with
# sparsity and kept (layer -> non-zero weights). "resnet20-macs-0.27": the fraction of
# the MACs that removed filters took, with saving, macs and widths (layer -> filters).
PRUNED = Family("pruned", FOLDER / "pruned", {**_START, "parameters": int})
# "resnet20-26M": what their MACs stay below, in millions; ranks: layer -> rank, None
# for a layer that stayed whole.
LOWRANK = Family(
    "factorized",
    FOLDER / "lowrank",
    {**_START, **_COUNTED, "method": str, "budget": int, "ranks": dict},
)
# "resnet8-from-resnet20"; wrong: numbers of the test images that it gets wrong.
DISTILLED = Family(
    "distilled",
    FOLDER / "distilled",
    {
        **_COUNTED,
        **{"teacher": str, "teacher_sha256": str, "wrong": [int]},
        **{"temperature": float, "alpha": float},
    },
)
# As lessons call them.
quantized_names = QAT.names
pruned_names, pruned_record, load_pruned = PRUNED.names, PRUNED.record, PRUNED.load
lowrank_names, lowrank_record = LOWRANK.names, LOWRANK.record


def record(name: str) -> dict:
    """How `name` was trained and what it reaches: the JSON beside its files.

    Keys: dataset, seed, epochs, seconds, validation_accuracy, test_accuracy (0 to 1),
    parameters, size_bytes and sha256 of the .tflite file, keras_sha256, recipe,
    history. Raises NetworkError where it is missing or damaged.
    """
    return _record(FOLDER / f"{_known(name)}.json", FLOAT_RECORD)


def load(name: str) -> Network:
    """The float32 network `name`: float pixels / 255 in, logits out.

    Raises NetworkError for an unknown name and for a file that is not the trained one.
    """
    return _network(FOLDER / f"{_known(name)}.tflite", record(name))


def quantized_record(name: str, setting: str) -> dict:
    """How `name` was trained at a setting like "W2A4": `QAT.record` of "name-W2A4"."""
    return QAT.record(f"{_known(name)}-{setting}")


def load_packed(name: str, setting: str) -> bytes:
    """The packed file of `name` trained at a setting, `QAT.packed` of "name-W2A4".

    The network in it has float32 kernels that lie on their grids, and FAKE_QUANT
    operators where activations are rounded.
    """
    return QAT.packed(f"{_known(name)}-{setting}")


def check_teacher(teacher: str, student: str) -> None:
    """Raise ValueError where two networks of the zoo read images of other shapes."""
    its, mine = (load(name).input_shape for name in (teacher, student))
    if its != mine:
        raise ValueError(
            f"{student} reads {mine} and {teacher} {its}: take a teacher that reads "
            "what the student reads"
        )


def _record(path: Path, shape: dict) -> dict:
    """A record, or NetworkError with what to do."""
    try:
        return read_json(path, shape, _remedy(path))
    except FileError as error:
        raise NetworkError(str(error)) from error


def gradients(name: str) -> Gradients:
    """The gradients of `name` on its calibration images, from a committed file.

    Raises NetworkError where there is none, or one of another network.
    """
    path = GRADIENTS_FOLDER / f"{_known(name)}.npz"
    again = f"run `python -m labkit gradients {name}`"
    try:
        key = gradients, sha256(read_file(path, again))
        found = CACHE.get(key, lambda: Gradients.from_arrays(read_arrays(path, again)))
    except FileError as error:
        raise NetworkError(str(error)) from error
    except KeyError as error:
        raise NetworkError(f"{path} has no array {error}: {again}") from error
    if found.network_digest != record(name)["sha256"]:
        raise NetworkError(
            f"{path} has the gradients of another network than {name}.tflite: {again}"
        )
    return found


def dataset(name: str) -> datasets.Dataset:
    """The data set that `name` was trained on."""
    return datasets.load_images(
        "mnist" if _known(name) in ("mlp", "lenet5") else "cifar10"
    )


def keras_model(name: str):
    """The same network as a Keras model (this imports TensorFlow), not compiled.

    Raises NetworkError for a file that is not the trained one.
    """
    path = FOLDER / f"{_known(name)}.keras"
    _checked(path, record(name), "keras_sha256")
    import keras

    return keras.models.load_model(path, compile=False)


def _network(path: Path, record: dict) -> Network:
    """A .tflite file; NetworkError unless it is that of its record."""
    content = _checked(path, record)
    key = _network, record["sha256"]
    return CACHE.get(key, lambda: Network.from_bytes(content))


def _checked(path: Path, record: dict, key: str = "sha256") -> bytes:
    """A file's bytes, vouched for; NetworkError unless they are those of its record.

    key: under which the record has their sha256.
    """
    try:
        content = read_file(path, _remedy(path, record))
    except FileError as error:
        raise NetworkError(str(error)) from error
    if sha256(content) != record[key]:
        raise NetworkError(
            f"{path} is truncated or changed (not the {key} in the .json beside it): "
            f"{_remedy(path, record)}"
        )
    return vouch(content)


def _remedy(path: Path, record: dict | None = None) -> str:
    """What to do about a file of a network that is missing, damaged or another one.

    Its training puts it in place at the end: where that was interrupted, the run that
    is kept only has to be finished. record: where it is known.
    """
    title = path.name.rpartition(".")[0]
    seed, command = (0, "the command that trained it")
    if record:
        seed, command = record["seed"], f"`{record['command']}`"
    run = RUNS / f"{title}-seed{seed}"
    restored = datasets.restore(path, path.with_name(f"{title}.json"))
    if run.is_dir():
        return (
            f"to keep your own training, run {command} again, which ends it from {run} "
            f"without training anew; else {restored}"
        )
    return f"{restored}, or run {command} again"


def _known(name: str) -> str:
    if name not in NAMES:
        raise NetworkError(f"there is no network {name!r}: choose {', '.join(NAMES)}")
    return name
