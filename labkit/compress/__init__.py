"""A method applied to a whole network.

Networks quantized, clipped, pruned, factorized, with units removed, as our packed file
or as a file that LiteRT runs; `budget/` chooses bits, ranks, filters and units for a
whole network, `repair/` gives back without training what compressing took.
"""

from labkit.common.door import door

_FILES = {
    "activations": "RULES calibrate fake_quantize_activations",
    "budget.bits": "bit_options committed_runs mixed_precision",
    "budget.filters": "NAMES filters_to_remove unit_macs",
    "budget.low_rank": "low_rank_network methods",
    "budget.rank_costs": "break_even measured_break_even rank_for",
    "budget.rank_sensitivity": "committed_rank_losses rank_losses",
    "budget.ranks": "RANK_CHOICES plan_ranks",
    "budget.sensitivity": "Sensitivity committed_sensitivity score sensitivity",
    "budget.units": "UNIT_CRITERIA left_units prune_units",
    "clipped": "clip_network",
    "deploy": "Deployed Unavailable deployable",
    "factorized": (
        "DATA_AWARE FACTORIZATIONS factorize_network decomposition factorizable_layers "
        "factorize factorize_layer factorize_layers"
    ),
    "layer_inputs": "input_norms layer_hessian",
    "post_training": (
        "CALIBRATION_IMAGES Setting kept_layers round_in_graph round_network"
    ),
    "pruned": "apply_masks compensate pack_zeros prune_network",
    "quantized": "GRID_NAMES quantize_network",
    "repair.batch_norm": "reestimate_batch_norm reestimate_channels",
    "repair.bias_correction": "correct_biases",
    "repair.equalization": "equalize",
    "repair.error_feedback": "feed_back_errors output_error round_with_feedback",
    "repair.statistics": "channel_statistics",
    "responses": "answers observe",
    "students": "read_students",
    "units": (
        "channel_groups group_scores kernel_scores mask_units mean_activations "
        "remove_units weight_norms"
    ),
}
__getattr__, __dir__, __all__ = door(__name__, _FILES)
