"""Deployable files: what ai_edge_quantizer writes and LiteRT runs.

Three ways to run quantized weights:

* "weight_only": decoded to float before each layer; smaller, not faster;
* "dynamic": activations are quantized to 8 bits while the network runs, each image with
  its own ranges, and the layers multiply integers;
* "static": activations have fixed 8-bit ranges, taken from calibration images.

Not every combination exists. What ai_edge_quantizer 0.10 with LiteRT 2.3 supports, for
FULLY_CONNECTED (fc) and CONV_2D (conv) layers:

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

Where a combination does not exist the quantizer keeps the float weights without a word;
so what it supports is asked first, and the written file is looked into and run once.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from threading import Lock

import numpy as np
from ai_edge_quantizer import algorithm_manager, qtyping, quantizer
from ai_edge_quantizer.calibrator import CalibrationMode
from ai_edge_quantizer.utils import tfl_interpreter_utils

from labkit import data
from labkit.contents import stored_weights
from labkit.graph import KERNEL_KINDS, NetworkError
from labkit.network import Network
from labkit.quantize import BLOCK, GRANULARITIES
from labkit.runtime import Runner

BITS = (8, 4, 2)
MODES = ("weight_only", "dynamic", "static")
ACTIVATION_BITS = 8
CALIBRATION_IMAGES = 50

_WARNINGS_LOCK = Lock()

_OPERATORS = qtyping.TFLOperationName
_GRANULARITY = dict(
    zip(
        GRANULARITIES,
        (
            qtyping.QuantGranularity.TENSORWISE,
            qtyping.QuantGranularity.CHANNELWISE,
            qtyping.QuantGranularity.BLOCKWISE_32,
        ),
        strict=True,
    )
)


@dataclass(frozen=True, eq=False)
class Deployed:
    """A file with quantized weights that LiteRT has run; float32 in, float32 out."""

    content: bytes
    bits: int
    mode: str
    granularity: str

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
    count: int = CALIBRATION_IMAGES,
) -> Deployed | Unavailable:
    """The deployable file of a float network, or why there is none.

    bits: of the weights. mode, granularity: one of MODES, GRANULARITIES (else
    ValueError). images, count: "static" takes the ranges of the activations from the
    first `count` of these uint8 images, the least and the greatest value that each
    tensor takes; without `images` from the calibration images of the data set whose
    images have the network's input size. The other modes use no images.
    Cached by content.
    """
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}: choose one of {', '.join(MODES)}")
    if granularity not in GRANULARITIES:
        raise ValueError(
            f"granularity is {granularity!r}: choose one of {', '.join(GRANULARITIES)}"
        )
    for name, kernel in network.kernels.items():
        if kernel.dtype != np.float32:
            raise ValueError(
                f"the kernel of {name} is {kernel.dtype}: give the float32 network"
            )
    reason = _missing(network, bits, mode, granularity)
    if reason:
        return Unavailable(reason)
    pixels = _pixels(network, images, count) if mode == "static" else b""
    return _written(network.to_bytes(), bits, mode, granularity, pixels)


def _missing(network: Network, bits: int, mode: str, granularity: str) -> str | None:
    """Why no such file can be written for this network, found without writing it."""
    if bits not in BITS:
        return f"ai_edge_quantizer writes weights of 8, 4 or 2 bits, not of {bits}."
    layers = [layer for layer in network.layers if layer.kind in KERNEL_KINDS]
    kinds = dict.fromkeys(layer.kind for layer in layers)
    config = _config(bits, mode, granularity)
    for kind in kinds:
        if not _has_recipe(kind, config):
            return (
                f"ai_edge_quantizer has no {bits}-bit {mode.replace('_', '-')} recipe "
                f"with one scale per {granularity} for {kind}."
            )
    if bits == 2 and "CONV_2D" in kinds:
        return "LiteRT runs CONV_2D with 2-bit weights, but its outputs are wrong."
    if bits == 2 and granularity == "block":
        return "LiteRT refuses 2-bit weights with one scale per block."
    for layer in layers:
        if granularity == "block" and layer.kernel_shape[-1] % BLOCK:
            return (
                f"Blocks of {BLOCK} must divide a layer's input width, and that of "
                f"{layer.name} is {layer.kernel_shape[-1]}."
            )
    return None


def _config(bits: int, mode: str, granularity: str) -> qtyping.OpQuantizationConfig:
    floats = mode == "weight_only"
    precision = qtyping.ComputePrecision
    return qtyping.OpQuantizationConfig(
        activation_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=ACTIVATION_BITS, symmetric=False
        )
        if mode == "static"
        else None,
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=bits, symmetric=True, granularity=_GRANULARITY[granularity]
        ),
        compute_precision=precision.FLOAT if floats else precision.INTEGER,
        explicit_dequantize=floats,
    )


def _has_recipe(kind: str, config: qtyping.OpQuantizationConfig) -> bool:
    try:
        algorithm_manager.check_op_quantization_config(
            quantizer.AlgorithmName.MIN_MAX_UNIFORM_QUANT, _OPERATORS(kind), config
        )
    except ValueError:
        return False
    return True


def _pixels(network: Network, images: np.ndarray | None, count: int) -> bytes:
    """The calibration images as bytes, so that they can be part of a cache's key."""
    if images is None:
        size = prod(network.input_shape)
        shapes = data.IMAGE_SHAPES.items()
        fitting = [name for name, shape in shapes if prod(shape) == size]
        if not fitting:
            raise ValueError(f"no data set has images of {size} numbers: pass `images`")
        images = data.load(fitting[0]).calibration.images
    if not 1 <= count <= len(images):
        raise ValueError(f"count is {count}: choose 1 to {len(images)} images")
    return np.ascontiguousarray(images[:count], np.uint8).tobytes()


@lru_cache(maxsize=16)
def _written(
    content: bytes, bits: int, mode: str, granularity: str, pixels: bytes
) -> Deployed | Unavailable:
    """Quantize the file `content`, look into what was written, run it once."""
    try:
        written = _quantized(content, _config(bits, mode, granularity), pixels)
        kernels = [w for w in stored_weights(written) if w.role == "kernel"]
        kept = sum(kernel.bits != bits for kernel in kernels)
        if kept:
            return Unavailable(
                f"ai_edge_quantizer left {kept} of {len(kernels)} kernels as they were."
            )
        runner = Runner(written, batch_size=1)
        outputs = runner.run(np.zeros((1, *runner.input_shape), np.float32))
    except (NetworkError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        return Unavailable(f"{first[0].rstrip('.')}.")
    if not np.isfinite(outputs).all():
        return Unavailable("LiteRT runs the file, but its outputs are not finite.")
    return Deployed(written, bits, mode, granularity)


def _quantized(
    content: bytes, config: qtyping.OpQuantizationConfig, pixels: bytes
) -> bytes:
    """The file that ai_edge_quantizer writes, in memory."""
    made = quantizer.Quantizer(content)
    made.update_quantization_recipe(".*", _OPERATORS.ALL_SUPPORTED, config)
    ranges = None
    if pixels:
        for end in (_OPERATORS.INPUT, _OPERATORS.OUTPUT):  # float in, float out
            made.update_quantization_recipe(
                ".*", end, None, quantizer.AlgorithmName.NO_QUANTIZE
            )
        ranges = made.calibrate(
            _samples(content, pixels),
            num_threads=2,
            mode=CalibrationMode.CALIBRATION_PROFILER_BASED,
        )
    with _WARNINGS_LOCK, warnings.catch_warnings():
        # It opens the file for debugging, and LiteRT warns of the memory that takes.
        warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
        result = made.quantize(
            ranges, enable_progress_bar=False, enable_progress_report=False
        )
    return bytes(result.quantized_model)


def _samples(content: bytes, pixels: bytes) -> dict[str, list[dict[str, np.ndarray]]]:
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
    batch = np.frombuffer(pixels, np.uint8).reshape(-1, *shape) / np.float32(255)
    return {key: [{signature["inputs"][0]: batch}]}
