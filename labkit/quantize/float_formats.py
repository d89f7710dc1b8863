"""Small floating-point formats: float8 and float4, with `ml_dtypes` doing the rounding.

A float of e exponent and m mantissa bits has steps that grow with the number: 2**m of
them to each doubling, an equal step only around 0 (the subnormal numbers). So a weight
keeps its relative precision, and a tensor with a few large weights its small ones.

    format        largest   levels   in files
    float8_e4m3   448       253      no infinity, one NaN (`ml_dtypes.float8_e4m3fn`)
    float8_e5m2   57,344    247      infinities and NaNs as in IEEE 754
    float4_e2m1   6         15       no infinity, no NaN

Sources: Micikevicius et al. 2022, arXiv:2209.05433, table 1 (float8); Rouhani et al.
2023, arXiv:2310.10537 (float4). A code is the format's own bit pattern.
"""

from functools import lru_cache

import ml_dtypes
import numpy as np

from labkit.common.arguments import finite

FORMATS = {
    "float8_e4m3": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "float4_e2m1": ml_dtypes.float4_e2m1fn,
}


def _type(name: str) -> type:
    if name not in FORMATS:
        raise ValueError(f"name is {name!r}: choose one of {', '.join(FORMATS)}")
    return FORMATS[name]


def bits_of(name: str) -> int:
    """The bits of a format of FORMATS.

    >>> bits_of("float4_e2m1")
    4
    """
    return ml_dtypes.finfo(_type(name)).bits


def largest(name: str) -> float:
    """The largest finite number of a format.

    >>> largest("float8_e4m3")
    448.0
    """
    return float(ml_dtypes.finfo(_type(name)).max)


@lru_cache
def levels(name: str) -> np.ndarray:
    """What each bit pattern stands for, float32 (2**bits,), read-only.

    Infinities and NaNs are among them. There are two zeros, 0.0 and -0.0.

    >>> levels("float4_e2m1")[:8].tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    """
    patterns = np.arange(2 ** bits_of(name), dtype=np.uint8)
    values = patterns.view(FORMATS[name]).astype(np.float32)
    values.flags.writeable = False
    return values


def to_bits(x: np.ndarray, name: str) -> np.ndarray:
    """The bit pattern of the nearest number of a format, uint8 in x's shape.

    Halves go to the even mantissa. What lies beyond the largest number becomes the
    largest number; the bare cast makes an infinity or NaN of it. Raises ValueError for
    numbers that are not finite.

    >>> levels("float4_e2m1")[to_bits(np.array([0.3, -2.5, 100.0]), "float4_e2m1")]
    array([ 0.5, -2. ,  6. ], dtype=float32)
    """
    end = np.float32(largest(name))
    x = finite("x", x, may_be_empty=True)
    inside = np.clip(x, -end, end).astype(np.float32, copy=False)
    return inside.astype(FORMATS[name]).view(np.uint8)
