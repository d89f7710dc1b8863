"""What the fused batch normalization saves in a training step."""

import time
from statistics import median

import numpy as np

WARM_UP = 2


def step_milliseconds(name: str, fused: bool, steps: int, batch: int) -> float:
    """The median time of a step on random images.

    name: "resnet8" or "resnet20". steps: how many; the first two are not counted,
    unless there are no more.
    """
    import keras

    from labkit.train import architectures
    from labkit.train.batch_norm import FusedBatchNormalization
    from labkit.train.fit import compile_by
    from labkit.train.recipes import RECIPES

    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        chosen = FusedBatchNormalization if fused else keras.layers.BatchNormalization
        model = getattr(architectures, name)(batch_norm=chosen)
        compile_by(RECIPES[name], model, steps_per_epoch=352)
        rng = np.random.default_rng(0)
        images, labels = rng.random((batch, 32, 32, 3)), rng.integers(0, 10, batch)
        times = []
        for _ in range(steps):
            start = time.perf_counter()
            model.train_on_batch(images, labels)
            times.append(1000 * (time.perf_counter() - start))
        return median(times[WARM_UP:] or times)
    finally:
        keras.config.set_dtype_policy(previous)
