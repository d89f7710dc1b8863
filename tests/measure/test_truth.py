"""Nothing measured is simulated: what changes on disk changes the figures."""

import numpy as np
import pytest
from long import quick

from labkit import measure, zoo
from labkit.measure import ledger
from labkit.model.network import Network

# Before all four are trained, the ones that are.
NETWORKS = [name for name in zoo.NAMES if (zoo.FOLDER / f"{name}.tflite").exists()]


def figures(path, split):
    """What the lab says of the model file at `path`, from nothing but the file."""
    network = Network.load(path)
    row = ledger.network_row(network)
    return (
        measure.accuracy(network, split),
        row,
        ledger.deflated_bytes(path.read_bytes()),
    )


def always(digit, network):
    """Weights of the last layer that give every image the same answer."""
    last = list(network.kernels)[-1]
    bias = np.zeros_like(network.weights[f"{last}/bias"])
    bias[digit] = 1
    kernel = np.zeros_like(network.weights[f"{last}/kernel"])
    return {f"{last}/kernel": kernel, f"{last}/bias": bias}


@pytest.mark.parametrize("name", quick(NETWORKS, "lenet5"))
def test_figures_follow_the_weights_on_disk(name, tmp_path):
    split = zoo.dataset(name).test.take(250)
    network = zoo.load(name)
    changes = always(3, network)

    path = network.save(tmp_path / "model.tflite")
    accuracy, row, deflated = figures(path, split)
    assert row.size_bytes == path.stat().st_size

    network.with_weights(changes).save(path)
    changed, changed_row, changed_deflated = figures(path, split)
    np.testing.assert_array_equal(changed.correct, split.labels == 3)
    lost = sum(
        np.count_nonzero(network.weights[key]) - np.count_nonzero(array)
        for key, array in changes.items()
    )
    assert row.nonzeros - changed_row.nonzeros == lost > 0
    assert changed_deflated < deflated
    assert changed_row.size_bytes == path.stat().st_size == row.size_bytes
    paired = measure.compare(accuracy, changed)
    assert paired.difference == pytest.approx(changed.value - accuracy.value)
    assert paired.p_value < 1e-6

    Network.from_bytes(path.read_bytes()).with_weights(network.weights).save(path)
    again, again_row, again_deflated = figures(path, split)
    np.testing.assert_array_equal(again.correct, accuracy.correct)
    assert (again_row, again_deflated) == (row, deflated)
