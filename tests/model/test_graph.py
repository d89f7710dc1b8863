"""Names of layers, and what a small file may make the reader of its graph do."""

import numpy as np
import pytest

from labkit import zoo
from labkit.integer.load import load
from labkit.model import flatbuffer, graph
from labkit.model.graph import NetworkError, Span, read_graph


def renamed(*names: bytes) -> bytes:
    """The mlp with other names of its three layers' outputs."""
    model = flatbuffer.unpack(zoo.load("mlp").to_bytes())
    for operator, name in zip(model.subgraphs[0].operators, names, strict=True):
        model.subgraphs[0].tensors[operator.outputs[0]].name = name
    model.signatureDefs = []
    return flatbuffer.pack(model)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((b"a", b"b_2", b"c"), ["a", "b_2", "c"]),
        ((b"conv1\n", b"conv1\r", b"conv1\0"), ["fc1", "fc2", "fc3"]),
        ((b"x" * (1 << 20), b"x" * 65, b"x" * 64), ["fc1", "fc2", "x" * 64]),
        ((b"fc1", b"a/b", b"fc2"), ["fc1", "fc2", "fc3"]),
        ((b"fc2", b"", b"fc1"), ["fc2", "fc1", "fc3"]),
        ((b"input", b"\xff\xfe", "é".encode()), ["fc1", "fc2", "fc3"]),
        ((b"same", b"same", b"same"), ["same", "fc1", "fc2"]),
    ],
)
def test_each_layer_has_a_plain_name_of_its_own(names, expected):
    found = read_graph(renamed(*names))
    assert [layer.name for layer in found.layers] == expected
    assert list(found.spans) == [
        f"{name}/{role}" for name in expected for role in ("kernel", "bias")
    ]
    assert [layer.inputs for layer in found.layers][0] == ("input",)


def test_integer_files_have_the_same_names():
    content = renamed(b"input", b"fc3", b"fc3")
    assert [operation.name for operation in load(content, "double").operations] == [
        layer.name for layer in read_graph(content).layers
    ]


@pytest.mark.parametrize("bound", ["MOST_OPERATORS", "MOST_INPUTS", "MOST_AXES"])
def test_long_lists(bound, monkeypatch):
    monkeypatch.setattr(graph, bound, 1)
    with pytest.raises(NetworkError, match="entries where this lab reads at most 1"):
        read_graph(zoo.load("mlp").to_bytes())


def test_weights_that_overlap():
    def span(offset, size):
        return Span(offset, (size,), np.dtype("<i1"), 0)

    graph._check_apart({"a": span(0, 10), "b": span(10, 5), "shared": span(0, 10)})
    for second in (span(9, 5), span(0, 9)):
        with pytest.raises(NetworkError, match="two weights overlap"):
            graph._check_apart({"a": span(0, 10), "b": second})


def test_counts_are_named():
    model = flatbuffer.unpack(zoo.load("mlp").to_bytes())
    model.signatureDefs = []
    model.subgraphs[0].outputs = [model.subgraphs[0].outputs[0]] * 3
    with pytest.raises(NetworkError, match="1 inputs and 3 outputs"):
        read_graph(flatbuffer.pack(model))
