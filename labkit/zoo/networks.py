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
QAT_FOLDER = FOLDER / "qat"
PRUNED_FOLDER = FOLDER / "pruned"
LOWRANK_FOLDER = FOLDER / "lowrank"
GRADIENTS_FOLDER = FOLDER / "gradients"
DISTILLED_FOLDER = FOLDER / "distilled"
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
QAT_RECORD = {**RECORD, "starts_from": str, "setting": str, "kept_at_8_bits": [str]}
PRUNED_RECORD = {**RECORD, "starts_from": str, "parameters": int}
LOWRANK_RECORD = {
    **RECORD,
    **_COUNTED,
    **{"starts_from": str, "method": str, "budget": int, "ranks": dict},
}
DISTILLED_RECORD = {
    **RECORD,
    **_COUNTED,
    **{"teacher": str, "teacher_sha256": str, "wrong": [int]},
    **{"temperature": float, "alpha": float},
}


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


def quantized_names() -> list[str]:
    """The networks trained with quantization: "lenet5-W2A4", …"""
    return sorted(path.stem for path in QAT_FOLDER.glob("*.json"))


def quantized_record(name: str, setting: str) -> dict:
    """How `name` was trained at a setting like "W2A4": the JSON beside its file.

    Keys: as in `record`, and setting, kept_at_8_bits, starts_from (sha256 of the float
    network); size_bytes and sha256 are the packed file's.
    """
    path = QAT_FOLDER / f"{_known(name)}-{setting}.json"
    if not path.exists():
        raise NetworkError(
            f"there is no {name} trained at {setting}: there are "
            f"{', '.join(quantized_names())}"
        )
    return _record(path, QAT_RECORD)


def load_packed(name: str, setting: str) -> bytes:
    """The packed file of `name` trained at a setting, see `labkit.packed.unpack`.

    The network in it has float32 kernels that lie on their grids, and FAKE_QUANT
    operators where activations are rounded. Raises NetworkError for a file that is not
    the trained one.
    """
    record = quantized_record(name, setting)
    return _checked(QAT_FOLDER / f"{name}-{setting}.packed", record)


def pruned_names() -> list[str]:
    """The networks pruned in training: "lenet5-0.92", "resnet20-macs-0.27", …

    The number is the fraction of the kernels' weights that is zero, or with "macs" the
    fraction of the MACs that removed filters took with them.
    """
    return _titles(PRUNED_FOLDER)


def pruned_record(title: str) -> dict:
    """How a network of `pruned_names` was trained: the JSON beside its file.

    Keys: as in `record`; starts_from (sha256 of the network before); sparsity and kept
    (layer -> non-zero weights), or saving, macs and widths (layer -> filters).
    """
    return _titled(PRUNED_FOLDER, "pruned", title, PRUNED_RECORD)


def load_pruned(title: str) -> Network:
    """A network of `pruned_names`, from its packed file or its .tflite file.

    Raises NetworkError for a file that is not the trained one.
    """
    record = pruned_record(title)
    if "sparsity" in record:
        return unpack(_checked(PRUNED_FOLDER / f"{title}.packed", record))
    return _network(PRUNED_FOLDER / f"{title}.tflite", record)


def lowrank_names() -> list[str]:
    """The factorized networks that were trained further: "resnet20-26M", …

    The number is what their multiply-accumulates stay below, in millions.
    """
    return _titles(LOWRANK_FOLDER)


def lowrank_record(title: str) -> dict:
    """How a network of `lowrank_names` was trained: the JSON beside its file.

    Keys: as in `record`; starts_from (sha256 of the network before), method, budget,
    macs and ranks (layer -> rank, None for a layer that stayed whole).
    """
    return _titled(LOWRANK_FOLDER, "factorized", title, LOWRANK_RECORD)


def load_lowrank(title: str) -> Network:
    """A network of `lowrank_names`, its factors as layers of the file.

    Raises NetworkError for a file that is not the trained one.
    """
    record = lowrank_record(title)
    return _network(LOWRANK_FOLDER / f"{title}.tflite", record)


def distilled_names() -> list[str]:
    """The networks trained by a teacher: "resnet8-from-resnet20", …"""
    return _titles(DISTILLED_FOLDER)


def distilled_record(title: str) -> dict:
    """How a network of `distilled_names` was trained: the JSON beside its file.

    Keys: as in `record`; teacher, teacher_sha256, temperature, alpha and wrong (numbers
    of the test images that it gets wrong).
    """
    return _titled(DISTILLED_FOLDER, "distilled", title, DISTILLED_RECORD)


def check_teacher(teacher: str, student: str) -> None:
    """Raise ValueError where two networks of the zoo read images of other shapes."""
    its, mine = (load(name).input_shape for name in (teacher, student))
    if its != mine:
        raise ValueError(
            f"{student} reads {mine} and {teacher} {its}: take a teacher that reads "
            "what the student reads"
        )


def load_distilled(title: str) -> Network:
    """A network of `distilled_names`.

    Raises NetworkError for a file that is not the trained one.
    """
    record = distilled_record(title)
    return _network(DISTILLED_FOLDER / f"{title}.tflite", record)


def _titles(folder: Path) -> list[str]:
    """What the records in a folder are of."""
    return sorted(path.name.removesuffix(".json") for path in folder.glob("*.json"))


def _titled(folder: Path, kind: str, title: str, shape: dict) -> dict:
    """The record of a title, or NetworkError with the titles that there are."""
    if title not in (found := _titles(folder)):
        raise NetworkError(
            f"there is no {kind} network {title!r}: there are {', '.join(found)}"
        )
    return _record(folder / f"{title}.json", shape)


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
