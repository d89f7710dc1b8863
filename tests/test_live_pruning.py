"""Masked trainings of some seconds, in a child process."""

import numpy as np
import pytest

from labkit import live, zoo
from labkit.compress import unpack
from labkit.measure import accuracy
from labkit.prune.masking import masks, removed_count
from labkit.pruned import apply

pytest.importorskip("keras", reason="the extra `train` is not installed")


def magnitude_masks(name, sparsity):
    kernels = zoo.load(name).kernels
    return masks({layer: np.abs(kernel) for layer, kernel in kernels.items()}, sparsity)


@pytest.mark.parametrize(
    ("name", "sparsity", "steps"), [("mlp", 0.9, 60), ("resnet8", 0.5, 20)]
)
def test_fine_tuning_keeps_the_masks_and_mends_the_network(name, sparsity, steps):
    kept, seen = magnitude_masks(name, sparsity), []
    network, split = zoo.load(name), zoo.dataset(name).validation.take(500)
    packed = live.result(live.fine_tuning(name, kept, steps), seen.append)
    assert [row.step for row in seen] == list(range(5, steps + 1, 5))
    trained = unpack(packed)
    for layer, kernel in trained.kernels.items():
        np.testing.assert_array_equal(kernel != 0, kept[layer])
    before = accuracy(apply(network, kept), split).value
    assert accuracy(trained, split).value > before + 0.05
    assert len(packed) < (1.1 - sparsity) * len(network)


def test_layers_without_a_mask_keep_all_their_weights():
    kept = {"fc1": magnitude_masks("mlp", 0.9)["fc1"]}
    trained = unpack(live.result(live.fine_tuning("mlp", kept, 5)))
    zeros = {name: int((w == 0).sum()) for name, w in trained.kernels.items()}
    assert zeros == {"fc1": removed_count(0.9, 235_200), "fc2": 0, "fc3": 0}


def test_pruning_removes_what_it_says():
    packed = live.result(live.pruning("mlp", 0.9, 40, "iterative", "layer"))
    for kernel in unpack(packed).kernels.values():
        assert (kernel == 0).sum() == removed_count(0.9, kernel.size)


def test_a_mask_of_another_shape_is_named():
    with pytest.raises(live.TrainingError, match="the mask of fc1 is bool"):
        live.result(live.fine_tuning("mlp", {"fc1": np.ones((3, 3), bool)}, 5))


def test_a_pruning_is_cancelled():
    seen = []
    rows = live.pruning("mlp", 0.9, 10**6, cancelled=lambda: len(seen) > 1)
    assert live.result(rows, seen.append) is None and 2 <= len(seen) < 10
