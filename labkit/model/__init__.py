"""The .tflite file as an object: `Network`, its edits, and how it is run.

Every edit takes bytes and gives bytes: weights replaced, a layer replaced by several,
units or a branch removed, rounding inserted, the file cut in two. No TensorFlow; LiteRT
runs the files.
"""

from labkit.common.door import door

_FILES = {
    "fake_quant": "ActivationGrid inserted_grids",
    "graph": "KERNEL_KINDS Layer NetworkError",
    "network": "Network",
    "remove": "remove_units",
    "resize": "resize_dense",
    "runtime": "Runner",
    "split": "split_before",
}
__getattr__, __dir__, __all__ = door(__name__, _FILES)
