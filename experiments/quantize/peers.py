"""Our quantization beside that of other tools, on the four networks.

`python -m experiments.quantize.peers` writes data/results/quantization_peers.json:
accuracy on all test images, bytes of the file, latency of one image (all files of a
network take turns in one run), and the seconds that compressing took, imports left out.
Some minutes on two cores, on an otherwise idle machine.

| row | what it writes |
|---|---|
| float32 | the .tflite file that the others start from |
| ours … | the packed file; its latency is that of the float file it decodes to |
| ours W4A4, trained | quantization-aware training, committed; hours, not seconds |
| Keras | `model.quantize`, saved as .keras; run by Keras |
| TensorFlow Lite | the converter's optimizations, from the Keras model |
| ai_edge_quantizer | the recipes of `labkit.compress.deploy` |
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from experiments.files import RESULTS, write_run  # noqa: E402
from labkit import zoo  # noqa: E402
from labkit.compress.deploy import CALIBRATION_IMAGES, deployable  # noqa: E402
from labkit.compress.quantized import quantize_network  # noqa: E402
from labkit.measure.correctness import accuracy  # noqa: E402
from labkit.measure.timing import latency  # noqa: E402
from labkit.model.network import Network  # noqa: E402
from labkit.packed.compressed import unpack  # noqa: E402

FILE = RESULTS / "quantization_peers.json"
DENSE_ONLY = "n/a: Dense only"
RUNS = 30


class File:
    """A .tflite file that is only run."""

    def __init__(self, content: bytes):
        self.content = content

    def to_bytes(self) -> bytes:
        return self.content


def ours(bits: int, granularity: str) -> Callable[[str], tuple]:
    """Weights on `bits` bits, least squares scales: (file to run, bytes on disk)."""

    def compress(name: str) -> tuple:
        position = quantize_network(zoo.load(name), bits, granularity, "least_squares")
        return position.network, position.size_bytes

    return compress


def ours_trained(setting: str) -> Callable[[str], tuple]:
    """The committed network of quantization-aware training, and how long it trained."""

    def compress(name: str) -> tuple | str:
        if f"{name}-{setting}" not in zoo.quantized_names():
            return "not trained"
        packed = zoo.load_packed(name, setting)
        seconds = zoo.quantized_record(name, setting)["seconds"]
        return unpack(packed), len(packed), seconds

    return compress


def ai_edge(bits: int, mode: str) -> Callable[[str], tuple]:
    """A deployable file with one scale for each channel."""

    def compress(name: str) -> tuple | str:
        made = deployable(zoo.load(name), bits, mode, "channel")
        if not hasattr(made, "to_bytes"):
            return f"n/a: {made.reason}"
        return made, made.size_bytes

    return compress


def tf_lite(full: bool) -> Callable[[str], tuple]:
    """The converter's dynamic-range mode, or its full-integer mode (float in, out)."""

    def compress(name: str) -> tuple:
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_keras_model(zoo.keras_model(name))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if full:
            network = zoo.load(name)
            images = zoo.dataset(name).calibration.images[:CALIBRATION_IMAGES]
            inputs = network.as_inputs(images)
            converter.representative_dataset = lambda: ([x[None]] for x in inputs)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        content = converter.convert()
        return File(content), len(content)

    return compress


ROWS: dict[str, Callable[[str], tuple | str]] = {
    "float32": lambda name: (zoo.load(name), len(zoo.load(name))),
    "ours, 8-bit weights": ours(8, "channel"),
    "ours, 4-bit weights": ours(4, "block"),
    "ours W8A8, trained": ours_trained("W8A8"),
    "ours W4A4, trained": ours_trained("W4A4"),
    "TensorFlow Lite dynamic": tf_lite(full=False),
    "TensorFlow Lite full int8": tf_lite(full=True),
    "ai_edge_quantizer dynamic int8": ai_edge(8, "dynamic"),
    "ai_edge_quantizer static int8": ai_edge(8, "static"),
    "ai_edge_quantizer dynamic int4": ai_edge(4, "dynamic"),
    "ai_edge_quantizer static int4": ai_edge(4, "static"),
}


def file_rows(name: str) -> list[dict]:
    """The rows of one network whose files LiteRT runs."""
    test, made, rows = zoo.dataset(name).test, {}, []
    for title, compress in ROWS.items():
        start = time.perf_counter()
        result = compress(name)
        seconds = time.perf_counter() - start
        row = {"network": name, "method": title}
        if isinstance(result, str):
            rows.append(row | {"missing": result})
            continue
        runnable, size_bytes, *training = result
        seconds = training[0] if training else seconds
        made[title] = File(runnable.to_bytes())
        measured = accuracy(runnable, test)
        row |= {"accuracy": measured.value, "interval": measured.interval}
        rows.append(row | {"size_bytes": size_bytes, "seconds": round(seconds, 4)})
    times = latency(made, RUNS)
    for row in rows:
        if row["method"] in times:
            row["latency_us"] = round(times[row["method"]].median_us, 2)
    return rows


def keras_row(name: str, mode: str) -> dict:
    """Keras' own quantization, where it has one for all layers with weights."""
    row = {"network": name, "method": f'Keras quantize("{mode}")'}
    if any(layer.kind != "FULLY_CONNECTED" for layer in weighted(zoo.load(name))):
        return row | {"missing": DENSE_ONLY}
    import keras

    model, test = zoo.keras_model(name), zoo.dataset(name).test
    start = time.perf_counter()
    model.quantize(mode)
    seconds = time.perf_counter() - start
    inputs = test.images.reshape(len(test), *model.input_shape[1:]) / np.float32(255)
    logits = model.predict(inputs, batch_size=500, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        keras.models.save_model(model, path)
        size_bytes = path.stat().st_size
    return row | {
        "accuracy": float(np.mean(logits.argmax(axis=1) == test.labels)),
        "size_bytes": size_bytes,
        "seconds": round(seconds, 4),
        "latency_us": round(_keras_latency_us(model, inputs[:1]), 2),
    }


def weighted(network: Network) -> list:
    return [layer for layer in network.layers if layer.kernel_shape is not None]


def _keras_latency_us(model, image) -> float:
    """One image through the compiled graph of a Keras model, median of 200 calls."""
    import tensorflow as tf

    run, image = tf.function(model), tf.constant(image)
    run(image)
    samples = []
    for _ in range(200):
        start = time.perf_counter()
        run(image).numpy()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples) * 1e6


def warm_up() -> None:
    """Import and start all that the methods need, on a network that nobody measures."""
    network = zoo.load(zoo.NAMES[0])
    other = network.with_weights({"fc1/bias": network.weights["fc1/bias"] + 1})
    quantize_network(other, 8, "channel", "least_squares")
    deployable(other, 8, "dynamic", "channel")
    tf_lite(full=True)(zoo.NAMES[0])
    keras_row(zoo.NAMES[0], "int8")


def main() -> None:
    start, rows = time.perf_counter(), []
    warm_up()
    for name in zoo.NAMES:
        rows += file_rows(name)
        rows += [keras_row(name, mode) for mode in ("int8", "int4")]
        print(*rows[-len(ROWS) - 2 :], sep="\n")
    write_run(FILE, "python -m experiments.quantize.peers", start, rows, seed=None)


if __name__ == "__main__":
    main()
