"""A student trained twice in a child process, and its files."""

import numpy as np
import pytest

from labkit import zoo
from labkit.compress import students
from labkit.measure.correctness import accuracy
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.model.resize import resize_dense
from labkit.train import child

MLP = zoo.load("mlp")


def layers(*widths, seed=0):
    rng = np.random.default_rng(seed)
    found = {}
    for k, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False), 1):
        found[f"fc{k}/kernel"] = rng.normal(0, 0.1, (outputs, inputs))
        found[f"fc{k}/bias"] = rng.normal(0, 0.1, outputs)
    return {name: array.astype(np.float32) for name, array in found.items()}


@pytest.mark.parametrize("widths", [(784, 7, 5, 10), (784, 400, 300, 10)])
def test_a_file_of_other_widths_computes_what_its_weights_say(widths, tmp_path):
    weights = layers(*widths)
    made = resize_dense(MLP, weights)
    x = np.random.default_rng(1).random((9, 784)).astype(np.float32)
    hidden = x
    for k in (1, 2, 3):
        hidden = hidden @ weights[f"fc{k}/kernel"].T + weights[f"fc{k}/bias"]
        hidden = np.maximum(hidden, 0) if k < 3 else hidden
    np.testing.assert_allclose(made.predict(x), hidden, rtol=1e-4, atol=1e-4)
    again = Network.load(made.save(tmp_path / "student.tflite"))
    assert again.digest == made.digest
    pairs = zip(widths, widths[1:], strict=False)
    assert made.parameters == sum((a + 1) * b for a, b in pairs)


def test_the_mould_s_own_weights_make_the_mould():
    made = resize_dense(MLP, MLP.weights)
    images = zoo.dataset("mlp").test.images[:50]
    np.testing.assert_array_equal(made.predict(images), MLP.predict(images))


def test_weights_that_do_not_fit_are_named():
    weights = layers(784, 7, 5, 10)
    with pytest.raises(NetworkError, match="fc2/bias is missing"):
        resize_dense(MLP, {k: w for k, w in weights.items() if k != "fc2/bias"})
    other = weights | {"fc2/kernel": np.zeros((5, 8), np.float32)}
    with pytest.raises(NetworkError, match=r"fc2/kernel is \(5, 8\).*want \(5, 7\)"):
        resize_dense(MLP, other)
    with pytest.raises(NetworkError, match="conv1 is not dense"):
        resize_dense(zoo.load("lenet5"), weights)


def test_two_students_are_trained_side_by_side(in_this_process):
    seen = []
    content = child.result(
        child.distillation("mlp", 20, 4, 0.9, images=300, steps=200), seen.append
    )
    told = [(now.student, now.step) for now in seen]
    assert told == [(s, n) for s in ("alone", "distilled") for n in (100, 200)]
    assert all(now.steps == 200 and 0 < now.loss < 2.5 for now in seen)
    found = students.read_students(content, MLP)
    split = zoo.dataset("mlp").validation.take(1000)
    assert set(found) == {"alone", "distilled"}
    for network in found.values():
        assert [len(w) for w in network.kernels.values()] == [20, 20, 10]
        assert accuracy(network, split).value > 0.6
    kernels = [network.kernels["fc1"] for network in found.values()]
    assert (kernels[0] != kernels[1]).any()


@pytest.mark.long
def test_a_distillation_is_cancelled():
    pytest.importorskip("keras", reason="the extra `train` is not installed")
    seen = []
    rows = child.distillation(
        "mlp", 10, 4, 0.9, 100, 10**6, cancelled=lambda: len(seen) > 1
    )
    assert child.result(rows, seen.append) is None and 2 <= len(seen) < 20


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"images": 5001}, "images is 5001: give 1 to 5,000"),
        ({"width": 0}, "width is 0: give 1 or more"),
        ({"temperature": 0}, "the temperature is 0: give a finite number above 0"),
        ({"alpha": 2}, "alpha is 2: give what the teacher weighs"),
    ],
)
def test_settings_that_make_no_sense(wrong, sentence):
    right = {"width": 10, "temperature": 4, "alpha": 0.9, "images": 100, "steps": 100}
    with pytest.raises(ValueError, match=sentence):
        child.result(child.distillation("mlp", **(right | wrong)))
