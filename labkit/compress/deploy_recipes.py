"""What ai_edge_quantizer can be asked for, and which of it exists.

Which grid the weights get and how they are rounded onto it is its algorithm's choice:

    algorithm   scales and codes                                      layers
    min_max     the grid ends at the largest weight                   fc, conv, dwconv
    octav       the grid ends where the squared error is least        fc, conv, dwconv
                (Sakr et al. 2022, arXiv:2206.06501)
    mse         a fixed multiple of the weights' root mean square     fc, conv, dwconv
                (8 and 4 bits)
    gptq        min_max, rounded with error feedback on calibration   fc
                images (see `labkit.compress.repair.error_feedback`)
    recovery    the grid on which the weights lie already: codes      fc, conv
                that training or a repair has chosen
    hadamard    weights and inputs rotated, then octav                fc, one image
    oscar       inputs scaled by their size, then clipped             none: see below

Of ai_edge_quantizer 0.10: its gptq feeds errors back with rows of the whole inverse
H^-1, where the method needs the inverse for the columns not yet rounded; what that
costs is in data/results/repair.json. Its oscar is handed no images and only clips.
"""

from ai_edge_quantizer import algorithm_manager, qtyping
from ai_edge_quantizer.algorithm_manager import AlgorithmName

from labkit.compress.deploy_modes import MODES
from labkit.model.graph import KERNEL_KINDS
from labkit.model.network import Network
from labkit.quantize.granularity import BLOCK, GRANULARITIES

BITS = (8, 4, 2)
ACTIVATION_BITS = (8, 16)
OPERATORS = qtyping.TFLOperationName
_ALGORITHMS = {
    "min_max": AlgorithmName.MIN_MAX_UNIFORM_QUANT,
    "octav": AlgorithmName.OCTAV,
    "mse": AlgorithmName.MSE,
    "gptq": AlgorithmName.GPTQ,
    "recovery": AlgorithmName.DEQUANTIZED_WEIGHT_RECOVERY,
    "hadamard": AlgorithmName.DECOMPOSED_HADAMARD_ROTATION,
    "oscar": AlgorithmName.OSCAR,
}
ALGORITHMS = tuple(_ALGORITHMS)
_USELESS = {
    "hadamard": "LiteRT runs Hadamard rotations for one image only, not for a batch.",
    "oscar": "ai_edge_quantizer multiplies OSCAR's inputs by 1: it hands it no images.",
}
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


def missing(
    network: Network,
    bits: int,
    mode: str,
    granularity: str,
    algorithm: str,
    activation_bits: int = 8,
) -> str | None:
    """Why no such file can be written for this network, found without writing it."""
    if bits not in BITS:
        return f"ai_edge_quantizer writes weights of 8, 4 or 2 bits, not of {bits}."
    if activation_bits not in ACTIVATION_BITS:
        return (
            f"LiteRT's kernels have activations of 8 or 16 bits, not {activation_bits}."
        )
    if activation_bits == 16 and mode != "static":
        return f"Only static files have 16-bit activations, {MODES[mode]} ones do not."
    layers = [layer for layer in network.layers if layer.kind in KERNEL_KINDS]
    kinds = dict.fromkeys(layer.kind for layer in layers)
    config = op_config(bits, mode, granularity, activation_bits)
    for kind in kinds:
        if not _has_recipe("min_max", kind, config):
            return (
                f"ai_edge_quantizer has no {bits}-bit {MODES[mode]} recipe "
                f"with one scale per {granularity} for {kind}."
            )
        if not _has_recipe(algorithm, kind, config):
            return f"ai_edge_quantizer's {algorithm} does not know {kind}."
    if algorithm in _USELESS:
        return _USELESS[algorithm]
    if algorithm == "mse" and bits == 2:
        return "ai_edge_quantizer's mse has no multiple for 2 bits."
    if algorithm == "mse" and granularity == "block":
        return "ai_edge_quantizer's mse has no scales of blocks."
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


def op_config(
    bits: int, mode: str, granularity: str, activation_bits: int = 8
) -> qtyping.OpQuantizationConfig:
    """The setting of one operator, in ai_edge_quantizer's words.

    LiteRT's int16 activations have no zero point; its int8 ones have.
    """
    floats = mode == "weight_only"
    precision = qtyping.ComputePrecision
    return qtyping.OpQuantizationConfig(
        activation_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=activation_bits, symmetric=activation_bits == 16
        )
        if mode == "static"
        else None,
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=bits, symmetric=True, granularity=_GRANULARITY[granularity]
        ),
        compute_precision=precision.FLOAT if floats else precision.INTEGER,
        explicit_dequantize=floats,
    )


def apply(
    made,
    bits: int,
    mode: str,
    granularity: str,
    algorithm: str,
    activation_bits: int = 8,
) -> None:
    """Write the recipe into a `Quantizer`: float in, float out.

    An algorithm that only layers with kernels have leaves the others to min_max.
    """
    config = op_config(bits, mode, granularity, activation_bits)
    made.update_quantization_recipe(".*", OPERATORS.ALL_SUPPORTED, config)
    if algorithm != "min_max":
        for kind in KERNEL_KINDS:
            if _has_recipe(algorithm, kind, config):
                made.update_quantization_recipe(
                    ".*", OPERATORS(kind), config, _ALGORITHMS[algorithm]
                )
    if mode == "static":
        for end in (OPERATORS.INPUT, OPERATORS.OUTPUT):
            made.update_quantization_recipe(".*", end, None, AlgorithmName.NO_QUANTIZE)


def _has_recipe(
    algorithm: str, kind: str, config: qtyping.OpQuantizationConfig
) -> bool:
    try:
        algorithm_manager.check_op_quantization_config(
            _ALGORITHMS[algorithm], OPERATORS(kind), config
        )
    except ValueError:
        return False
    return True
