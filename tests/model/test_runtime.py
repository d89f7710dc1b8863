"""What Runner refuses: other inputs, and outputs that are not one row an image."""

import os
import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from labkit import zoo
from labkit.common.children import environment
from labkit.measure import trial
from labkit.measure.correctness import accuracy
from labkit.model import flatbuffer, runtime
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.model.runtime import Runner

IMAGES = zoo.dataset("mlp").test.images


def with_operator(
    kind: str, constants, shape, options=None, network: Network | None = None
) -> Network:
    """The mlp, or another network, with one more operator behind its output.

    shape: the new output's for one image.
    """
    model = flatbuffer.unpack((network or zoo.load("mlp")).to_bytes())
    graph = model.subgraphs[0]
    before = int(graph.outputs[0])
    operator, out = schema.OperatorT(), schema.TensorT()
    operator.opcodeIndex = flatbuffer.operator_code(model, kind)
    places = [
        flatbuffer.add_constant(model, f"constant{k}", np.array(values, np.int32))
        for k, values in enumerate(constants)
    ]
    out.name, out.shape, out.buffer, out.hasRank = b"last", shape, 0, True
    out.type, out.shapeSignature = schema.TensorType.FLOAT32, [-1, *shape[1:]]
    graph.tensors.append(out)
    operator.inputs = [before, *places]
    operator.outputs = graph.outputs = [len(graph.tensors) - 1]
    if options:
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(
            schema.BuiltinOptions, type(options).__name__.removesuffix("T")
        )
    graph.operators.append(operator)
    model.signatureDefs = []
    return Network.from_bytes(flatbuffer.pack(model))


def reversed_rows() -> Network:
    options = schema.StridedSliceOptionsT()
    options.beginMask = options.endMask = 3
    return with_operator("STRIDED_SLICE", [[0, 0], [0, 0], [-1, 1]], [1, 10], options)


@pytest.mark.parametrize(
    ("kind", "constants", "shape", "found"),
    [
        ("SLICE", [[0, 0], [1, 10]], [1, 10], r"\(1, 10\)"),  # lost
        ("RESHAPE", [[-1, 5]], [2, 5], r"\(250, 5\)"),  # multiplied
        ("TRANSPOSE", [[1, 0]], [10, 1], r"\(10, 125\)"),  # columns for rows
        ("RESHAPE", [[-1]], [10], r"\(1250,\)"),  # no rows left
    ],
)
def test_rows_that_are_not_the_images(kind, constants, shape, found, tmp_path):
    network = with_operator(kind, constants, shape)
    words = rf"output for 125 images has shape {found}, not one row an image"
    with pytest.raises(NetworkError, match=words):
        network.predict(IMAGES[:125])
    with pytest.raises(NetworkError, match=words):
        accuracy(network, zoo.dataset("mlp").test, 125)
    with pytest.raises(NetworkError, match="not one row an image"):
        trial.try_out(network)


def test_rows_in_another_order():
    """No shape shows it: the check runs images alone and together."""
    network = reversed_rows()
    expected = zoo.load("mlp").predict(IMAGES[:125])
    np.testing.assert_array_equal(network.predict(IMAGES[:125]), expected[::-1])
    with pytest.raises(NetworkError, match="it mixes or moves images"):
        trial.try_out(network)


@pytest.mark.parametrize("name", zoo.NAMES)
def test_the_labs_networks_stay_in_place(name):
    trial.try_out(zoo.load(name))


@pytest.mark.parametrize(("role", "place"), [("input", 0), ("output", -1)])
def test_numbers_that_are_not_float32(role, place):
    model = flatbuffer.unpack(zoo.load("mlp").to_bytes())
    graph = model.subgraphs[0]
    ends = graph.inputs if role == "input" else graph.outputs
    graph.tensors[int(ends[0])].type = schema.TensorType.INT8
    with pytest.raises(NetworkError, match=rf"the model's {role} is int8.*IntegerNet"):
        Runner(flatbuffer.pack(model), 1)


def test_an_input_without_a_batch():
    detail = {"shape": np.array([], int), "dtype": np.float32}
    with pytest.raises(NetworkError, match="no axis for the images"):
        runtime._only_input([detail])
    with pytest.raises(NetworkError, match="the model has 2 inputs: it must have one"):
        runtime._only_input([detail, detail])


def test_large_outputs_run_in_steps(monkeypatch):
    network, images = zoo.load("lenet5"), zoo.dataset("lenet5").test.images[:50]
    expected = network.predict(images)
    monkeypatch.setattr(runtime, "LARGEST_OUTPUT_BYTES", 24 * 24 * 20 * 4 * 8)
    runner = Runner(network.to_bytes(), 50)
    assert runner.step == 8 and runner.batch_size == 50
    np.testing.assert_allclose(runner.run(images), expected, atol=1e-4)
    with pytest.raises(NetworkError, match="time at most 8 at once"):
        runner.invoke()


PREDICT = """
import sys
from pathlib import Path
from labkit import zoo
from labkit.model import Network
network = Network.from_bytes(Path(sys.argv[1]).read_bytes())
print(network.predict(zoo.dataset("mlp").test.images[:125]).shape)
status = Path("/proc/self/status")
print(status.read_text().split("VmHWM:")[1].split()[0] if status.exists() else 0)
"""


def test_a_layer_of_five_megabytes_an_image(tmp_path):
    """600 MB for a batch of 125 at once."""
    wide = with_operator("PAD", [[[0, 0], [0, 1_199_990]]], [1, 1_200_000])
    network = with_operator("SLICE", [[0, 0], [-1, 10]], [1, 10], network=wide)
    path = network.save(tmp_path / "wide.tflite")
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, str(path)],
        capture_output=True,
        text=True,
        env=environment(),
    )
    shape, peak = done.stdout.splitlines()
    assert shape == "(125, 10)" and int(peak) < 400_000, done.stderr


def test_a_fixed_batch_is_named():
    """A file whose graph says 1 image: what to do, in the same sentence."""
    model = flatbuffer.unpack(
        with_operator("SLICE", [[0, 0], [1, 10]], [1, 10]).to_bytes()
    )
    graph = model.subgraphs[0]
    graph.tensors[int(graph.inputs[0])].shapeSignature = None
    network = Network.from_bytes(flatbuffer.pack(model))
    with pytest.raises(NetworkError, match=r"fixed batch: give batch_size=1"):
        network.predict(IMAGES[:3])
    expected = zoo.load("mlp").predict(IMAGES[:3])
    found = network.predict(IMAGES[:3], batch_size=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    trial.try_out(network)


@pytest.mark.parametrize("batch", [0, -3])
def test_no_batch(batch):
    with pytest.raises(NetworkError, match=f"a batch of {batch} images: give at least"):
        zoo.load("mlp").predict(IMAGES[:3], batch_size=batch)


def test_images_of_another_size():
    with pytest.raises(ValueError, match=r"the shape \(28, 28\): give \(n, 784\)"):
        zoo.load("mlp").predict(IMAGES[0])


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux says so")
@pytest.mark.parametrize(
    ("said", "most"),
    [
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("150000 100000", 1),
        ("900000 100000", 9),
        ("max 100000", None),
        ("", None),
        (None, None),
    ],
)
def test_a_container_s_share_of_time_limits_the_threads(said, most, tmp_path):
    if said is not None:
        (tmp_path / "cpu.max").write_text(said + "\n")
    cores = len(os.sched_getaffinity(0))
    assert runtime.usable_cores(tmp_path) == min(cores, most or cores)
    assert 1 <= runtime.THREADS <= 2
