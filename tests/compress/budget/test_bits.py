"""Budgets for whole files: what is counted is what is written."""

import json
from dataclasses import replace

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.compress.budget import sensitivity
from labkit.compress.budget.bits import (
    METHODS,
    Run,
    bit_options,
    committed_runs,
    kernel_bytes,
    mixed_precision,
)
from labkit.compress.quantized import quantize_network
from labkit.model.graph import NetworkError
from labkit.packed.codec import payload_bytes
from labkit.quantize.granularity import GRANULARITIES

BITS = (2, 3, 4, 8)


def made_up(name, bits=BITS, seed=0):
    """A map with losses that were not measured: fast, and none of them is alike."""
    network = zoo.load(name)
    rng = np.random.default_rng(seed)
    cells = tuple(
        sensitivity.Cell(
            layer, width, 1, 0.5, float(rng.uniform(0.5, 2)) * 4.0 ** (2 - width)
        )
        for layer in network.kernels
        for width in bits
    )
    base = sensitivity.Score(0.9, 0.3)
    return network, sensitivity.Sensitivity("channel", "minmax", 100, base, cells)


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("name", zoo.NAMES)
def test_counted_bytes_are_those_of_the_quantized_kernels(name, granularity):
    network = zoo.load(name)
    layers = tuple(network.kernels)
    counted = kernel_bytes(network, layers, (2, 5), granularity)
    for column, bits in enumerate((2, 5)):
        quantized = quantize_network(network, bits, granularity).quantized
        assert counted[:, column].tolist() == [
            payload_bytes(quantized[layer]) for layer in layers
        ]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["mlp", "resnet8"])
def test_a_file_fits_its_budget_and_is_the_one_predicted(name, method):
    network, found = made_up(name)
    offered = bit_options(network, found, method)
    low, high = offered.size_bytes[[0, -1]]
    for budget in (low + 64, (low + high) // 2, high + 64):
        chosen = mixed_precision(network, offered, budget)
        assert chosen.compressed.size_bytes <= budget
        assert tuple(chosen.bits) == found.layers
        loss = dict(zip(found.layers, found.table("loss_increase"), strict=True))
        total = sum(loss[k][found.bits.index(b)] for k, b in chosen.bits.items())
        assert chosen.predicted_loss == pytest.approx(total)
        again = quantize_network(network, chosen.bits, "channel", "minmax")
        assert again.packed == chosen.compressed.packed
    assert set(chosen.bits.values()) == {8}


def test_estimated_lengths_differ_from_files_by_some_bytes_of_header():
    network, found = made_up("resnet8")
    offered = bit_options(network, found)
    for place in range(0, len(offered.frontier), 40):
        made = quantize_network(network, offered.bits_at(place), "channel")
        assert abs(made.size_bytes - offered.size_bytes[place]) < 64


def test_a_budget_counts_the_bytes_of_the_header_too():
    network, found = made_up("resnet8")
    offered = bit_options(network, found)
    # On this frontier some files are longer than estimated; none may be too long.
    for budget in offered.size_bytes[40:400:60]:
        assert mixed_precision(network, offered, budget).compressed.size_bytes <= budget


@pytest.mark.parametrize("free", [(), ("fc2",), ("fc3", "fc1")])
def test_layers_that_are_not_free_keep_the_widest(free):
    network, found = made_up("mlp")
    offered = bit_options(network, found, free=free)
    assert set(offered.free) == set(free)
    chosen = mixed_precision(network, offered, offered.size_bytes[0] + 64)
    assert chosen.bits == {k: 2 if k in free else 8 for k in ("fc1", "fc2", "fc3")}
    kept = [k for k in found.layers if k not in free]
    losses = dict(zip(found.layers, found.table("loss_increase")[:, -1], strict=True))
    assert offered.kept_loss == pytest.approx(sum(losses[k] for k in kept))
    assert abs(chosen.compressed.size_bytes - offered.size_bytes[0]) < 64


def test_exact_is_never_worse_than_greedy_at_any_budget():
    network, found = made_up("resnet20", seed=3)
    exact, greedy = (bit_options(network, found, m) for m in ("exact", "greedy"))
    for place, size in enumerate(greedy.size_bytes):
        assert exact.loss[exact.index_for(size)] <= greedy.loss[place] + 1e-12


def test_what_does_not_fit_is_one_sentence():
    network, found = made_up("mlp")
    with pytest.raises(ValueError, match="method is 'best': choose one of exact, gree"):
        bit_options(network, found, "best")
    with pytest.raises(ValueError, match="there is no layer 'conv9': choose from fc1"):
        bit_options(network, found, free=("conv9",))
    offered = bit_options(network, found)
    with pytest.raises(ValueError, match="a budget of 1,000 bytes is too small"):
        mixed_precision(network, offered, 1000)


def test_committed_runs_are_read_by_digest(tmp_path, monkeypatch):
    network = zoo.load("mlp")
    run = Run("uniform", None, {"fc1": 2}, 10, 20, 0.5, 0.4, 0.9, 0.8, [0.7, 0.9])
    entry = {"digest": network.digest, "assignments": [vars(run)]}
    file = tmp_path / "sensitivity.json"
    file.write_text(
        json.dumps({"networks": [{"digest": "0", "assignments": []}, entry]})
    )
    monkeypatch.setattr(sensitivity, "FILE", file)
    assert committed_runs(network) == (run,)
    assert replace(run, method="exact") != run
    with pytest.raises(NetworkError, match="has no assignments of this network"):
        committed_runs(zoo.load("lenet5"))


@pytest.mark.parametrize("name", quick(zoo.NAMES, "mlp", "lenet5", "resnet8"))
def test_committed_runs_are_files_that_can_be_made_again(name):
    network = zoo.load(name)
    runs = committed_runs(network)
    assert {run.method for run in runs} == {"uniform", "exact", "greedy", "random"}
    found = sensitivity.committed_sensitivity(network)
    for run in runs[:: len(runs) // 3]:
        made = quantize_network(network, run.bits, found.granularity, found.rule)
        assert made.size_bytes == run.size_bytes
