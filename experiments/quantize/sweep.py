"""Weight-only quantization of the four networks: bits x granularity on all test images.

`python -m experiments.quantize.sweep` writes data/results/quantization_sweep.json, the
committed run behind the tables of `make results`. It takes some minutes on two cores.
"""

import json
import time
from itertools import product

from tqdm import tqdm

from experiments.files import RESULTS, write_run
from labkit import zoo
from labkit.compress.quantized import quantize_network
from labkit.measure.correctness import accuracy, compare
from labkit.quantize.granularity import GRANULARITIES

BITS = (8, 6, 5, 4, 3, 2)
RULE = "minmax"
FILE = RESULTS / "quantization_sweep.json"


def row(name: str, network, test, bits: int, granularity: str, base) -> dict:
    """One position: the accuracy of the decoded file, the bytes of the packed one."""
    position = quantize_network(network, bits, granularity, RULE)
    measured = accuracy(position.network, test)
    paired = compare(base, measured)
    return {
        "network": name,
        "bits": bits,
        "granularity": granularity,
        "accuracy": measured.value,
        "interval": measured.interval,
        "difference": paired.difference,
        "difference_interval": paired.interval,
        "p_value": paired.p_value,
        "size_bytes": len(position.packed),
    }


def main() -> None:
    start, rows = time.perf_counter(), []
    for name in zoo.NAMES:
        network, test = zoo.load(name), zoo.dataset(name).test
        base = accuracy(network, test)
        float_row = {"network": name, "bits": 32, "granularity": "float"}
        float_row |= {"accuracy": base.value, "interval": base.interval}
        rows.append(float_row | {"size_bytes": len(network)})
        for bits, granularity in tqdm(list(product(BITS, GRANULARITIES)), name):
            rows.append(row(name, network, test, bits, granularity, base))
    write_run(
        FILE, "python -m experiments.quantize.sweep", start, rows, seed=None, rule=RULE
    )
    print(json.dumps({"rows": len(rows), "file": FILE.name}))


if __name__ == "__main__":
    main()
