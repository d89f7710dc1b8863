"""Repairs of a quantized network that need no training, one idea a file.

Each takes some calibration images or none, and no labels:

* `equalization`: before quantizing, share the weights' ranges between two layers;
* `error_feedback`: while rounding, let later weights make up for earlier ones;
* `bias_correction`: after quantizing, give each channel its mean back;
* `batch_norm`: after quantizing, give each channel its mean and deviation back.
"""
