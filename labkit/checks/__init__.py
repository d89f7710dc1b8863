"""Checks of the notebooks' exercises: each takes the learner's function."""

from labkit.checks.base import Verdict
from labkit.checks.bench import check_packed_bytes
from labkit.checks.predictions import Predictions
from labkit.checks.quantization import (
    check_channel_scales,
    check_fake_quantize,
    check_scale_zero_point,
)

__all__ = [
    "Predictions",
    "Verdict",
    "check_channel_scales",
    "check_fake_quantize",
    "check_packed_bytes",
    "check_scale_zero_point",
]
