"""The rank panel without a browser: real files, and every figure as told."""

import numpy as np
import pytest
from drive_controls import WAIT, few_images, turns

from labkit import measure, zoo
from labkit.compress import factorized
from labkit.compress.budget import low_rank
from labkit.compress.budget.ranks import RANK_RULES, plan_ranks
from labkit.compress.responses import observe
from labkit.lowrank.parts import multiplied_back
from labkit.panels.rank.panel import compute, rank_panel
from labkit.panels.rank.report import lines

SMALL = 300


@pytest.fixture
def small_sets(monkeypatch):
    """The first images of each set: a large network's 10,000 take seconds."""
    few_images(monkeypatch, SMALL, "test", "validation", "calibration")


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, bytes)."""
    name, method = settings["network"], settings["method"]
    base, data = zoo.load(name), zoo.dataset(name)
    observed = None
    if method in factorized.DATA_AWARE:
        images = data.calibration.images[: settings["images"]]
        observed = observe(base, images, method)
    losses = None
    if settings["by"] == "loss":
        losses = low_rank.losses_of(
            name, method, settings["unit"], settings["images"] if observed else 0
        ).layers
    ranks = plan_ranks(
        base,
        method,
        settings["share"],
        settings["by"],
        layers=settings["layers"],
        unit=settings["unit"],
        observed=observed,
        loss=losses,
    )
    low = factorized.at_ranks(base, ranks, method, observed)
    kind = "larger" if len(low) > len(base) else "deployable"
    return {
        "float": (measure.accuracy(base, data.test).value, len(base)),
        kind: (measure.accuracy(low, data.test).value, len(low)),
    }


def shown(result):
    return {p.kind: (p.accuracy, p.size_bytes) for p in result.points}


def test_every_control_to_its_ends(small_sets):
    panel = rank_panel("mlp")
    panel.set(share=0.3)
    for result in turns(panel):
        assert shown(result) == direct(result.settings)
        said = "".join(lines(result))
        for accuracy, _ in shown(result).values():
            assert f"{100 * accuracy:.2f} %" in said
        assert f"{len(result.low.network):,} bytes" in said
        assert f"{result.low.network.macs:,} MACs" in panel.readout
        assert "exact on all" in panel.readout


@pytest.mark.parametrize("method", factorized.METHODS)
def test_convolutions_by_every_method(method, small_sets):
    by = "same" if method == "cp" else "product"
    positions = compute("lenet5", method, 0.3, by, images=50)
    exact = next(p for p in positions if p.accuracy and p.accuracy.n == SMALL)
    assert shown(exact) == direct(exact.settings)


@pytest.mark.parametrize("method", factorized.METHODS)
@pytest.mark.parametrize("name", ["resnet8", "resnet20"])
def test_residual_networks_by_every_method(name, method, small_sets):
    result = next(compute(name, method, share=0.1, images=20))
    low = result.low
    assert low.network.macs < 0.2 * result.network.macs
    assert set(low.parts) == set(factorized.factorizable_layers(result.network))
    layer = next(iter(low.parts))
    np.testing.assert_allclose(
        result.filters.now, multiplied_back(low.parts[layer])[:8], atol=1e-6
    )
    own = factorized.effective_method(result.network, result.spectrum.layer, method)
    assert len(result.spectrum.lines) == (2 if own == "tucker" else 1)
    assert result.spectrum.lines[0].break_even > result.spectrum.lines[0].rank


def test_above_break_even_the_file_is_larger_and_said_so(small_sets):
    panel = rank_panel("mlp", share=1.2)
    result = panel.set()
    assert set(shown(result)) == {"float", "larger"}
    assert "1.20× LARGER: above break-even" in lines(result)[0]
    line = result.spectrum.lines[0]
    assert line.rank > line.break_even == pytest.approx(300 * 784 / 1084)
    assert set(shown(panel.set(share=0.95))) == {"float", "deployable"}


def test_what_can_be_chosen_depends_on_the_network_and_the_method():
    assert low_rank.methods("mlp") == ("svd", "responses", "inputs")
    assert low_rank.methods("resnet8") == factorized.METHODS
    assert low_rank.ways("lenet5", "cp") == ("same",)
    assert low_rank.ways("lenet5", "svd") == RANK_RULES
    panel = rank_panel("resnet8", method="cp")
    panel.control("network").value = "mlp"
    panel.wait(WAIT)
    assert panel.settings["method"] == "svd"


def test_layers_left_whole_are_so(small_sets):
    result = rank_panel("lenet5", layers=("fc1",), share=0.2).set()
    assert list(result.low.network.kernels) == [
        "conv1",
        "conv2",
        "fc1_1",
        "fc1_2",
        "fc2",
    ]
    assert result.filters.error == 0 and result.filters.rank is None
    assert "fc1: rank 62" in lines(result)[2]


def test_all_10_000_images_at_the_default():
    panel = rank_panel("mlp", share=0.95)
    result = panel.set()
    assert {point.n for point in result.points} == {10_000}
    assert shown(result) == direct(panel.settings)
    assert set(result.latency) == set(result.deflated) == {"float32", "low rank"}
    rows, _ = panel.lesson.ledger(result)
    assert rows[1].macs < rows[0].macs and rows[1].size_bytes < rows[0].size_bytes


def test_a_first_estimate_comes_before_everything_slow():
    first = next(compute("lenet5", "spatial", share=0.35))
    assert first.accuracy.n == 250 and first.latency is None
    assert first.costs.latency is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"share": 0.5001}, "share is 0.5001: choose one of 0.02, 0.05"),
        (
            {"method": "cp"},
            "method is 'cp': choose one of 'svd', 'responses', 'inputs'",
        ),
        ({"by": "size"}, "by is 'size': choose one of 'same', 'energy'"),
        ({"layers": ("fc9",)}, "layers is ('fc9',): give a tuple of 'fc1', 'fc2'"),
        ({"unit": "kB"}, "unit is 'kB': choose one of 'macs', 'bytes'"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_sentence(settings, sentence):
    panel = rank_panel("mlp")
    with pytest.raises(ValueError) as raised:
        panel.set(**settings)
    assert str(raised.value).startswith(sentence)


def test_the_code_reproduces_the_figures(capsys, small_sets):
    panel = rank_panel("mlp")
    for settings in (
        {"method": "responses", "by": "product", "images": 100},
        {"method": "inputs", "by": "same", "layers": ("fc1",), "share": 0.2},
    ):
        result = panel.set(**settings)
        scope = {}
        exec(panel.code, scope)
        accuracy, size = shown(result)["deployable"]
        assert f"{accuracy:.2%}, {size:,} bytes, " in capsys.readouterr().out
        assert scope["low"].digest == result.low.network.digest


def test_the_saved_file_is_the_measured_one(tmp_path, small_sets):
    panel = rank_panel("mlp", share=0.25, layers=("fc1",))
    result = panel.set()
    (path,) = panel.save(tmp_path)
    assert path.name == "mlp-rank-svd-same-25-1layers.tflite"
    assert path.read_bytes() == result.low.network.to_bytes()
