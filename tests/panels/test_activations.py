"""The activations panel without a browser: every control to its ends."""

from types import SimpleNamespace

import numpy as np
import pytest
from drive_controls import TURNED, WAIT, few_images, turns

from labkit import measure, zoo
from labkit.compress import activations, deploy, post_training
from labkit.compress.activations import inner_layers
from labkit.model.fake_quant import inserted_grids
from labkit.packed.compressed import unpack
from labkit.panels import one_by_one, page
from labkit.panels.activations import readings
from labkit.panels.activations.panel import COUNTS, activations_panel, compute
from labkit.panels.activations.plot import alt_text
from labkit.panels.activations.report import ENDS_TEXTS, lines, rows, state
from labkit.panels.worker import never

SMALL = 260
SLOW = one_by_one.images_for(SimpleNamespace(macs=10**12))


@pytest.fixture
def small_test_set(monkeypatch):
    """The first images of each test set, and few of them for 16-bit activations."""
    few_images(monkeypatch, SMALL, "test")
    monkeypatch.setattr(one_by_one, "MACS", 0)


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, n, bytes)."""
    name = settings["network"]
    network, data = zoo.load(name), zoo.dataset(name)
    images = data.calibration.images[: settings["images"]]
    graph = post_training.round_in_graph(
        network,
        images,
        None if settings["bits"] == 32 else settings["bits"],
        settings["activation_bits"],
        settings["rule"],
        kept=post_training.kept_layers(network) if settings["ends"] == "kept" else (),
    )
    found = {"float": (network, SMALL), "graph": (graph.network, SMALL)}
    sizes = {"float": len(network), "graph": len(graph.packed)}
    rounded = settings["ends"] == "rounded"
    same = rounded or settings["bits"] == settings["activation_bits"] == 8
    for mode in ("static", "dynamic") if same else ():
        widths = {"activation_bits": settings["activation_bits"]}
        bits, count = settings["bits"], settings["images"]
        made = deploy.deployable(
            network, bits, mode, "channel", data.calibration.images, count, **widths
        )
        if isinstance(made, deploy.Deployed):
            slow = widths["activation_bits"] == 16 and name != "mlp"
            found[mode] = made, SLOW if slow else SMALL
            sizes[mode] = made.size_bytes
    return {
        kind: (measure.accuracy(model, data.test, n).value, n, sizes[kind])
        for kind, (model, n) in found.items()
    }


def shown(result):
    return {p.kind: (p.accuracy, p.n, p.size_bytes) for p in result.points}


@pytest.mark.parametrize("name", TURNED)
def test_every_control_to_its_ends(name, small_test_set):
    panel = activations_panel(name)
    panel.set()
    for result in turns(panel):
        assert shown(result) == direct(result.settings)
        said, page_text = " ".join(lines(result)), panel.readout
        for accuracy, _, size in list(shown(result).values())[1:]:
            assert f"{100 * accuracy:.2f} %" in said and f"{size:,}" in page_text
        assert "exact on all" in page_text
        assert "in the graph, no kernel" in said
        assert "in the graph, no kernel" in panel.alt
        compile(panel.code, "code", "exec")
        if result.files:
            assert set(result.latency) == {"float32", *result.files}
        assert set(result.files) | set(result.unavailable) == {"static", "dynamic"}


def test_from_network_to_network(small_test_set):
    panel = activations_panel("mlp", shown="fc2", activation_bits=4)
    for name in ("lenet5", "resnet8", "resnet20", "mlp"):
        panel.control("network").value = name
        result = panel.wait(WAIT)
        assert result.settings["network"] == name
        assert result.reading.layer in inner_layers(zoo.load(name))
        assert shown(result) == direct(result.settings)


def test_all_10_000_images_at_the_default():
    result = activations_panel("mlp").set()
    assert {point.n for point in result.points} == {10_000}
    assert [point.kind for point in result.points] == [
        "float", "graph", "static", "dynamic",
    ]  # fmt: skip
    assert all(point.exact for point in result.points)
    assert state(result) == "exact on all 10,000 test images"


@pytest.mark.parametrize("name", zoo.NAMES)
def test_a_first_estimate_comes_before_everything_slow(name):
    first = next(compute(network=name, activation_bits=5))
    assert first.accuracies["graph"].n == 250
    assert not first.files and not first.unavailable and not first.latency
    assert "static file: …" in lines(first)[2] and "refining" in state(first)
    table = page.ledger_html(*rows(first))
    assert page.PENDING in table


def test_nothing_runs_twice(monkeypatch):
    settings = {"network": "mlp", "bits": 6, "activation_bits": 6}
    *_, once = compute(**settings)

    def again(*arguments):
        raise AssertionError("it runs again")

    monkeypatch.setattr("labkit.measure.correctness.refine", again)
    monkeypatch.setattr(activations, "layer_inputs", again)
    *_, twice = compute(**settings)
    assert shown(once) == shown(twice) and once.latency == twice.latency


def test_cancelled_between_the_steps():
    results = []
    for result in compute("resnet8", activation_bits=6, cancelled=lambda: results):
        results.append(result)
    assert len(results) == 1 and not results[0].files


def test_the_graph_is_the_packed_file():
    *_, result = compute(network="mlp", bits=4, activation_bits=3)
    assert unpack(result.graph.packed).digest == result.graph.network.digest
    files = activations_panel("mlp").lesson.files(result)
    assert files == {"mlp-W4A3-50images-minmax.packed": result.graph.packed}


def test_more_calibration_images_widen_the_min_max_range():
    wide = [
        readings.rounded("resnet8", 32, 8, n, "minmax", False).network for n in COUNTS
    ]
    grids = [inserted_grids(network.to_bytes())["fc_grid"] for network in wide]
    tops = [grid.hi for grid in grids]
    assert tops == sorted(tops) and tops[0] < tops[-1]
    clipped = [readings.reading("resnet8", n, "fc").clipped for n in wide]
    assert clipped[0] > clipped[-1] and clipped == sorted(clipped, reverse=True)


def test_a_reading_counts_and_measures_what_the_layer_reads():
    network = readings.rounded("mlp", 32, 4, 10, "minmax", False).network
    seen = readings.reading("mlp", network, "fc2")
    images = zoo.dataset("mlp").validation.images[: seen.images]
    values = zoo.load("mlp").activations(images, "fc2")
    assert seen.counts.sum() == values.size and seen.grid.levels == 16
    rounded = network.activations(images, "fc2")
    noise = np.sum((values - rounded) ** 2.0)
    assert seen.sqnr_db == pytest.approx(10 * np.log10(np.sum(values**2.0) / noise))
    step = (seen.grid.highest - seen.grid.lowest) / 15
    assert len(np.unique(rounded)) == 16
    assert seen.clipped == np.mean(values > seen.grid.highest + step / 2)


def test_a_layer_that_reads_pixels_has_no_reading():
    network = readings.rounded("mlp", 32, 4, 10, "minmax", False).network
    with pytest.raises(ValueError, match="no inner layer 'fc1': choose from fc2, fc3"):
        readings.reading("mlp", network, "fc1")


def test_reasons_are_said():
    *_, result = compute(network="mlp", bits=8, activation_bits=4)
    assert lines(result)[2] == (
        "no static and no dynamic file: LiteRT's kernels have activations of 8 or 16 "
        "bits, not 4"
    )
    table, notes = rows(result)
    assert [row for row in table if isinstance(row, tuple)] == [
        ("static file", result.unavailable["static"]),
        ("dynamic file", result.unavailable["dynamic"]),
    ]
    assert "no kernel does this arithmetic" in notes[0]
    *_, kept = compute(network="mlp", bits=4, activation_bits=8, ends="kept")
    assert "same bits in every layer" in lines(kept)[2]
    assert ENDS_TEXTS["kept"] in lines(kept)[0]
    *_, wide = compute(network="mlp", bits=8, activation_bits=16)
    assert "static file: " in lines(wide)[2] and "no dynamic file" in lines(wide)[2]


def test_one_by_one_is_what_a_batch_gives():
    made = deploy.deployable(zoo.load("mlp"), 8, "static", activation_bits=16)
    split = zoo.dataset("mlp").test.take(45)
    *before, (accuracy, latency) = one_by_one.one_by_one(made, split, 100, never)
    assert [a.n for a, _ in before] == [10, 20, 30, 40]
    assert all(time is None for _, time in before)
    np.testing.assert_array_equal(
        accuracy.correct, measure.accuracy(made, split).correct
    )
    assert latency.runs == 45 and latency.threads == 1
    assert list(one_by_one.one_by_one(made, split, 100, never)) == [(accuracy, latency)]


def test_one_by_one_hears_a_cancel():
    made = deploy.deployable(zoo.load("mlp"), 8, "static", activation_bits=16)
    split = zoo.dataset("mlp").test.take(300)
    turns = iter([False] * 15 + [True] * 300)
    found = list(one_by_one.one_by_one(made, split, 290, lambda: next(turns)))
    assert [accuracy.n for accuracy, _ in found] == [10]


def test_the_alt_text_says_every_figure():
    *_, result = compute(network="mlp", bits=4, activation_bits=8)
    told = alt_text(result)
    for point in result.points:
        assert f"{point.size_bytes:,} bytes" in told
        assert f"{100 * point.accuracy:.2f} %" in told
    assert f"SQNR {result.reading.sqnr_db:.1f} dB" in told


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="activation_bits is 9"):
        activations_panel("mlp", activation_bits=9)
    with pytest.raises(ValueError, match="images is 3"):
        activations_panel("mlp").set(images=3)
    in_sight = [c for c in activations_panel().lesson.controls if not c.advanced]
    assert len(in_sight) == 4
