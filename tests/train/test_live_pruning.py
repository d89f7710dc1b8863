"""Masked trainings of some seconds, some of them in a child process."""

import sys
from pathlib import Path

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.compress.pruned import apply_masks
from labkit.measure.correctness import accuracy
from labkit.packed.compressed import unpack
from labkit.prune.masking import masks, removed_count
from labkit.train import child

pytest.importorskip("keras", reason="the extra `train` is not installed")
from labkit.train import live_training as train_live  # noqa: E402


def magnitude_masks(name, sparsity):
    kernels = zoo.load(name).kernels
    return masks({layer: np.abs(kernel) for layer, kernel in kernels.items()}, sparsity)


@pytest.mark.parametrize(
    ("name", "sparsity", "steps"),
    quick([("mlp", 0.9, 60), ("resnet8", 0.5, 20)], ("mlp", 0.9, 60)),
)
def test_fine_tuning_keeps_the_masks_and_mends_the_network(
    in_this_process, eager, name, sparsity, steps
):
    kept, seen = magnitude_masks(name, sparsity), []
    network, split = zoo.load(name), zoo.dataset(name).validation.take(500)
    packed = child.result(child.fine_tuning(name, kept, steps), seen.append)
    assert [row.step for row in seen] == list(range(5, steps + 1, 5))
    trained = unpack(packed)
    for layer, kernel in trained.kernels.items():
        np.testing.assert_array_equal(kernel != 0, kept[layer])
    before = accuracy(apply_masks(network, kept), split).value
    assert accuracy(trained, split).value > before + 0.05
    assert len(packed) < (1.1 - sparsity) * len(network)


def test_layers_without_a_mask_keep_all_their_weights(in_this_process, eager):
    kept = {"fc1": magnitude_masks("mlp", 0.9)["fc1"]}
    trained = unpack(child.result(child.fine_tuning("mlp", kept, 5)))
    zeros = {name: int((w == 0).sum()) for name, w in trained.kernels.items()}
    assert zeros == {"fc1": removed_count(0.9, 235_200), "fc2": 0, "fc3": 0}


def test_pruning_removes_what_it_says(in_this_process, eager):
    packed = child.result(child.pruning("mlp", 0.9, 10, "iterative", "layer"))
    for kernel in unpack(packed).kernels.values():
        assert (kernel == 0).sum() == removed_count(0.9, kernel.size)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_shortest_pruning_removes_all_that_it_says(in_this_process, eager, steps):
    kernels = unpack(child.result(child.pruning("mlp", 0.9, steps))).kernels
    weights = sum(kernel.size for kernel in kernels.values())
    zeros = sum(int((kernel == 0).sum()) for kernel in kernels.values())
    assert zeros == removed_count(0.9, weights)


def test_a_mask_of_another_shape_is_named(in_this_process):
    with pytest.raises(child.TrainingError, match="the mask of fc1 is bool"):
        child.result(child.fine_tuning("mlp", {"fc1": np.ones((3, 3), bool)}, 5))


def save_nothing(path):
    path.write_bytes(b"")


def save_no_archive(path):
    path.write_bytes(b"PK" + bytes(100))


def save_half(path):
    np.savez_compressed(path, **magnitude_masks("mlp", 0.5))
    path.write_bytes(path.read_bytes()[:-1000])


def save_a_foreign_layer(path):
    np.savez_compressed(path, fc9=np.ones(3, bool))


def save_numbers(path):
    np.savez_compressed(path, fc1=np.ones((300, 784)))


def save_objects(path):
    np.savez_compressed(path, fc1=np.array([None, "x"], object))


@pytest.mark.parametrize(
    "save",
    [
        save_nothing,
        save_no_archive,
        save_half,
        save_a_foreign_layer,
        save_numbers,
        save_objects,
        Path.mkdir,
        lambda path: None,
    ],
)
def test_damaged_masks_are_told_in_one_sentence(tmp_path, monkeypatch, capsys, save):
    path = tmp_path / "masks.npz"
    save(path)
    line = f"live masked mlp --masks {path} --steps 5 --out {tmp_path / 'out'}"
    monkeypatch.setattr(sys, "argv", line.split())
    with pytest.raises(SystemExit) as end:
        train_live.main()
    said = capsys.readouterr().err
    assert end.value.code == 1 and said.strip().count("\n") == 0 and str(path) in said
    assert not (tmp_path / "out").exists()


ENDS = "import os; os.kill(os.getpid(), {signal})"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (ENDS.format(signal=9), r"signal 9 \(SIGKILL\), probably because memory ran"),
        (ENDS.format(signal=11), r"signal 11 \(SIGSEGV\); it said nothing"),
        ("import sys; sys.exit('no memory')", "the training failed: no memory"),
    ],
)
def test_the_end_of_a_child_is_told(code, words):
    with pytest.raises(child.TrainingError, match=words):
        list(child._lines([sys.executable, "-c", code], lambda: False))


@pytest.mark.long
def test_a_pruning_is_cancelled():
    """In a child process, where it begins before it is ended."""
    seen = []
    rows = child.pruning("mlp", 0.9, 10**6, cancelled=lambda: len(seen) > 1)
    assert child.result(rows, seen.append) is None and 2 <= len(seen) < 10
