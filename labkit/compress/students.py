"""Students of a live distillation as networks: `labkit.train.distillation`."""

import io

import numpy as np

from labkit.model.network import Network
from labkit.model.resize import resize_dense


def read_students(content: bytes, template: Network) -> dict[str, Network]:
    """The trained students by name, "alone" and "distilled", each a .tflite file.

    content: the file that the training ended with. mould: a dense network of three
    layers, the zoo's mlp.
    """
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        student, _, weight = name.partition("/")
        found.setdefault(student, {})[weight] = array
    return {
        student: resize_dense(template, weights) for student, weights in found.items()
    }
