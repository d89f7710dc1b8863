"""Repairs without training, measured at 4 to 2 bits on the four networks.

`python -m experiments.quantize.repair` writes data/results/repair.json:

* repairs: each network, granularity, range rule and width, as it is and repaired;
* feedback_layers: the dense layers of mlp rounded to nearest, with error feedback, and
  as ai_edge_quantizer's gptq does: the output error of each layer alone;
* feedback_networks: the whole of mlp, rounded in these ways;
* feedback_images: the layers' errors for different numbers of calibration images;
* algorithms: the deployable files of ai_edge_quantizer's algorithms.

Repairs see calibration images only. The accuracy on validation images is for choosing
between them, the one on test images for reporting.
`python -m experiments.quantize.repair mlp` measures mlp anew and keeps the others'
rows. Half an hour or more on one core.
"""

import json
import sys
import time
from itertools import product

import numpy as np
from tqdm import tqdm

from experiments.files import RESULTS, read_json
from experiments.quantize import feedback
from experiments.scores import accuracy_of, scores
from labkit import zoo
from labkit.common.files import write_json
from labkit.compress.deploy import Deployed, deployable
from labkit.compress.deploy_recipes import BITS as DEPLOYED_BITS
from labkit.compress.quantized import quantize_network
from labkit.compress.repair.batch_norm import reestimate_batch_norm
from labkit.compress.repair.bias_correction import correct_biases
from labkit.compress.repair.equalization import equalize
from labkit.measure.timing import machine
from labkit.model.network import Network

FILE = RESULTS / "repair.json"
BITS, RULES, GRANULARITIES = (
    (4, 3, 2),
    ("minmax", "least_squares"),
    ("tensor", "channel"),
)
IMAGES = 200
ALGORITHMS = ("min_max", "octav", "mse", "gptq")
SECTIONS = (
    "repairs", "algorithms", "feedback_layers", "feedback_networks", "feedback_images"
)  # fmt: skip


def repaired(network: Network, equal: Network, images: np.ndarray, setting: tuple):
    """(method, position) of every repair of one setting (bits, granularity, rule)."""
    plain, equalized = (quantize_network(made, *setting) for made in (network, equal))
    yield "none", plain
    yield "bias_correction", correct_biases(network, plain, images)
    yield "batch_norm", reestimate_batch_norm(network, plain, images)
    yield "equalization", equalized
    both = reestimate_batch_norm(equal, equalized, images)
    yield "equalization + batch_norm", both


def repair_rows(name: str) -> list[dict]:
    """Every repair of one network."""
    network, data = zoo.load(name), zoo.dataset(name)
    equal, images = equalize(network), data.calibration.images[:IMAGES]
    base, rows = accuracy_of(network, data.test), []
    for setting in tqdm(list(product(BITS, GRANULARITIES, RULES)), f"{name} repairs"):
        for method, position in repaired(network, equal, images, setting):
            row = dict(zip(("bits", "granularity", "rule"), setting, strict=True))
            row = {"network": name, **row, "method": method}
            row["size_bytes"] = position.size_bytes
            rows.append(row | scores(name, position.network, base))
    return rows


def algorithm_rows(name: str) -> list[dict]:
    """ai_edge_quantizer's files, one scale a channel, integer layers."""
    network, rows = zoo.load(name), []
    base = accuracy_of(network, zoo.dataset(name).test)
    for bits, algorithm in product(DEPLOYED_BITS, ALGORITHMS):
        made = deployable(network, bits, algorithm=algorithm)
        row = {"network": name, "bits": bits, "algorithm": algorithm}
        if isinstance(made, Deployed):
            row |= {"size_bytes": made.size_bytes} | scores(name, made, base)
        else:
            row["reason"] = made.reason
        rows.append(row)
    return rows


def sections(name: str) -> dict[str, list[dict]]:
    """Everything about one network, by section of the file."""
    found = {"repairs": repair_rows(name), "algorithms": algorithm_rows(name)}
    if name == feedback.NAME:
        found["feedback_layers"] = feedback.layer_rows()
        found["feedback_networks"] = feedback.network_rows()
        found["feedback_images"] = feedback.image_rows()
    return found


def merged(old: dict, name: str, new: dict[str, list[dict]], seconds: float) -> dict:
    """The file's content with the rows of one network renewed."""
    content = {
        "command": "python -m experiments.quantize.repair",
        "seed": None,
        "calibration_images": {"repairs": IMAGES, "feedback": feedback.IMAGES},
        "runs": dict(old.get("runs", {})),
    }
    digest = zoo.load(name).digest
    content["runs"][name] = {"digest": digest, "seconds": round(seconds), **machine()}
    for section in SECTIONS:
        kept = [row for row in old.get(section, []) if row["network"] != name]
        rows = kept + new.get(section, [])
        content[section] = sorted(rows, key=lambda row: zoo.NAMES.index(row["network"]))
    return content


def main() -> None:
    for name in sys.argv[1:] or zoo.NAMES:
        start = time.perf_counter()
        new = sections(name)
        old = read_json(FILE, dict) if FILE.exists() else {}
        seconds = time.perf_counter() - start
        write_json(FILE, merged(old, name, new, seconds))
        print(json.dumps({"network": name, "file": FILE.name}))


if __name__ == "__main__":
    main()
