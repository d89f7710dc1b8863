"""Integer-only inference: an int8 model file run in numpy, code for code as in LiteRT.

    fixed_point   multiplying by a real number with integers: start here
    program       the file: operators, tensors, grids; `load` reads it
    rescaling     from int32 accumulators to int8 codes; tables of whole functions
    windows       what a convolution slides over an image
    linear        FULLY_CONNECTED, CONV_2D, DEPTHWISE_CONV_2D
    elementwise   ADD, MUL, RELU, RELU6, QUANTIZE, DEQUANTIZE
    pooling       MAX_POOL_2D, AVERAGE_POOL_2D, MEAN
    shapes        PAD, CONCATENATION, RESHAPE, SHAPE, PACK, STRIDED_SLICE
    nonlinear     SOFTMAX, LOGISTIC
    ends          images as inputs, outputs as real numbers
    layers        the operators that it knows; a layer's numbers to look at
    network       IntegerNetwork: runs a file
    litert        LiteRTNetwork: the same in LiteRT, with any of its kernels
    differences   where two ways to run a file differ

The arithmetic is numpy's alone. LiteRT's schema reads the file, and its kernels are
what the codes are compared with.
Source: Jacob et al. 2018, arXiv:1712.05877.
"""

from labkit.common.door import door

_FILES = {
    "differences": "WAYS Difference Tally compare open_network",
    "fixed_point": (
        "high_product quantize_multiplier rescale rescale_in_float32 round_half_away "
        "rounding_shift saturate"
    ),
    "layers": "OPERATORS Layer",
    "litert": "KERNELS LiteRTNetwork",
    "network": "ROUNDINGS IntegerNetwork",
    "rescaling": "Multiplier",
}
__getattr__, __dir__, __all__ = door(__name__, _FILES)
