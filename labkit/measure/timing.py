"""How long a model file takes on one image, and on which machine.

Other programs slow a machine down for seconds at a time. So the models to compare take
turns, one sample each a round: a slow moment then meets all of them, and their ratio
holds where the times themselves would not.
"""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from math import ceil
from pathlib import Path
from time import perf_counter

import numpy as np

from labkit.model.runtime import Runner

MIN_RUNS = 30
WARM_UP_CALLS = 10
SAMPLE_US = 1000.0


@dataclass(frozen=True)
class Latency:
    """The time of one call, in microseconds: median and quartiles over `runs` samples.

    threads: how many the kernels could use. cpu: the processor's name.
    """

    median_us: float
    q1_us: float
    q3_us: float
    runs: int
    threads: int
    cpu: str


def latency(
    models: Mapping[str, object], runs: int = MIN_RUNS, batch: int = 1, threads: int = 1
) -> dict[str, Latency]:
    """Name -> the time that its model takes for one call on `batch` images.

    models: name -> anything with `to_bytes()`, the bytes of a .tflite file.
    After a warm-up, each of `runs` rounds takes one sample of every model, in an order
    that turns round from one round to the next. A sample is the mean of a block of
    calls that lasts about a millisecond (of one call, if that takes longer), since one
    call of a few microseconds is too short for the clock. One untimed call before it
    brings the model's weights back into the processor's caches.
    Timed is the interpreter's call alone: the images are in its input already.
    Raises ValueError for fewer than 30 runs, NetworkError for a file that cannot run.
    """
    if runs < MIN_RUNS:
        raise ValueError(f"{runs} runs are too few: take {MIN_RUNS} or more")
    runners = {
        name: Runner(model.to_bytes(), batch, threads) for name, model in models.items()
    }
    calls = {name: _warmed_up(runner) for name, runner in runners.items()}
    samples = {name: [] for name in runners}
    order = list(runners)
    for _ in range(runs):
        for name in order:
            runners[name].invoke()
            samples[name].append(_block_us(runners[name], calls[name]))
        order.reverse()
    return {name: summary(samples[name], threads) for name in runners}


def _warmed_up(runner: Runner) -> int:
    """Put pixels in the input, run the model warm, return the calls for a sample."""
    shape = (runner.batch_size, *runner.input_shape)
    runner.run(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    _block_us(runner, WARM_UP_CALLS)
    return ceil(SAMPLE_US / _block_us(runner, WARM_UP_CALLS))


def _block_us(runner: Runner, calls: int) -> float:
    """The mean time of one of `calls` calls in a row, in microseconds."""
    start = perf_counter()
    for _ in range(calls):
        runner.invoke()
    return (perf_counter() - start) / calls * 1e6


def summary(samples_us: Sequence[float], threads: int) -> Latency:
    """Median and quartiles of times in microseconds."""
    q1, median, q3 = (float(q) for q in np.percentile(samples_us, (25, 50, 75)))
    return Latency(median, q1, q3, len(samples_us), threads, cpu_name())


@cache
def cpu_name() -> str:
    """The processor's name, or its kind (such as "aarch64") where no name is given."""
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        name = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    else:
        name = _model_name(Path("/proc/cpuinfo"))
    return name or platform.processor() or platform.machine()


def _model_name(cpuinfo: Path) -> str:
    """The first "model name" of Linux's list of processors, "" if there is none."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    pairs = (line.partition(":") for line in lines)
    return next((v.strip() for k, _, v in pairs if k.strip() == "model name"), "")


def machine() -> dict[str, str | int]:
    """What a figure was measured on, as a results file keeps it."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "ai_edge_litert": version("ai-edge-litert"),
    }
