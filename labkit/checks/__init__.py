"""Checks of the notebooks' exercises: each takes the learner's function."""

from labkit.checks.allocation import check_assign_bits, check_centroid_gradients
from labkit.checks.base import Verdict
from labkit.checks.bench import check_packed_bytes
from labkit.checks.clipping import check_best_clip
from labkit.checks.distillation import (
    check_distillation_loss,
    check_soft_loss,
    check_softmax,
)
from labkit.checks.distillation_steps import (
    check_distillation_step,
    check_nearest_wrong,
    check_soft_gradient,
)
from labkit.checks.distillation_transfers import (
    check_attention_maps,
    check_label_slopes,
)
from labkit.checks.integers import check_integer_dense, check_quantize_multiplier
from labkit.checks.lowrank import (
    check_largest_paying_rank,
    check_low_rank_factors,
    check_rank_for_energy,
)
from labkit.checks.lowrank_data import (
    check_data_aware_factors,
    check_separable_convolution,
)
from labkit.checks.predictions import Predictions
from labkit.checks.pruning import check_global_masks, check_magnitude_mask
from labkit.checks.pruning_scores import check_taylor_scores, check_taylor_units
from labkit.checks.pruning_steps import (
    check_bitmap_break_even,
    check_masked_step,
    check_removed_units,
)
from labkit.checks.quantization import (
    check_channel_scales,
    check_fake_quantize,
    check_scale_zero_point,
)
from labkit.checks.relations import shown
from labkit.checks.training import (
    check_quantized_copy,
    check_rounding_gradients,
)

__all__ = [
    "Predictions",
    "Verdict",
    "check_assign_bits",
    "check_attention_maps",
    "check_best_clip",
    "check_bitmap_break_even",
    "check_centroid_gradients",
    "check_channel_scales",
    "check_data_aware_factors",
    "check_distillation_loss",
    "check_distillation_step",
    "check_fake_quantize",
    "check_global_masks",
    "check_integer_dense",
    "check_label_slopes",
    "check_largest_paying_rank",
    "check_low_rank_factors",
    "check_magnitude_mask",
    "check_masked_step",
    "check_nearest_wrong",
    "check_packed_bytes",
    "check_quantize_multiplier",
    "check_quantized_copy",
    "check_rank_for_energy",
    "check_removed_units",
    "check_rounding_gradients",
    "check_scale_zero_point",
    "check_separable_convolution",
    "check_soft_gradient",
    "check_soft_loss",
    "check_softmax",
    "check_taylor_scores",
    "check_taylor_units",
    "shown",
]
