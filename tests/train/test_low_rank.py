"""Factors that train on: the Keras model is the factorized file."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from check_asserts import assert_reaches
from long import quick

from labkit import zoo
from labkit.compress import factorized
from labkit.zoo import datasets

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
from labkit.model.inputs import as_inputs  # noqa: E402
from labkit.model.network import Network  # noqa: E402
from labkit.train import convert, fit, low_rank  # noqa: E402

MACS = {"resnet8": 8e6, "resnet20": 26e6}


@pytest.fixture(autouse=True, scope="module")
def chosen_once():
    """Ranks from 50 images, found once for each network and budget."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(low_rank, "IMAGES", 50)
        patch.setattr(low_rank, "chosen", cache(low_rank.chosen))
        yield


@pytest.mark.parametrize("name", quick(low_rank.NAMES, "resnet8"))
def test_the_model_computes_what_the_factorized_file_does(name):
    ranks, parts = low_rank.chosen(name, MACS[name])
    network = factorized.factorize(zoo.load(name), parts)
    assert 0.95 * MACS[name] < network.macs <= MACS[name]
    recipe = replace(low_rank.RECIPES[name], mixed_precision=False)
    model, again = low_rank.start(name, MACS[name], recipe)
    assert again == ranks
    plain, _ = low_rank.start(name, MACS[name], None)
    plain = fit.with_weights_of(model, plain)
    images = zoo.dataset(name).validation.images[:20]
    expected = network.predict(images)
    logits = plain.predict(as_inputs(images, network.input_shape), verbose=0)
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()
    if name == "resnet20":
        return  # the same layers as resnet8, and converting them takes long
    file = Network.from_bytes(convert.to_tflite(plain))
    assert file.macs == network.macs
    assert (
        np.abs(file.predict(images) - expected).max() <= 1e-4 * np.abs(expected).max()
    )


def test_strides_that_differ_by_direction():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(6, 3, 3, 4)).astype(np.float32)
    from labkit.lowrank.convolution import spatial

    parts = spatial(kernel, np.zeros(6)).parts(5)
    inputs = keras.Input((8, 8, 4))
    conv = keras.layers.Conv2D(6, 3, 2, "same", name="conv1")
    model = keras.Model(inputs, conv(inputs))
    conv.set_weights([np.moveaxis(kernel, 0, -1), np.zeros(6)])
    apart = low_rank.factorized_model(model, {"conv1": parts})
    x = rng.normal(size=(2, 8, 8, 4)).astype(np.float32)
    network = Network.from_bytes(convert.to_tflite(model))
    layer = next(iter(network.kernels))
    expected = factorized.factorize(network, {layer: parts}).predict(x)
    assert np.allclose(apart.predict(x, verbose=0), expected, atol=1e-4)


def test_it_trains_from_there_and_keeps_its_ranks(eager, tmp_path, monkeypatch):
    recipe = replace(
        low_rank.RECIPES["resnet8"], epochs=1, warmup_epochs=0, mixed_precision=False
    )
    monkeypatch.setitem(low_rank.RECIPES, "resnet8", recipe)
    dataset = datasets.Dataset("cifar10")
    dataset.__dict__["train"] = datasets.load_images("cifar10").train.take(32)
    dataset.__dict__["validation"] = datasets.load_images("cifar10").validation.take(
        100
    )
    dataset.__dict__["calibration"] = datasets.load_images("cifar10").calibration.take(
        50
    )
    monkeypatch.setattr(datasets, "load_images", lambda name, full=False: dataset)
    model, log = low_rank.run("resnet8", 8e6, tmp_path, 0)
    assert len(log["epochs"]) == 1
    layer, rank = next((k, r) for k, r in log["ranks"].items() if r is not None)
    assert model.get_layer(layer).kernels[0].shape[-1] == rank
    before, _ = low_rank.start("resnet8", 8e6, None)
    moved = model.get_layer(layer).kernels[0] - before.get_layer(layer).kernels[0]
    assert np.abs(moved).max() > 0
    again, _ = low_rank.run("resnet8", 8e6, tmp_path, 0)  # from the checkpoint
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("images", quick([500, None], 500))
@pytest.mark.parametrize("title", zoo.lowrank_names())
def test_a_committed_network_reaches_what_its_record_says(title, images):
    record, network = zoo.lowrank_record(title), zoo.LOWRANK.load(title)
    assert record["starts_from"] == zoo.load(record["name"]).digest
    assert record["macs"] == network.macs <= record["budget"]
    whole = zoo.load(record["name"]).kernels
    for layer, rank in record["ranks"].items():
        reads = whole[layer].shape[-1] if rank is None else rank
        assert network.kernels[layer].shape[-1] == reads
    assert_reaches(record, network, images)
