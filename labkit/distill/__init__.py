"""What a teacher's outputs say, and the losses that pass it on: numpy only.

Logits go in, losses and their gradients in closed form come out; what the wrong classes
tell beyond the label, and how two networks of other shapes are compared. `labkit.train`
trains with them.
"""

from labkit.distill.dark_knowledge import information_beyond_label, nearest_wrong
from labkit.distill.losses import (
    check_logits,
    check_mixture,
    cross_entropy,
    divergence,
    entropy,
    gradient,
    hard_gradient,
    hard_loss,
    log_softmax,
    loss,
    matching_gradient,
    one_hot,
    soft_gradient,
    soft_loss,
    softmax,
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
    "information_beyond_label",
    "input_slopes",
    "log_softmax",
    "loss",
    "matching_gradient",
    "nearest_wrong",
    "one_hot",
    "relative_distances",
    "soft_gradient",
    "soft_loss",
    "softmax",
]
