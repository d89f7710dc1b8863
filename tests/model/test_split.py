"""Networks cut in two: at the right place, and both parts are the whole."""

import numpy as np
import pytest

from labkit import zoo
from labkit.model import flatbuffer
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.model.split import split_before

# Where a layer's tail starts: a residual block cannot be entered half-way.
FIRST = {
    ("mlp", "fc1"): None,
    ("mlp", "fc3"): "fc3",
    ("lenet5", "conv2"): "conv2",
    ("lenet5", "fc1"): "fc1",
    ("resnet8", "stage1_block1_conv1"): "stage1_block1_conv1",
    ("resnet8", "stage1_block1_conv2"): "stage1_block1_conv1",
    ("resnet8", "stage2_block1_shortcut"): "stage2_block1_conv1",
    ("resnet8", "fc"): "fc",
    ("resnet20", "conv1"): None,
    ("resnet20", "stage2_block1_conv1"): "stage2_block1_subsample",
    ("resnet20", "stage3_block3_conv2"): "stage3_block3_conv1",
}


@pytest.mark.parametrize(("name", "layer"), FIRST)
def test_both_parts_are_the_whole(name, layer):
    network, images = zoo.load(name), zoo.dataset(name).validation.images[:50]
    head, tail = split_before(network, layer)
    first = FIRST[name, layer]
    if first is None:
        assert head is None and tail is network
        return
    assert tail.layers[0].name == first
    names = [part.name for part in (*head.layers, *tail.layers)]
    assert names == [whole.name for whole in network.layers]
    for part in (head, tail):
        for weight, values in part.weights.items():
            np.testing.assert_array_equal(values, network.weights[weight])
    wanted = network.predict(images)
    found = tail.predict(head.predict(images))
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_layers_whose_names_are_not_in_the_file_keep_them():
    """A converter's names ("a/b") are no layer names: they are counted, fc1, fc2, …"""
    model = flatbuffer.unpack(zoo.load("mlp").to_bytes())
    for k, tensor in enumerate(model.subgraphs[0].tensors):
        tensor.name = f"dense/{k}".encode()
    network = Network.from_bytes(flatbuffer.pack(model))
    head, tail = split_before(network, "fc2")
    assert list(head.kernels) == ["fc1"] and list(tail.kernels) == ["fc2", "fc3"]


def test_a_layer_that_is_not_there():
    with pytest.raises(NetworkError, match="there is no layer 'fc9'"):
        split_before(zoo.load("mlp"), "fc9")
