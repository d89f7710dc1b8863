"""FAKE_QUANT operators in a graph: LiteRT rounds as labkit.quantize.affine does."""

import numpy as np
import pytest

from labkit import zoo
from labkit.model.fake_quant import ActivationGrid, inserted_grids
from labkit.model.graph import NetworkError
from labkit.quantize.affine import affine_params, fake_quantize


@pytest.fixture(scope="module")
def images():
    return zoo.dataset("mlp").validation.images[:200]


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 16])
@pytest.mark.parametrize("ends", [(0.0, 4.0), (-1.3, 6.1)])
def test_litert_rounds_to_the_affine_grid(images, bits, ends):
    network = zoo.load("lenet5")
    rounded = network.fake_quantize_inputs({"fc1": ActivationGrid(*ends, bits)})
    scale, zero_point = affine_params(*ends, bits)
    expected = fake_quantize(
        network.activations(images, "fc1"), scale, zero_point, bits
    )
    found = rounded.activations(images, "fc1")
    # A number half way between two points may go either way in float32.
    off = np.abs(found - expected) > 1e-4
    assert off.mean() < 1e-3
    assert np.abs(found - expected).max() < 1.01 * scale


def test_layers_around_are_named_and_joined():
    network = zoo.load("mlp").fake_quantize_inputs({"fc2": ActivationGrid(0, 4, 4)})
    assert [(layer.name, layer.inputs) for layer in network.layers] == [
        ("fc1", ("input",)),
        ("fc2_grid", ("fc1",)),
        ("fc2", ("fc2_grid",)),
        ("fc3", ("fc2",)),
    ]


def test_two_readers_of_one_tensor_have_grids_of_their_own(images):
    network = zoo.load("resnet8")
    inputs = zoo.dataset("resnet8").validation.images[:20]
    coarse = ActivationGrid(0, 2, 2)
    rounded = network.fake_quantize_inputs({"stage2_block1_shortcut": coarse})
    assert len(np.unique(rounded.activations(inputs, "stage2_block1_shortcut"))) <= 4
    untouched = rounded.activations(inputs, "stage2_block1_conv1")
    np.testing.assert_array_equal(
        untouched, network.activations(inputs, "stage2_block1_conv1")
    )


def test_a_fine_grid_changes_next_to_nothing(images):
    network = zoo.load("mlp")
    highest = float(network.activations(images, "fc2").max())
    fine = network.fake_quantize_inputs({"fc2": ActivationGrid(0, highest, 16)})
    logits, expected = fine.predict(images), network.predict(images)
    assert np.abs(logits - expected).max() < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("grid", "text"),
    [
        ((1.0, 2.0, 4), "no range"),
        ((0.0, 0.0, 4), "no range"),
        ((0.0, np.inf, 4), "no range"),
        ((-1.0, 1.0, 1), "choose 2 to 16"),
        ((-1.0, 1.0, 17), "choose 2 to 16"),
    ],
)
def test_a_grid_that_is_none_is_refused(grid, text):
    with pytest.raises(NetworkError, match=text):
        ActivationGrid(*grid)


def test_an_unknown_layer_is_named():
    with pytest.raises(NetworkError, match="there is no layer 'fc9'"):
        zoo.load("mlp").fake_quantize_inputs({"fc9": ActivationGrid(0, 1, 4)})


def test_the_grids_of_a_file_are_read_back():
    grids = {"fc2": ActivationGrid(-1.5, 4.0, 4), "fc3": ActivationGrid(0.0, 2.5, 16)}
    network = zoo.load("mlp")
    assert inserted_grids(network.to_bytes()) == {}
    rounded = network.fake_quantize_inputs(grids).to_bytes()
    assert inserted_grids(rounded) == {f"{name}_grid": g for name, g in grids.items()}
