"""The activations panel: what a layer reads, files that are slow, and reasons."""

from types import SimpleNamespace

import numpy as np
import pytest

from labkit import measure, zoo
from labkit.compress import activations, deploy
from labkit.model.fake_quant import inserted_grids
from labkit.packed.compressed import unpack
from labkit.panels import one_by_one
from labkit.panels.activations import readings
from labkit.panels.activations.panel import COUNTS, SPEC, activations_panel
from labkit.panels.activations.plot import alt_text
from labkit.panels.activations.report import ENDS_TEXTS, lines, rows
from labkit.panels.worker import never

SMALL = 260
SLOW = one_by_one.images_for(SimpleNamespace(macs=10**12))


def shown(result):
    return {p.kind: (p.accuracy, p.n, p.size_bytes) for p in result.points}


def test_nothing_runs_twice(monkeypatch):
    settings = {"network": "mlp", "bits": 6, "activation_bits": 6}
    *_, once = SPEC.positions(**settings)

    def again(*arguments):
        raise AssertionError("it runs again")

    monkeypatch.setattr("labkit.measure.correctness.refine", again)
    monkeypatch.setattr(activations, "layer_inputs", again)
    *_, twice = SPEC.positions(**settings)
    assert shown(once) == shown(twice) and once.latency == twice.latency


def test_cancelled_between_the_steps():
    results = []
    settings = {"network": "resnet8", "activation_bits": 6}
    for result in SPEC.positions(cancelled=lambda: results, **settings):
        results.append(result)
    assert len(results) == 1 and not results[0].files


def test_the_graph_is_the_packed_file():
    *_, result = SPEC.positions(network="mlp", bits=4, activation_bits=3)
    assert unpack(result.graph.packed).digest == result.graph.network.digest
    files = activations_panel("mlp").spec.files(result)
    assert files == {"mlp-W4A3-50images-minmax.packed": result.graph.packed}


@pytest.mark.long
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
    *_, result = SPEC.positions(network="mlp", bits=8, activation_bits=4)
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
    *_, kept = SPEC.positions(network="mlp", bits=4, activation_bits=8, ends="kept")
    assert "same bits in every layer" in lines(kept)[2]
    assert ENDS_TEXTS["kept"] in lines(kept)[0]
    *_, wide = SPEC.positions(network="mlp", bits=8, activation_bits=16)
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
    *_, result = SPEC.positions(network="mlp", bits=4, activation_bits=8)
    told = alt_text(result)
    for point in result.points:
        assert f"{point.size_bytes:,} bytes" in told
        assert f"{100 * point.accuracy:.2f} %" in told
    assert f"SQNR {result.reading.sqnr_db:.1f} dB" in told
