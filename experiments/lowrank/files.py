"""Every way to take layers apart, as files: bytes, MACs and microseconds.

`python -m experiments.lowrank.files` writes data/results/lowrank_files.json: all
networks, every layer at half of its weights by each method that differs there, nothing
trained. The files of a network are timed in turns. Run it on an idle machine; a
minute.
"""

import time

from tqdm import tqdm

from experiments.files import RESULTS, write_run
from experiments.scores import accuracy_of
from labkit import zoo
from labkit.compress.budget.low_rank import low_rank_network, methods
from labkit.measure.timing import latency
from labkit.panels.rank.panel import IMAGES

FILE = RESULTS / "lowrank_files.json"
SHARE = 0.5
VALIDATION = 1000
WHOLE = "whole"


def rows(name: str) -> list[dict]:
    """The files of one network; the first is the network as it is."""
    files = {WHOLE: zoo.load(name)}
    for method in tqdm(methods(name), name):
        files[method] = low_rank_network(
            name, method, SHARE, images=IMAGES[name]
        ).network
    times = latency(files)
    split = zoo.dataset(name).validation.take(VALIDATION)
    return [
        {
            "network": name,
            "method": method,
            "size_bytes": len(file),
            "macs": file.macs,
            "latency_us": times[method].median_us,
            "latency_quartiles_us": [times[method].q1_us, times[method].q3_us],
            "validation_accuracy": accuracy_of(file, split).value,
        }
        for method, file in files.items()
    ]


def main() -> None:
    start = time.perf_counter()
    found = [row for name in zoo.NAMES for row in rows(name)]
    write_run(
        FILE,
        "python -m experiments.lowrank.files",
        start,
        found,
        parameter_ratio=SHARE,
        validation_images=VALIDATION,
    )


if __name__ == "__main__":
    main()
