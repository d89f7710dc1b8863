"""The rank panel without a browser: real files, and every figure as told."""

import numpy as np
import pytest
from drive_controls import WAIT, few_images
from long import quick
from recomputed.rank import direct

from labkit.compress import factorized
from labkit.compress.budget import low_rank
from labkit.compress.budget.ranks import RANK_CHOICES
from labkit.lowrank.parts import reconstruct_kernel
from labkit.panels.rank.panel import SPEC, rank_panel
from labkit.panels.rank.report import lines

SMALL = 300


@pytest.fixture
def small_sets(monkeypatch):
    """The first images of each set: a large network's 10,000 take seconds."""
    few_images(monkeypatch, SMALL, "test", "validation", "calibration")


def shown(result):
    return {p.kind: (p.accuracy, p.size_bytes) for p in result.points}


@pytest.mark.parametrize(
    "method", quick(factorized.FACTORIZATIONS, "spatial", "cp", "responses")
)
def test_convolutions_by_every_method(method, small_sets):
    by = "same" if method == "cp" else "product"
    settings = {"method": method, "parameter_ratio": 0.3, "by": by, "images": 100}
    positions = SPEC.positions(network="lenet5", **settings)
    exact = next(p for p in positions if p.accuracy and p.accuracy.n == SMALL)
    assert shown(exact) == direct(exact.settings)


@pytest.mark.parametrize("method", quick(factorized.FACTORIZATIONS, "tucker"))
@pytest.mark.parametrize("name", quick(["resnet8", "resnet20"], "resnet8"))
def test_residual_networks_by_every_method(name, method, small_sets):
    result = next(
        SPEC.positions(network=name, method=method, parameter_ratio=0.1, images=20)
    )
    low = result.low
    assert low.network.macs < 0.2 * result.network.macs
    assert set(low.parts) == set(factorized.factorizable_layers(result.network))
    layer = next(iter(low.parts))
    np.testing.assert_allclose(
        result.filters.now, reconstruct_kernel(low.parts[layer])[:8], atol=1e-6
    )
    own = factorized.effective_method(result.network, result.spectrum.layer, method)
    assert len(result.spectrum.lines) == (2 if own == "tucker" else 1)
    assert result.spectrum.lines[0].break_even > result.spectrum.lines[0].rank


def test_above_break_even_the_file_is_larger_and_said_so(small_sets):
    panel = rank_panel("mlp", parameter_ratio=1.2)
    result = panel.set()
    assert set(shown(result)) == {"float", "larger"}
    assert "1.20× LARGER: above break-even" in lines(result)[0]
    line = result.spectrum.lines[0]
    assert line.rank > line.break_even == pytest.approx(300 * 784 / 1084)
    assert set(shown(panel.set(parameter_ratio=0.95))) == {"float", "deployable"}


def test_what_can_be_chosen_depends_on_the_network_and_the_method():
    assert low_rank.methods("mlp") == ("svd", "responses", "inputs")
    assert low_rank.methods("resnet8") == tuple(factorized.FACTORIZATIONS)
    assert low_rank.ways("lenet5", "cp") == ("same",)
    assert low_rank.ways("lenet5", "svd") == tuple(RANK_CHOICES)
    panel = rank_panel("resnet8", method="cp")
    panel.control("network").value = "mlp"
    panel.wait(WAIT)
    assert panel.settings["method"] == "svd"


def test_layers_left_whole_are_so(small_sets):
    result = rank_panel("lenet5", layers=("fc1",), parameter_ratio=0.2).set()
    assert list(result.low.network.kernels) == [
        "conv1",
        "conv2",
        "fc1_1",
        "fc1_2",
        "fc2",
    ]
    assert result.filters.error == 0 and result.filters.rank is None
    assert "fc1: rank 62" in lines(result)[2]
