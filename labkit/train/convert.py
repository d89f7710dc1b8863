"""A Keras model as a float32 .tflite file with the lab's layer names."""

import contextlib
import io
import re
from collections.abc import Iterator

import keras
import tensorflow as tf

from labkit.model import flatbuffer
from labkit.model.graph import KERNEL_KINDS


def to_tflite(model: keras.Model) -> bytes:
    """Convert, then name each operator's output after the Keras layer that it computes.

    The converter folds batch normalization into the convolutions and fuses ReLU. Its
    tensor names ("mlp_1/fc1_1/MatMul;…") become "fc1", "fc1/kernel", "fc1/bias".
    """
    with contextlib.redirect_stdout(io.StringIO()):
        content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    file = flatbuffer.unpack(content)
    _name_layers(file, {layer.name for layer in model.layers})
    file.description = b"labkit"
    file.metadata = [
        entry for entry in file.metadata or [] if entry.name == b"min_runtime_version"
    ]
    return flatbuffer.pack(file)


def _name_layers(file, keras_names: set[str]) -> None:
    graph = file.subgraphs[0]
    taken: set[str] = set()
    for operator in reversed(graph.operators):  # the last operator of a layer names it
        kind = flatbuffer.kind(file, operator)
        position = operator.inputs[1] if kind in KERNEL_KINDS else operator.outputs[0]
        found = list(_layers_in(graph.tensors[position].name.decode(), keras_names))
        name = _free(found[-1] if found else kind.lower(), kind.lower(), taken)
        graph.tensors[operator.outputs[0]].name = name.encode()
        if kind in KERNEL_KINDS:
            for role, index in zip(
                ("kernel", "bias"), operator.inputs[1:], strict=False
            ):
                graph.tensors[index].name = f"{name}/{role}".encode()


def _layers_in(tensor_name: str, keras_names: set[str]) -> Iterator[str]:
    """The Keras layers named in a converter's tensor name, in order."""
    for word in re.split("[/;]", tensor_name):
        plain = re.sub(r"_\d+$", "", word)
        if plain in keras_names:
            yield plain


def _free(name: str, kind: str, taken: set[str]) -> str:
    """The name, or one that is not taken yet: flatten, flatten_pack, pad, pad_2 …"""
    choices = [name, f"{name}_{kind}", *(f"{name}_{k}" for k in range(2, 100))]
    free = next(choice for choice in choices if choice not in taken)
    taken.add(free)
    return free
