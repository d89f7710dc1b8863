"""Latency: the turns the models take, the figures, and the machine's name."""

import json
from types import SimpleNamespace

import pytest

from labkit import zoo
from labkit.measure import timing
from labkit.model.graph import NetworkError


class Machine:
    """A clock that moves only when a model runs; after 10,000 calls it gets slow."""

    def __init__(self):
        self.seconds = 0.0
        self.log = []

    def runner(self, cost_us, batch, threads):
        def invoke():
            self.log.append(cost_us)
            load = 10 if len(self.log) > 10_000 else 1
            self.seconds += cost_us * load / 1e6

        return SimpleNamespace(
            batch_size=batch,
            input_shape=(4,),
            invoke=invoke,
            run=lambda images: invoke(),
        )


@pytest.fixture
def busy(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(timing, "Runner", machine.runner)
    monkeypatch.setattr(timing, "perf_counter", lambda: machine.seconds)
    return machine


def model(content):
    return SimpleNamespace(to_bytes=lambda: content)


def test_models_take_turns_and_their_ratio_holds_on_a_busy_machine(busy):
    found = timing.latency({"slow": model(40.0), "fast": model(10.0)}, runs=200)
    # 25,400 calls: 40 % of the rounds of both fall before the machine gets slow.
    assert found["slow"].median_us == pytest.approx(400)
    assert found["fast"].median_us == pytest.approx(100)
    assert found["fast"].q1_us == pytest.approx(10)
    assert found["fast"].q3_us == pytest.approx(100)


def test_each_round_turns_the_order_round(busy):
    timing.latency({"a": model(2000.0), "b": model(3000.0)}, runs=30)
    warm_up = 2 * (1 + 2 * timing.WARM_UP_CALLS)
    samples = busy.log[warm_up:]
    # A model longer than a sample runs once untimed and once timed.
    there, back = [2000.0] * 2 + [3000.0] * 2, [3000.0] * 2 + [2000.0] * 2
    assert samples == (there + back) * 15


def test_a_short_call_is_timed_in_blocks(busy):
    timing.latency({"a": model(5.0)}, runs=30)
    warm_up = 1 + 2 * timing.WARM_UP_CALLS
    assert len(busy.log) - warm_up == 30 * (1 + 1000 / 5)


def test_a_zoo_network_is_measured():
    network = zoo.load("mlp")
    found = timing.latency({"float": network, "again": network}, runs=31, threads=2)
    assert list(found) == ["float", "again"]
    for one in found.values():
        assert 0 < one.q1_us <= one.median_us <= one.q3_us
        assert (one.runs, one.threads, one.cpu) == (31, 2, timing.cpu_name())


def test_too_few_runs_are_refused():
    with pytest.raises(ValueError, match="30 or more"):
        timing.latency({"float": zoo.load("mlp")}, runs=29)


def test_a_file_that_is_no_model_is_refused():
    with pytest.raises(NetworkError, match="LiteRT refuses"):
        timing.latency({"text": model(b"no model")})


def test_cpu_name_is_the_first_processor_of_the_list(tmp_path):
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nmodel name\t: CPU: A @ 2\nmodel name\t: B\n")
    assert timing._model_name(listing) == "CPU: A @ 2"
    listing.write_text("processor\t: 0\nBogoMIPS\t: 50.00\n")
    assert timing._model_name(listing) == ""
    assert timing._model_name(tmp_path / "none") == ""


def test_a_processor_without_a_name_is_called_by_its_kind(monkeypatch):
    monkeypatch.setattr(timing, "_model_name", lambda path: "")
    monkeypatch.setattr(timing.platform, "system", lambda: "Linux")
    monkeypatch.setattr(timing.platform, "processor", lambda: "")
    monkeypatch.setattr(timing.platform, "machine", lambda: "aarch64")
    assert timing.cpu_name.__wrapped__() == "aarch64"


def test_macos_is_asked_for_the_name(monkeypatch):
    asked = []

    def run(command, **options):
        asked.append(command)
        return SimpleNamespace(stdout="Apple M9\n")

    monkeypatch.setattr(timing.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(timing.subprocess, "run", run)
    assert timing.cpu_name.__wrapped__() == "Apple M9"
    assert asked == [["sysctl", "-n", "machdep.cpu.brand_string"]]


def test_machine_goes_into_a_results_file():
    found = json.loads(json.dumps(timing.machine()))
    assert set(found) == {"cpu", "cores", "python", "numpy", "ai_edge_litert"}
    assert found["cores"] >= 1
    assert all(found.values())
