"""Filters removed from a ResNet: the Keras model is the smaller file, and trains on."""

from dataclasses import replace

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.zoo import datasets

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
from labkit.model.inputs import as_inputs  # noqa: E402
from labkit.model.network import Network  # noqa: E402
from labkit.train import convert, filters, fit  # noqa: E402


@pytest.mark.parametrize("name", quick(filters.NAMES, "resnet8"))
def test_the_smaller_model_is_the_file_without_the_filters(name):
    saving = 0.27
    network = zoo.load(name)
    removed = filters.filters_to_remove(name, saving)
    for layer, units in removed.items():
        if units:
            network = network.remove_units(layer, units)
    saved = 1 - network.macs / zoo.load(name).macs
    assert saving <= saved < saving + 0.01
    recipe = replace(filters.RECIPES[name], mixed_precision=False)
    model, widths = filters.start(name, saving, recipe)
    plain = fit.in_float32(name, model, widths)
    images = zoo.dataset(name).validation.images[:40]
    expected = network.predict(images)
    logits = plain.predict(as_inputs(images, network.input_shape), verbose=0)
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()
    file = Network.from_bytes(convert.to_tflite(plain))
    assert (file.macs, file.parameters) == (network.macs, network.parameters)
    assert widths == {name: len(file.kernels[name]) for name in removed}


def test_it_trains_from_there_and_keeps_its_widths(eager, tmp_path, monkeypatch):
    recipe = replace(
        filters.RECIPES["resnet8"], epochs=1, warmup_epochs=0, mixed_precision=False
    )
    monkeypatch.setitem(filters.RECIPES, "resnet8", recipe)
    dataset = datasets.Dataset("cifar10")
    dataset.__dict__["train"] = datasets.load_images("cifar10").train.take(32)
    dataset.__dict__["validation"] = datasets.load_images("cifar10").validation.take(
        100
    )
    monkeypatch.setattr(datasets, "load_images", lambda name, full=False: dataset)
    model, log = filters.run("resnet8", 0.2, tmp_path, 0)
    assert len(log["epochs"]) == 1
    for layer, units in log["widths"].items():
        assert model.get_layer(layer).kernel.shape[-1] == units
    before, _ = filters.start("resnet8", 0.2, None)
    moved = model.get_layer("conv1").kernel - before.get_layer("conv1").kernel
    assert np.abs(moved).max() > 0
