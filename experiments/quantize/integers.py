"""Integer-only inference against LiteRT: every code of every layer, all test images.

`python -m experiments.quantize.integers` writes data/results/integers.json: how many
codes of our arithmetic differ from those of LiteRT's reference kernels (none) and from
those of its default kernels, over all test images; and what the rounding changes, over
the first 1,000. The reference kernels are plain loops: all of it takes most of an hour.
Each file is written once it is done, and an interrupted run goes on there.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from tqdm import tqdm

from experiments.files import RESULTS, read_json
from labkit import zoo
from labkit.common.files import write_json
from labkit.compress.deploy import deployable
from labkit.integer.differences import Tally, open_network
from labkit.integer.network import IntegerNetwork
from labkit.measure.timing import machine

FILE = RESULTS / "integers.json"
GRANULARITIES = ("channel", "tensor")
BATCH = 50
SAMPLE = 1_000
ALONE = "single-alone"  # each layer reads what "double" computed
ON_ALL_IMAGES = (
    ("reference", "litert-reference"),
    ("reference", "litert-xnnpack"),
)
ON_THE_SAMPLE = (
    ("reference", "double"),
    ("double", "single"),
    ("double", ALONE),
    ("reference", "litert-optimized"),
    ("single", "litert-xnnpack"),
)


@dataclass
class Pair:
    """Two ways compared, batch by batch. last: the layer that names the class."""

    tally: Tally
    last: str
    images: int = 0
    changed: int = 0

    def add(self, a: dict, b: dict) -> None:
        self.tally.add(a, b)
        classes = [codes[self.last].argmax(axis=1) for codes in (a, b)]
        self.images += len(classes[0])
        self.changed += int(np.count_nonzero(classes[0] != classes[1]))

    def row(self, first: str, second: str) -> dict:
        """The totals, and the layers in which something differs."""
        found = self.tally.differences()
        return {
            "first": first,
            "second": second,
            "images": self.images,
            "tensors": len(found),
            "codes": sum(d.codes for d in found),
            "differing": sum(d.differing for d in found),
            "largest": max(d.largest for d in found),
            "predictions_changed": self.changed,
            "layers": {d.layer: d.differing for d in found if d.differing},
        }


def compared(
    content: bytes, images: np.ndarray, pairs: Sequence[tuple[str, str]], label: str
) -> list[dict]:
    """Every one of these pairs of ways, over these images."""
    ways = {way for pair in pairs for way in pair} - {ALONE}
    networks = {way: open_network(content, way) for way in sorted(ways)}
    ours = IntegerNetwork.from_bytes(content)
    last = [layer.name for layer in ours.layers if layer.writes_codes][-1]
    counts = {pair: Pair(Tally(ours), last) for pair in pairs}
    for k in tqdm(range(0, len(images), BATCH), label):
        batch = images[k : k + BATCH]
        codes = {way: network.run(batch) for way, network in networks.items()}
        if "single" in networks:
            codes[ALONE] = networks["single"].run(batch, given=codes["double"])
        for (first, second), count in counts.items():
            count.add(codes[first], codes[second])
    return [count.row(*pair) for pair, count in counts.items()]


def cpu_seconds(content: bytes, images: np.ndarray) -> float:
    """What our arithmetic takes for all the images, summed over the cores."""
    network = IntegerNetwork.from_bytes(content)
    start = time.process_time()
    network.predict(images)
    return round(time.process_time() - start, 2)


def row(name: str, granularity: str) -> dict:
    """One network's static 8-bit file."""
    start = time.perf_counter()
    content = deployable(zoo.load(name), 8, "static", granularity).to_bytes()
    images = zoo.dataset(name).test.images
    label = f"{name} {granularity}"
    some = compared(content, images[:SAMPLE], ON_THE_SAMPLE, label)
    every = compared(content, images, ON_ALL_IMAGES, label)
    return {
        "network": name,
        "granularity": granularity,
        "cpu_seconds": cpu_seconds(content, images),
        "pairs": every + some,
        "seconds": round(time.perf_counter() - start),
    }


def finished(digests: dict[str, str]) -> list[dict]:
    """The rows of an interrupted run of the same networks."""
    found = read_json(FILE) if FILE.exists() else {}
    known = len(GRANULARITIES) * len(digests)
    same = found.get("networks") == digests and len(found["rows"]) < known
    return found["rows"] if same else []


def main() -> None:
    digests = {name: zoo.load(name).digest for name in zoo.NAMES}
    rows = finished(digests)
    todo = list(product(zoo.NAMES, GRANULARITIES))[len(rows) :]
    for name, granularity in todo:
        rows.append(row(name, granularity))
        record = {
            "command": "python -m experiments.quantize.integers",
            "seed": None,
            "seconds": sum(done["seconds"] for done in rows),
            "machine": machine(),
            "networks": digests,
            "rows": rows,
        }
        write_json(FILE, record)
    print(json.dumps({"rows": len(rows), "file": FILE.name}))


if __name__ == "__main__":
    main()
