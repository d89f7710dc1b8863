"""The four networks as Keras models: pixels / 255 in, logits out.

| name | source | input | layers |
|---|---|---|---|
| mlp | LeNet-300-100, LeCun et al. 1998 | 784 | fc 300, 100, 10 |
| lenet5 | Caffe's LeNet-5 | 28x28x1 | conv 20, pool, conv 50, pool, fc 500, 10 |
| resnet8 | MLPerf Tiny, arXiv 2106.07597 | 32x32x3 | blocks of 16, 32, 64 channels |
| resnet20 | He et al. 2015, arXiv 1512.03385 | 32x32x3 | 9 blocks, shortcut A |

`widths` makes a layer smaller: layer name -> its units. In a ResNet these are the first
convolutions of the blocks, which nothing but the second ones reads.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import keras
from keras import layers, ops

AS_NAMED: Mapping[str, int] = MappingProxyType({})


def mlp(dropout: float = 0.0, widths: Mapping[str, int] = AS_NAMED) -> keras.Model:
    """784-300-100-10 with ReLU: 266,610 parameters."""
    pixels = keras.Input((784,), name="pixels")
    x = layers.Dense(widths.get("fc1", 300), "relu", name="fc1")(pixels)
    x = layers.Dropout(dropout, name="dropout1")(x)
    x = layers.Dense(widths.get("fc2", 100), "relu", name="fc2")(x)
    x = layers.Dropout(dropout, name="dropout2")(x)
    return keras.Model(pixels, layers.Dense(10, name="fc3")(x), name="mlp")


def lenet5(dropout: float = 0.0, widths: Mapping[str, int] = AS_NAMED) -> keras.Model:
    """Caffe's LeNet-5: 431,080 parameters, no ReLU after the convolutions."""
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = layers.Conv2D(widths.get("conv1", 20), 5, name="conv1")(pixels)
    x = layers.MaxPooling2D(name="pool1")(x)
    x = layers.Conv2D(widths.get("conv2", 50), 5, name="conv2")(x)
    x = layers.MaxPooling2D(name="pool2")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(widths.get("fc1", 500), "relu", name="fc1")(x)
    x = layers.Dropout(dropout, name="dropout1")(x)
    return keras.Model(pixels, layers.Dense(10, name="fc2")(x), name="lenet5")


def _conv_norm(x, channels, stride, name, batch_norm):
    conv = layers.Conv2D(
        channels,
        3,
        stride,
        "same",
        use_bias=batch_norm is None,
        kernel_initializer="he_normal",
        name=name,
    )
    return conv(x) if batch_norm is None else batch_norm(name=f"{name}_norm")(conv(x))


def _residual_block(x, channels, stride, name, batch_norm, shortcut, widths):
    inner = widths.get(f"{name}_conv1", channels)
    y = _conv_norm(x, inner, stride, f"{name}_conv1", batch_norm)
    y = layers.ReLU(name=f"{name}_relu1")(y)
    y = _conv_norm(y, channels, 1, f"{name}_conv2", batch_norm)
    if stride > 1:
        x = shortcut(x, channels, stride, name)
    return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([x, y]))


def _projection(x, channels, stride, name):
    """Shortcut B: a strided 1x1 convolution."""
    return layers.Conv2D(
        channels, 1, stride, kernel_initializer="he_normal", name=f"{name}_shortcut"
    )(x)


def _subsample_and_pad(x, channels, stride, name):
    """Shortcut A, without parameters: every second pixel, new channels are zero."""
    x = layers.MaxPooling2D(1, stride, name=f"{name}_subsample")(x)
    extra = channels - x.shape[-1]
    return ops.pad(x, [[0, 0], [0, 0], [0, 0], [extra // 2, extra - extra // 2]])


def _resnet(name, blocks_per_stage, shortcut, batch_norm, widths) -> keras.Model:
    pixels = keras.Input((32, 32, 3), name="pixels")
    x = layers.ReLU(name="relu1")(_conv_norm(pixels, 16, 1, "conv1", batch_norm))
    for stage, channels in enumerate((16, 32, 64), 1):
        for block in range(1, blocks_per_stage + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            label = f"stage{stage}_block{block}"
            x = _residual_block(
                x, channels, stride, label, batch_norm, shortcut, widths
            )
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(10, dtype="float32", name="fc")(x)
    return keras.Model(pixels, logits, name=name)


def resnet8(
    batch_norm: Callable | None = layers.BatchNormalization,
    widths: Mapping[str, int] = AS_NAMED,
) -> keras.Model:
    """MLPerf Tiny's image classification network.

    batch_norm: a layer's class; None gives the convolutions biases in its place.
    """
    return _resnet("resnet8", 1, _projection, batch_norm, widths)


def resnet20(
    batch_norm: Callable | None = layers.BatchNormalization,
    widths: Mapping[str, int] = AS_NAMED,
) -> keras.Model:
    """He et al.'s network of n = 3 for CIFAR-10. batch_norm: as for `resnet8`."""
    return _resnet("resnet20", 3, _subsample_and_pad, batch_norm, widths)
