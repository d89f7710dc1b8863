"""Which weights and which units to remove: the arithmetic, numpy only.

A score says how much a weight matters: the larger, the longer it is kept. A mask is a
bool array in the shape of the weights, True = kept. Scores, masks of an exact count,
thresholds, patterns such as 2 of every 4, schedules, whole units, and optimal brain
surgeon, which lets the other weights make up for the one removed. `labkit.compress`
puts masks on networks (`pruned`) and takes units out of them (`units`).
"""

from labkit.prune.brain_surgeon import obs_scores, obs_update
from labkit.prune.curvature import DAMPING, damped, hessian
from labkit.prune.gradients import Gradients
from labkit.prune.masking import SCOPES, mask, masks, sparsity
from labkit.prune.patterns import n_of_m
from labkit.prune.schedules import SCHEDULES
from labkit.prune.scores import (
    CRITERIA,
    activation_aware,
    fisher,
    magnitude,
    random,
    taylor,
)
from labkit.prune.thresholds import (
    above_threshold,
    deviation_threshold,
    percentile_threshold,
    threshold_of,
)
from labkit.prune.unit_budget import choose_units
from labkit.prune.units import (
    UNIT_CRITERIA,
    choose,
    normalized,
    unit_activations,
    unit_norms,
    unit_random,
)

__all__ = [
    "CRITERIA",
    "DAMPING",
    "SCHEDULES",
    "SCOPES",
    "UNIT_CRITERIA",
    "Gradients",
    "above_threshold",
    "activation_aware",
    "choose",
    "choose_units",
    "damped",
    "deviation_threshold",
    "fisher",
    "hessian",
    "magnitude",
    "mask",
    "masks",
    "n_of_m",
    "normalized",
    "obs_scores",
    "obs_update",
    "percentile_threshold",
    "random",
    "sparsity",
    "taylor",
    "threshold_of",
    "unit_activations",
    "unit_norms",
    "unit_random",
]
