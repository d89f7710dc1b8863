"""Masks laid on networks, and the packed files without the zeros."""

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.compress import pruned
from labkit.packed.compressed import read_packed, unpack
from labkit.packed.storages import STORAGES
from labkit.prune.masking import masks


def by_magnitude(network, sparsity, scope="layer"):
    scores = {layer: np.abs(w) for layer, w in network.kernels.items()}
    return masks(scores, sparsity, scope)


@pytest.mark.parametrize("name", ["mlp", "lenet5", "resnet8", "resnet20"])
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_masks_on_a_network(name, scope):
    network = zoo.load(name)
    found = by_magnitude(network, 0.9, scope)
    smaller = pruned.apply_masks(network, found)
    for layer, w in network.kernels.items():
        np.testing.assert_array_equal(
            smaller.kernels[layer], np.where(found[layer], w, 0)
        )
    zeros = sum(np.count_nonzero(w == 0) for w in smaller.kernels.values())
    size = sum(w.size for w in network.kernels.values())
    assert zeros / size == pytest.approx(0.9, abs=1e-3)
    assert len(smaller) == len(network)
    assert np.isfinite(smaller.predict(zoo.dataset(name).test.images[:2])).all()


def test_a_layer_without_a_mask_stays():
    network = zoo.load("mlp")
    found = pruned.apply_masks(network, {"fc2": np.zeros((100, 300), bool)})
    assert not found.kernels["fc2"].any()
    np.testing.assert_array_equal(found.kernels["fc1"], network.kernels["fc1"])
    assert pruned.apply_masks(network, {}).to_bytes() == network.to_bytes()


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ({"fc9": np.ones(3, bool)}, "no layer 'fc9'"),
        ({"fc3": np.ones((100, 10), bool)}, r"give bool \(10, 100\)"),
        ({"fc3": np.ones((10, 100))}, "the mask of fc3 is float64"),
    ],
)
def test_masks_that_do_not_fit(masks, words):
    with pytest.raises(ValueError, match=words):
        pruned.apply_masks(zoo.load("mlp"), masks)


@pytest.mark.parametrize("name", quick(zoo.NAMES, "resnet8"))
@pytest.mark.parametrize("storage", [*STORAGES, "smallest"])
def test_a_packed_file_is_the_masked_network(name, storage):
    network = zoo.load(name)
    found = by_magnitude(network, 0.8, "global")
    compressed = pruned.prune_network(network, found, storage)
    masked = pruned.apply_masks(network, found)
    assert compressed.network.to_bytes() == masked.to_bytes()
    assert unpack(compressed.packed).to_bytes() == masked.to_bytes()
    again = read_packed(compressed.packed)
    assert list(again.quantized) == list(network.kernels)
    for layer, tensor in again.quantized.items():
        assert tensor.storage == compressed.quantized[layer].storage
        np.testing.assert_array_equal(tensor.decode(), masked.kernels[layer])
    repeated = pruned.prune_network(network, found, storage)
    assert repeated.packed == compressed.packed


def test_the_order_of_the_files():
    network = zoo.load("lenet5")
    sizes = {
        storage: pruned.prune_network(
            network, by_magnitude(network, 0.92), storage
        ).size_bytes
        for storage in (*STORAGES, "smallest")
    }
    assert sizes["rice"] < sizes["relative"] < sizes["bitmap"] < sizes["csr"]
    assert sizes["rice"] < sizes["deflated"] < sizes["csr"] < sizes["dense"] / 5
    # No layer's body is longer; only the header, deflated, may be by some bytes.
    assert sizes["smallest"] < sizes["rice"] + 20


def test_layers_without_a_mask_are_stored_as_they_are():
    network = zoo.load("mlp")
    kept = {"fc1": by_magnitude(network, 0.5)["fc1"]}
    compressed = pruned.prune_network(network, kept)
    assert list(compressed.quantized) == ["fc1"]
    assert unpack(compressed.packed).to_bytes() == compressed.network.to_bytes()
    with pytest.raises(ValueError, match="storage is 'zip'"):
        pruned.prune_network(network, kept, "zip")
