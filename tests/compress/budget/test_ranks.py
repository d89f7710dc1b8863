"""The ranks of whole networks: what they cost, and what is chosen at one budget."""

import numpy as np
import pytest
from long import quick

from labkit import measure, zoo
from labkit.compress import factorized
from labkit.compress.budget import rank_costs
from labkit.compress.budget.rank_costs import measured_break_even, rank_for
from labkit.compress.budget.rank_sensitivity import (
    RankLosses,
    committed_rank_losses,
    rank_losses,
)
from labkit.compress.budget.ranks import RANK_CHOICES, budget, plan_ranks
from labkit.compress.factorized import FACTORIZATIONS
from labkit.compress.responses import observe
from labkit.lowrank import truncated_svd
from labkit.model.graph import NetworkError


def spent(network, method, ranks, unit):
    return sum(
        rank_costs.cost(network, layer, None, unit)
        if rank is None
        else rank_costs.rank_cost(network, layer, method, rank, unit)
        for layer, rank in ranks.items()
    )


def biases(network):
    return sum(w.size for name, w in network.weights.items() if name.endswith("bias"))


@pytest.mark.parametrize("method", FACTORIZATIONS)
@pytest.mark.parametrize("name", quick(zoo.NAMES, "lenet5"))
def test_costs_are_those_of_the_file(name, method):
    network = zoo.load(name)
    observed = None
    if method in factorized.DATA_AWARE:
        images = zoo.dataset(name).calibration.images[:10]
        observed = observe(network, images, method)
    ranks = plan_ranks(network, method, 0.15)
    low = factorized.factorize_network(network, ranks, method, observed)
    assert spent(network, method, ranks, "macs") == low.macs
    assert spent(network, method, ranks, "bytes") == 4 * (
        low.parameters - biases(network)
    )
    assert budget(network, method, 0.15) == low.macs


@pytest.mark.parametrize("method", FACTORIZATIONS)
def test_a_ratio_of_one_is_the_break_even_rank(method):
    network = zoo.load("resnet8")
    for layer in factorized.factorizable_layers(network):
        size = network.kernels[layer].size
        own = factorized.effective_method(network, layer, method)
        if own == "tucker":
            continue
        shape = network.kernels[layer].shape
        found = rank_costs.break_even(shape, own)
        most = np.inf if own == "cp" else rank_costs.full_rank(shape, own)
        assert rank_for(network, layer, method, 1.0) == min(round(found), most)
        rank = int(found)
        for k, sign in ((rank - 1, -1), (rank + 2, 1)):
            parts = rank_costs.parts_of(shape, own, max(k, 1))
            weights = sum(part.kernel.size for part in parts)
            assert np.sign(weights - size) == sign or k < 1
    assert rank_costs.break_even((300, 784), "svd") == truncated_svd.break_even(
        300, 784
    )


def test_tuckers_pair_has_the_ratio_of_the_weights():
    network = zoo.load("resnet20")
    layer, shape = "stage3_block2_conv1", (64, 3, 3, 64)
    for parameter_ratio in (0.2, 0.5, 1.0):
        p, q = rank_for(network, layer, "tucker", parameter_ratio)
        weights = 64 * q + 9 * p * q + 64 * p
        assert weights / np.prod(shape) == pytest.approx(parameter_ratio, rel=0.05)
    assert rank_for(network, layer, "tucker", 1e-6) == (1, 1)
    assert rank_for(network, layer, "tucker", 9.0) == (64, 64)


@pytest.mark.parametrize("unit", rank_costs.UNITS)
@pytest.mark.parametrize("by", ["energy", "product"])
@pytest.mark.parametrize("name", quick(["mlp", "lenet5", "resnet20"], "lenet5"))
def test_a_plan_keeps_to_the_budget(name, by, unit):
    network = zoo.load(name)
    for parameter_ratio in (0.2, 0.5, 0.9):
        ranks = plan_ranks(network, "svd", parameter_ratio, by, unit=unit)
        most = budget(network, "svd", parameter_ratio, unit=unit)
        found = spent(network, "svd", ranks, unit)
        assert 0.85 * most <= found <= most
        assert set(ranks) == set(factorized.factorizable_layers(network))


def test_above_the_whole_network_all_stays_whole():
    network = zoo.load("mlp")
    assert plan_ranks(network, "svd", 1.5, "energy") == dict.fromkeys(network.kernels)
    same = plan_ranks(network, "svd", 1.2)
    low = factorized.factorize_network(network, same)
    assert low.macs > network.macs and len(low) > len(network)


def test_energy_takes_the_same_fraction_of_each():
    network = zoo.load("mlp")
    ranks = plan_ranks(network, "svd", 0.5, "energy")
    kept = [
        truncated_svd.energy(truncated_svd.spectrum(network.kernels[layer]))[rank - 1]
        for layer, rank in ranks.items()
    ]
    assert max(kept) - min(kept) < 0.02


@pytest.fixture(scope="module")
def losses():
    network = zoo.load("mlp")
    split = zoo.dataset("mlp").validation.take(300)
    return rank_losses(network, split, "svd", steps=5)


def test_measured_losses_of_single_layers(losses):
    network, split = zoo.load("mlp"), zoo.dataset("mlp").validation.take(300)
    from labkit.compress.budget.sensitivity import score

    for layer, (found, increase) in losses.layers.items():
        assert found.ranks[-1] is None and increase[-1] == 0
        assert len(found) == len(increase) <= 5
        low = factorized.factorize_network(network, {layer: found.ranks[0]})
        direct = score(low, split).loss - score(network, split).loss
        assert increase[0] == pytest.approx(direct, abs=1e-5)
        assert increase[0] > increase[-2]


def test_by_loss_beats_the_same_ratio(losses):
    network, split = zoo.load("mlp"), zoo.dataset("mlp").validation.take(1000)
    found = {}
    for by in ("same", "loss"):
        ranks = plan_ranks(network, "svd", 0.3, by, loss=losses.layers)
        assert spent(network, "svd", ranks, "macs") <= budget(network, "svd", 0.3)
        low = factorized.factorize_network(network, ranks)
        found[by] = measure.accuracy(low, split).value
    assert found["loss"] > found["same"] + 0.05


def test_losses_are_kept_as_text(losses):
    again = RankLosses.from_record(losses.record())
    assert again.record() == losses.record()
    assert again.layers["fc1"][0].ranks == losses.layers["fc1"][0].ranks
    with pytest.raises(NetworkError, match="measure them with `rank_losses`"):
        committed_rank_losses(
            factorized.factorize_network(zoo.load("mlp"), {"fc1": 5}), "svd"
        )


def test_a_residual_layers_loss_is_measured_inside_its_block():
    network = zoo.load("resnet8")
    split = zoo.dataset("resnet8").validation.take(50)
    layer = "stage2_block1_shortcut"
    found = rank_losses(network, split, "tucker", layers=[layer], steps=3)
    (choices, increase) = found.layers[layer]
    assert len(choices) == len(increase) == 3 and increase[0] != 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda n: plan_ranks(n, by="size"),
            "by is 'size': choose one of same, energy",
        ),
        (lambda n: plan_ranks(n, unit="kb"), "unit is 'kb': choose one of macs, bytes"),
        (
            lambda n: plan_ranks(n, parameter_ratio=0),
            "parameter_ratio is 0: give a number above 0",
        ),
        (lambda n: plan_ranks(n, by="loss"), "needs loss="),
        (lambda n: plan_ranks(n, "qr"), "method is 'qr'"),
        (
            lambda n: plan_ranks(zoo.load("lenet5"), "cp", 0.5, "energy"),
            "have no energies",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call(zoo.load("mlp"))


def test_every_way_to_choose_is_named():
    assert tuple(RANK_CHOICES) == ("same", "energy", "product", "loss")
    assert plan_ranks(zoo.load("mlp"), by="energy", layers=[]) == {}


def test_the_rank_where_a_measurement_breaks_even():
    found = measured_break_even([10, 20, 40, 80], [3.0, 5.0, 9.0, 2.0], 6.0)
    assert found == pytest.approx(25)
    assert measured_break_even([10, 20], [7.0, 9.0], 6.0) == 10
    assert measured_break_even([10, 20], [3.0, 6.0], 6.0) == 20
    assert measured_break_even([10, 20], [3.0, 5.0], 6.0) is None
