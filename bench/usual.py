"""The same slider position as most notebooks do it: Keras and pyplot.

Clone the model, set the quantized weights, compile, evaluate, draw. Measured beside the
lab's own way in one process, on the same images and the same weights.
"""

import io
import os
from collections.abc import Callable

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def rounded(weights: list[np.ndarray], bits: int) -> list[np.ndarray]:
    """Each array on a symmetric grid up to its largest magnitude, biases kept."""
    qmax = 2 ** (bits - 1) - 1
    scales = [np.abs(w).max() / qmax or 1.0 for w in weights]
    return [
        w if w.ndim == 1 else np.round(w / scale) * scale
        for w, scale in zip(weights, scales, strict=True)
    ]


def usual_position(name: str) -> Callable[[int, int], bytes]:
    """A function (bits, images) -> picture, a PNG, of one position the usual way."""
    import keras
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    from labkit import zoo

    model, test = zoo.keras_model(name), zoo.dataset(name).test
    shape = model.input_shape[1:]
    inputs = test.images.reshape(-1, *shape).astype(np.float32) / 255

    def position(bits: int, images: int) -> bytes:
        clone = keras.models.clone_model(model)
        clone.set_weights(rounded(model.get_weights(), bits))
        clone.compile(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        _, accuracy = clone.evaluate(
            inputs[:images], test.labels[:images], batch_size=250, verbose=0
        )
        figure, (left, right) = pyplot.subplots(1, 2)
        left.plot([bits], [accuracy], "o")
        right.hist(clone.get_weights()[0].ravel(), 100)
        png = io.BytesIO()
        figure.savefig(png, format="png")
        pyplot.close(figure)
        return png.getvalue()

    return position
