"""The trained networks that the repository carries, and how each was trained."""

import hashlib
import json
from functools import lru_cache

from labkit import data
from labkit.network import Network, NetworkError

NAMES = ("mlp", "lenet5", "resnet8", "resnet20")
FOLDER = data.FOLDER / "models"


def record(name: str) -> dict:
    """How `name` was trained and what it reaches: the JSON beside its files.

    Keys: dataset, seed, epochs, seconds, validation_accuracy, test_accuracy (0 to 1),
    parameters, size_bytes and sha256 of the .tflite file, recipe, history.
    """
    path = FOLDER / f"{_known(name)}.json"
    if not path.exists():
        raise NetworkError(f"{path} is missing: run `git checkout -- data`")
    return json.loads(path.read_text())


def load(name: str) -> Network:
    """The float32 network `name`: float pixels / 255 in, logits out.

    Raises NetworkError for an unknown name and for a file that is not the trained one.
    """
    path = FOLDER / f"{_known(name)}.tflite"
    if not path.exists():
        raise NetworkError(f"{path} is missing: run `git checkout -- data`")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != record(name)["sha256"]:
        raise NetworkError(
            f"{path} is truncated or changed (not the sha256 in {name}.json): restore "
            "both with `git checkout -- data`"
        )
    return _view(content)


@lru_cache(maxsize=len(NAMES))
def _view(content: bytes) -> Network:
    return Network.from_bytes(content)


def dataset(name: str) -> data.Dataset:
    """The data set that `name` was trained on."""
    return data.load("mnist" if _known(name) in ("mlp", "lenet5") else "cifar10")


def keras_model(name: str):
    """The same network as a Keras model (this imports TensorFlow), not compiled."""
    import keras

    return keras.models.load_model(FOLDER / f"{_known(name)}.keras", compile=False)


def _known(name: str) -> str:
    if name not in NAMES:
        raise NetworkError(f"there is no network {name!r}: choose {', '.join(NAMES)}")
    return name
