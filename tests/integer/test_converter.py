"""Files that this project did not make, from TensorFlow Lite's own converter."""

import warnings

import numpy as np
import pytest
from long import quick

from labkit.integer.layers import OPERATORS
from labkit.integer.litert import LiteRTNetwork
from labkit.integer.network import IntegerNetwork
from labkit.model.graph import NetworkError

IMAGES = 7


def residual(keras):
    """Strides, depthwise, two branches that add and concatenate, softmax at the end."""
    layers = keras.layers
    x = first = keras.Input((12, 10, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu6")(x)
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    y = layers.Activation("relu")(layers.BatchNormalization()(y))
    x = layers.Add()([x, layers.Conv2D(6, 1)(y)])
    means = layers.AveragePooling2D(2, padding="same")(x)
    maxima = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(layers.Concatenate()([means, maxima]))
    return keras.Model(first, layers.Dense(5, activation="softmax")(x))


def gated(keras, batch=None):
    """Padding, a gate that multiplies, a slice, and Flatten."""
    layers = keras.layers
    x = first = keras.Input(batch_shape=(batch, 9, 9, 2))
    x = layers.ZeroPadding2D(((1, 2), (0, 1)))(x)
    x = layers.Conv2D(4, 3, activation="relu")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(4, 1, activation="sigmoid")(gate)
    x = layers.Multiply()([x, gate])[:, 1:-1, ::2]
    x = layers.Dense(7, activation="relu")(layers.Flatten()(x))
    return keras.Model(first, layers.Dense(3)(x))


def gated_one_by_one(keras):
    """The same for one image at a time: shapes are constants."""
    return gated(keras, batch=1)


@pytest.fixture(scope="module")
def convert():
    """A function: architecture, seed, types at both ends -> file, images."""
    import keras
    import tensorflow as tf

    def converted(make, seed, ends="float32", per_channel=True):
        keras.utils.set_random_seed(seed)
        model = make(keras)
        rng = np.random.default_rng(seed)
        for variable in model.weights:  # biases and statistics are not all 0 or 1
            variable.assign(variable + rng.uniform(-0.3, 0.3, variable.shape))
        images = rng.normal(size=(20, *model.input_shape[1:])).astype(np.float32)
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([x[None]] for x in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter._experimental_disable_per_channel = not per_channel
        converter.inference_input_type = converter.inference_output_type = getattr(
            tf, ends
        )
        with warnings.catch_warnings():  # of statistics that only old files need
            warnings.simplefilter("ignore", UserWarning)
            return converter.convert(), images[:IMAGES]

    return converted


@pytest.mark.parametrize(
    ("make", "ends", "per_channel"),
    quick(
        [
            (residual, "float32", True),
            (residual, "int8", False),
            (gated, "int8", True),
            (gated_one_by_one, "float32", False),
        ],
        (gated_one_by_one, "float32", False),
    ),
)
def test_the_converters_files_equal_the_reference_kernels(
    convert, make, ends, per_channel
):
    content, images = convert(make, seed=3, ends=ends, per_channel=per_channel)
    network = IntegerNetwork.from_bytes(content)
    reference = LiteRTNetwork.from_bytes(content)
    kinds = [layer.kind for layer in network.layers]
    assert set(kinds) <= set(OPERATORS) and len(kinds) > 9
    assert ("QUANTIZE" in kinds) == (ends == "float32")
    step = network.batch or IMAGES
    assert step == (1 if make is gated_one_by_one else IMAGES)
    outputs = network.predict(images)
    for k in range(0, IMAGES, step):
        expected = reference.run(images[k : k + step])
        for name, out in network.run(images[k : k + step]).items():
            np.testing.assert_array_equal(out, expected[name], err_msg=name)
        if ends == "float32":
            last = expected[network.layers[-1].name]
            np.testing.assert_array_equal(outputs[k : k + step], last)
    assert outputs.shape == (IMAGES, 5 if make is residual else 3)


def test_a_uint8_file_is_refused_in_one_sentence(convert):
    content, _ = convert(gated, seed=4, ends="uint8")
    with pytest.raises(NetworkError, match="QUANTIZE .* is uint8, not int8") as caught:
        IntegerNetwork.from_bytes(content)
    assert "\n" not in str(caught.value)
