"""Deployable files: what ai_edge_quantizer writes and LiteRT runs.

Three ways to run quantized weights:

* "weight_only": decoded to float before each layer; smaller, not faster;
* "dynamic": activations are quantized to 8 bits while the network runs, each image with
  its own ranges, and the layers multiply integers;
* "static": activations have fixed ranges, of 8 or 16 bits, from calibration images.

Not every combination exists. What ai_edge_quantizer 0.10 with LiteRT 2.3 supports, for
FULLY_CONNECTED (fc) and CONV_2D (conv) layers, with its algorithm min_max (the others:
`labkit.compress.deploy_recipes`):

    bits  mode         tensor, channel          block of 32
    8     weight_only  fc, conv                 -
    8     dynamic      fc, conv                 -
    8     static       fc, conv                 -
    4     weight_only  fc, conv                 -
    4     dynamic      fc, conv                 fc, if 32 divides its input width
    4     static       fc, conv                 -
    2     weight_only  -                        -
    2     dynamic      fc (conv: wrong sums)    - (written for fc, refused by LiteRT)
    2     static       -                        -

Static files take activations of 16 bits too, for 8- and 4-bit weights: no zero point,
int64 sums, and plain loops for kernels, which are many times slower than float32.

Where a combination does not exist the quantizer keeps the float weights without a word;
so what it supports is asked first, and the written file is looked into and run once.
"""

import warnings
from dataclasses import dataclass
from math import prod
from threading import Lock

import numpy as np
from ai_edge_quantizer import quantizer
from ai_edge_quantizer.calibrator import CalibrationMode
from ai_edge_quantizer.utils import tfl_interpreter_utils

from labkit.common.cache import cached
from labkit.compress import deploy_recipes
from labkit.compress.deploy_modes import MODES
from labkit.compress.deploy_recipes import ALGORITHMS
from labkit.measure.file_contents import stored_weights
from labkit.model.graph import NetworkError
from labkit.model.inputs import as_inputs, checked
from labkit.model.network import Network
from labkit.model.runtime import THREADS, Runner
from labkit.quantize.granularity import GRANULARITIES
from labkit.zoo import datasets

CALIBRATION_IMAGES = 50
GPTQ_IMAGES = 500

# bits, mode, granularity, algorithm, activation_bits
Setting = tuple[int, str, str, str, int]
# The type of images, uint8 or float32, and their numbers.
Calibration = tuple[str, bytes]

_WARNINGS_LOCK = Lock()


@dataclass(frozen=True, eq=False)
class Deployed:
    """A file with quantized weights that LiteRT has run; float32 in, float32 out."""

    content: bytes
    bits: int
    mode: str
    granularity: str
    algorithm: str = "min_max"
    activation_bits: int = 8

    def to_bytes(self) -> bytes:
        """The .tflite file."""
        return self.content

    @property
    def size_bytes(self) -> int:
        """The length of the file."""
        return len(self.content)


@dataclass(frozen=True)
class Unavailable:
    """No deployable file for this setting. reason: why not, in one sentence."""

    reason: str


def deployable(
    network: Network,
    bits: int,
    mode: str = "dynamic",
    granularity: str = "channel",
    images: np.ndarray | None = None,
    count: int | None = None,
    algorithm: str = "min_max",
    activation_bits: int = 8,
) -> Deployed | Unavailable:
    """The deployable file of a float network, or why there is none.

    bits: of the weights. mode, granularity: one of MODES, GRANULARITIES. algorithm: how
    the weights get their codes, one of ALGORITHMS, see
    `labkit.compress.deploy_recipes`. activation_bits: 8, or 16 for "static". images,
    count: "static" takes the ranges of the activations from the first `count` of these
    images, the least and the greatest value that each tensor takes; "gptq" looks at
    what the layers read. They are taken as `Network.predict` takes them. count None:
    CALIBRATION_IMAGES, for "gptq" GPTQ_IMAGES. Without `images` they are the
    calibration images of the data set whose images have the network's input size.
    Nothing else uses images. Files are cached by content; a failure is not, so that the
    next time is a new one. Raises ValueError for another mode, granularity or
    algorithm, for a network that is not float32, and for images as
    `labkit.model.inputs.checked` does.

    The ranges are those of the float network: ai_edge_quantizer calibrates before it
    rounds the weights. Where rounding makes an activation larger it is clipped.
    """
    for word, value, known in (
        ("mode", mode, MODES),
        ("granularity", granularity, GRANULARITIES),
        ("algorithm", algorithm, ALGORITHMS),
    ):
        if value not in known:
            raise ValueError(f"{word} is {value!r}: choose one of {', '.join(known)}")
    for name, kernel in network.kernels.items():
        if kernel.dtype != np.float32:
            raise ValueError(
                f"the kernel of {name} is {kernel.dtype}: give the float32 network"
            )
    setting = (bits, mode, granularity, algorithm, activation_bits)
    reason = deploy_recipes.missing(network, *setting)
    if reason:
        return Unavailable(reason)
    calibration = None
    if algorithm == "gptq" or MODES[mode].needs == "images":
        default = GPTQ_IMAGES if algorithm == "gptq" else CALIBRATION_IMAGES
        count = default if count is None else count
        calibration = _calibration(network, images, count)
    try:
        return _deployed(network, setting, calibration)
    except _Failed as failed:
        return Unavailable(str(failed))


def _calibration(
    network: Network, images: np.ndarray | None, count: int
) -> Calibration:
    """The first images, checked, as what can be part of a cache's key."""
    shape = network.input_shape
    if images is None:
        size = prod(shape)
        shapes = datasets.IMAGE_SHAPES.items()
        fitting = [name for name, sides in shapes if prod(sides) == size]
        if not fitting:
            raise ValueError(f"no data set has images of {size} numbers: pass `images`")
        images = datasets.load_images(fitting[0]).calibration.images
    images = checked(images, shape)
    if not 1 <= count <= len(images):
        raise ValueError(f"count is {count}: choose 1 to {len(images)} images")
    return images.dtype.str, images[:count].tobytes()


class _Failed(Exception):
    """No file was written that runs. It is not kept: the next time it may be."""


@cached
def _deployed(
    network: Network, setting: Setting, calibration: Calibration | None
) -> Deployed:
    """Quantize the network, look into what was written, run it once."""
    bits, granularity = setting[0], setting[2]
    try:
        written = _quantized(network.to_bytes(), setting, calibration)
        kernels = [w for w in stored_weights(written) if w.role == "kernel"]
        kept = sum(kernel.bits != bits for kernel in kernels)
        if kept:
            raise _Failed(
                f"ai_edge_quantizer left {kept} of {len(kernels)} kernels as they were."
            )
        runner = Runner(written, batch_size=1)
        outputs = runner.run(np.zeros((1, *runner.input_shape), np.float32))
    except (NetworkError, ValueError, RuntimeError) as error:
        if "Failed to recover" in str(error):
            raise _Failed(
                f"A kernel is on no {bits}-bit grid with one scale per {granularity} "
                "that ai_edge_quantizer recognizes."
            ) from error
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise _Failed(f"{first[0].rstrip('.')}.") from error
    if not np.isfinite(outputs).all():
        raise _Failed("LiteRT runs the file, but its outputs are not finite.")
    return Deployed(written, *setting)


def _quantized(
    content: bytes, setting: Setting, calibration: Calibration | None
) -> bytes:
    """The file that ai_edge_quantizer writes, in memory."""
    made = quantizer.Quantizer(content)
    deploy_recipes.apply(made, *setting)
    with _WARNINGS_LOCK, warnings.catch_warnings():
        # It opens the file for debugging, and LiteRT warns of the memory that takes.
        warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
        ranges = calibration and _observed(made, content, setting, calibration)
        result = made.quantize(
            ranges, enable_progress_bar=False, enable_progress_report=False
        )
    return bytes(result.quantized_model)


def _observed(
    made: quantizer.Quantizer,
    content: bytes,
    setting: Setting,
    calibration: Calibration,
) -> dict:
    """What the float network does on the images: ranges, and for gptq its inputs."""
    whole_tensors = setting[3] == "gptq"
    modes = CalibrationMode
    return made.calibrate(
        _samples(content, calibration),
        num_threads=THREADS,
        mode=modes.CALIBRATION_PRESERVE_ALL_TENSORS
        if whole_tensors
        else modes.CALIBRATION_PROFILER_BASED,
    )


def _samples(
    content: bytes, calibration: Calibration
) -> dict[str, list[dict[str, np.ndarray]]]:
    """Calibration data: all images as one batch.

    Of images given one by one the quantizer averages the ranges, and what lies beyond
    the average is clipped; of a batch it takes the least and the greatest value.
    """
    interpreter = tfl_interpreter_utils.create_tfl_interpreter(
        content, preserve_all_tensors=False
    )
    signatures = interpreter.get_signature_list()
    if not signatures:
        raise ValueError("Calibration needs a signature, and the file has none")
    key, signature = next(iter(signatures.items()))
    shape = interpreter.get_input_details()[0]["shape"][1:]
    kind, numbers = calibration
    images = np.frombuffer(numbers, kind).reshape(-1, *shape)
    return {key: [{signature["inputs"][0]: as_inputs(images, shape)}]}
