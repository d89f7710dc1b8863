"""What needs gradients: the only user of Keras.

The zoo's networks trained from a seed, and trained further under masks, through
rounding, with factors, by a teacher; short trainings for lessons, each in a child
process that can be cancelled. Keras is imported where a training starts.
"""

from labkit.common.door import door

_FILES = {
    "child": (
        "SECONDS TrainingError distillation fine_tuning pruning result "
        "train_quantized training"
    ),
    "distilling": "soft_targets",
    "fit": "build",
}
__getattr__, __dir__, __all__ = door(__name__, _FILES)
