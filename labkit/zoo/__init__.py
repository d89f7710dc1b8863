"""Images and trained networks that the repository carries.

MNIST and CIFAR-10 with the same splits everywhere, and networks by name: as trained,
pruned, factorized, distilled, trained with rounding, each with how it was made.
"""

from labkit.common.door import door

_FILES = {
    "datasets": "DATA_FOLDER ROOT Dataset load_images made_again restore",
    "networks": (
        "DISTILLED FOLDER Family GRADIENTS_FOLDER LOWRANK NAMES PRUNED QAT RECORD RUNS "
        "check_teacher dataset gradients keras_model load load_packed load_pruned "
        "lowrank_names lowrank_record pruned_names pruned_record quantized_names "
        "quantized_record record"
    ),
}
__getattr__, __dir__, __all__ = door(__name__, _FILES)
