"""The networks of quantization-aware training beside rounding alone, on test images.

`python -m experiments.quantize.qat` writes data/results/qat.json. It trains nothing:
the networks are the committed ones (`python -m labkit qat NAME SETTING` makes them).

"rounded" is the float network at the same setting without training, by
`labkit.compress.post_training` on 100 calibration images.
"""

import time

from experiments.files import RESULTS, write_run
from labkit import zoo
from labkit.compress.post_training import CALIBRATION_IMAGES, Setting, round_network
from labkit.measure.correctness import accuracy, compare
from labkit.packed.compressed import unpack

FILE = RESULTS / "qat.json"


def row(title: str) -> dict:
    """One trained network against its float network, and against rounding alone."""
    name, setting = title.rsplit("-", 1)
    record, dataset = zoo.quantized_record(name, setting), zoo.dataset(name)
    network, test = zoo.load(name), dataset.test
    images = dataset.calibration.images[:CALIBRATION_IMAGES]
    rounded = round_network(network, images, Setting.named(setting))
    base, before = accuracy(network, test), accuracy(rounded.network, test)
    packed = zoo.load_packed(name, setting)
    after = accuracy(unpack(packed), test)
    paired = compare(base, after)
    return {
        "network": name,
        "setting": setting,
        "kept_at_8_bits": record["kept_at_8_bits"],
        "float_accuracy": base.value,
        "rounded_accuracy": before.value,
        "trained_accuracy": after.value,
        "difference": paired.difference,
        "difference_interval": paired.interval,
        "p_value": paired.p_value,
        "size_bytes": len(packed),
        "float_bytes": len(network),
        "epochs": record["epochs"],
        "training_seconds": record["seconds"],
    }


def main() -> None:
    start = time.perf_counter()
    rows = [row(title) for title in zoo.quantized_names()]
    write_run(FILE, "python -m experiments.quantize.qat", start, rows, seed=0)


if __name__ == "__main__":
    main()
