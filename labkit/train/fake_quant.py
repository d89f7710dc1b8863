"""Keras layers that compute with quantized weights and inputs, and learn the scales.

Rounding has derivative 0 almost everywhere, so nothing would learn through it. The
straight-through estimator (Bengio et al. 2013, arXiv:1308.3432) treats it as the
identity inside the grid and as a constant outside. The scale is a weight as well:
learned step size quantization, Esser et al. 2019, arXiv:1902.08153 (eq. 1-3).
"""

from dataclasses import dataclass
from math import prod

import keras
import tensorflow as tf
from keras import layers, ops

from labkit.compress.activations import least_squares_range
from labkit.quantize.symmetric import quantize


@dataclass(frozen=True)
class Codes:
    """The integers that a grid uses: low .. high, with 0 among them."""

    low: int
    high: int

    @property
    def bits(self) -> int:
        """How many bits a code takes."""
        return (self.high - self.low).bit_length()

    @classmethod
    def symmetric(cls, bits: int) -> "Codes":
        """For weights: as many codes below 0 as above.

        >>> Codes.symmetric(4)
        Codes(low=-7, high=7)
        """
        return cls(1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1)

    @classmethod
    def for_inputs(cls, bits: int, signed: bool) -> "Codes":
        """For a layer's inputs: all 2**bits codes, from 0 where none is negative.

        >>> Codes.for_inputs(4, signed=False), Codes.for_inputs(4, signed=True)
        (Codes(low=0, high=15), Codes(low=-8, high=7))
        """
        low = -(2 ** (bits - 1)) if signed else 0
        return cls(low, low + 2**bits - 1)


def fake_quantize(x, scale, codes: Codes, members: int):
    """x_hat = scale * round(clip(x / scale, low, high)), with gradients to learn by.

    scale: a scalar, or one number for each entry of x's last axis. members: how many
    numbers share a scale (of one image); the scale's gradient is divided by
    sqrt(members * high), which makes it about as large as the weights' (Esser et al.
    2019, sec. 2.2).
    """

    @tf.custom_gradient
    def quantized(x, scale):
        step = tf.cast(scale, x.dtype)
        ratio = x / step
        q = tf.round(tf.clip_by_value(ratio, float(codes.low), float(codes.high)))

        def gradient(upstream):
            inside = (ratio > codes.low) & (ratio < codes.high)
            inside = tf.cast(inside, x.dtype)
            shared = list(range(len(x.shape) - len(scale.shape)))
            to_scale = tf.cast(upstream * (q - ratio * inside), scale.dtype)
            weight = (members * codes.high) ** -0.5
            return upstream * inside, weight * tf.reduce_sum(to_scale, shared)

        return step * q, gradient

    return quantized(tf.convert_to_tensor(x), tf.convert_to_tensor(scale))


class _Quantizing(layers.Layer):
    """What the two layers below share: the grids, and the scales as weights.

    weights_in: the codes of the kernel. inputs_in: the codes of the inputs, or None to
    take them as they are (the pixels: 8 bits already).
    """

    def __init__(self, weights_in: Codes, inputs_in: Codes | None, **settings):
        super().__init__(**settings)
        self.weights_in, self.inputs_in = weights_in, inputs_in

    def build(self, input_shape):
        super().build(input_shape)
        self.fan_in = prod(self.kernel.shape[:-1])
        self.features = prod(input_shape[1:])
        self.kernel_scale = self._scale("kernel_scale", (self.kernel.shape[-1],))
        if self.inputs_in:
            self.input_scale = self._scale("input_scale", ())

    def _scale(self, name: str, shape: tuple[int, ...]):
        return self.add_weight(
            shape=shape, initializer="ones", name=name, dtype="float32", autocast=False
        )

    def save_own_variables(self, store):
        """The scales too, which Keras' own layers would leave out of a checkpoint."""
        for k, variable in enumerate(self.weights):
            store[str(k)] = variable

    def load_own_variables(self, store):
        for k, variable in enumerate(self.weights):
            variable.assign(store[str(k)])

    def begin(self, inputs) -> None:
        """Set both scales from the kernel and some inputs.

        2 mean|x| / sqrt(high), Esser et al. 2019, sec. 2.1.
        """
        kernel = ops.convert_to_numpy(self.kernel)
        mean = abs(kernel).reshape(-1, kernel.shape[-1]).mean(axis=0)
        self.kernel_scale.assign(2 * mean / self.weights_in.high**0.5 + 1e-12)
        if self.inputs_in:
            start = 2 * float(abs(inputs).mean()) / self.inputs_in.high**0.5
            self.input_scale.assign(start)

    def begin_as_rounded(self, inputs) -> None:
        """Set both scales to those of least squared error, as rounding alone does."""
        kernel, bits = ops.convert_to_numpy(self.kernel), self.weights_in.bits
        found = quantize(kernel, bits, "channel", "least_squares", kernel.ndim - 1)
        self.kernel_scale.assign(found.scale.reshape(-1))
        if self.inputs_in:
            low, high = least_squares_range(inputs, self.inputs_in.bits)
            below = low / self.inputs_in.low if low else 0.0
            self.input_scale.assign(max(below, high / self.inputs_in.high, 1e-12))

    def quantized_inputs(self, inputs):
        if not self.inputs_in:
            return inputs
        return fake_quantize(inputs, self.input_scale, self.inputs_in, self.features)

    def quantized_kernel(self):
        return fake_quantize(
            self.kernel, self.kernel_scale, self.weights_in, self.fan_in
        )

    def with_bias_and_activation(self, sums):
        if self.use_bias:
            sums = sums + self.bias
        return self.activation(sums)


class QuantizedDense(_Quantizing, layers.Dense):
    """A dense layer, both its factors on grids."""

    def call(self, inputs, training=None):
        sums = ops.matmul(self.quantized_inputs(inputs), self.quantized_kernel())
        return self.with_bias_and_activation(sums)


class QuantizedConv2D(_Quantizing, layers.Conv2D):
    """A convolution, both its factors on grids."""

    def call(self, inputs, training=None):
        sums = self.convolution_op(
            self.quantized_inputs(inputs), self.quantized_kernel()
        )
        return self.with_bias_and_activation(sums)


QUANTIZED = {layers.Dense: QuantizedDense, layers.Conv2D: QuantizedConv2D}


def quantized_clone(
    model: keras.Model,
    grids: dict[str, tuple[Codes, Codes | None]],
    inputs: dict,
    as_rounded: bool = False,
) -> keras.Model:
    """The model with quantizing layers in place of some, same weights otherwise.

    grids: layer name -> the codes of its kernel and of its inputs. inputs: layer name
    -> an array of inputs that it sees in the float model, to begin the scales from.
    as_rounded: begin at the scales of rounding alone, not at those of the paper.
    """

    def copy(layer):
        kind = QUANTIZED.get(type(layer)) if layer.name in grids else None
        if kind is None:
            return layer.__class__.from_config(layer.get_config())
        weights_in, inputs_in = grids[layer.name]
        config = layer.get_config()
        return kind(weights_in=weights_in, inputs_in=inputs_in, **_plain(config))

    clone = keras.models.clone_model(model, clone_function=copy)
    for layer in model.layers:
        twin, weights = clone.get_layer(layer.name), layer.get_weights()
        if layer.name not in grids:
            twin.set_weights(weights)
            continue
        twin.kernel.assign(weights[0])
        if twin.use_bias:
            twin.bias.assign(weights[1])
        begin = twin.begin_as_rounded if as_rounded else twin.begin
        begin(inputs[layer.name])
    return clone


def _plain(config: dict) -> dict:
    """A layer's configuration with its type policy as an object."""
    policy = keras.dtype_policies.deserialize(config["dtype"])
    return config | {"dtype": policy}
