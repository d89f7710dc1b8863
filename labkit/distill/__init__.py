"""What a teacher's outputs say, and the losses that pass it on: numpy only.

Logits go in, losses and their gradients in closed form come out; what the wrong classes
tell beyond the label, and how two networks of other shapes are compared. `labkit.train`
trains with them.
"""

from labkit.distill.dark_knowledge import nearest_wrong, told
from labkit.distill.losses import (
    check_logits,
    check_mixture,
    cross_entropy,
    divergence,
    entropy,
    gradient,
    hard_gradient,
    hard_loss,
    log_soften,
    loss,
    matching_gradient,
    one_hot,
    soft_gradient,
    soft_loss,
    soften,
)
from labkit.distill.similarity import (
    attention_maps,
    cosines,
    input_slopes,
    relative_distances,
)

__all__ = [
    "attention_maps",
    "check_logits",
    "check_mixture",
    "cosines",
    "cross_entropy",
    "divergence",
    "entropy",
    "gradient",
    "hard_gradient",
    "hard_loss",
    "input_slopes",
    "log_soften",
    "loss",
    "matching_gradient",
    "nearest_wrong",
    "one_hot",
    "relative_distances",
    "soft_gradient",
    "soft_loss",
    "soften",
    "told",
]
