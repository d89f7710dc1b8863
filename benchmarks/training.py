"""What the fused batch normalization saves in a training step."""

import time
from statistics import median

import numpy as np

STEPS = 12


def step_milliseconds(fused: bool) -> float:
    """The median time of a step of resnet20 on 128 random images."""
    import keras

    from labkit.train.architectures import resnet20
    from labkit.train.batch_norm import FusedBatchNormalization
    from labkit.train.fit import compile_by
    from labkit.train.recipes import RECIPES

    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        chosen = FusedBatchNormalization if fused else keras.layers.BatchNormalization
        model = resnet20(batch_norm=chosen)
        compile_by(RECIPES["resnet20"], model, steps_per_epoch=352)
        rng = np.random.default_rng(0)
        images, labels = rng.random((128, 32, 32, 3)), rng.integers(0, 10, 128)
        times = []
        for _ in range(STEPS):
            start = time.perf_counter()
            model.train_on_batch(images, labels)
            times.append(1000 * (time.perf_counter() - start))
        return median(times[2:])
    finally:
        keras.config.set_dtype_policy(previous)
