"""Dense networks trained in one compiled loop: a millisecond a step on one core.

Keras calls Python between two steps, which for a network of the mlp's size takes longer
than the step. Experiments that train a hundred networks do without: Adam (Kingma and Ba
2015, arXiv:1412.6980, algorithm 1) on the cross-entropy of pixels / 255, masks kept,
weights rounded, images moved, a teacher's soft targets learned, `STEPS` steps to a call
that XLA has compiled.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from labkit.common.split import Split
from labkit.distill.losses import check_logits, check_mixture
from labkit.model.inputs import checked, divisor
from labkit.train import moves

STEPS = 100
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-7
_MOVES = 9  # tells this stream of random numbers from that of the order


@dataclass(frozen=True, eq=False)
class Dense:
    """A network of dense layers with ReLU between them, in Keras' layout.

    kernels: float32 (in, out) each. biases: float32 (out,) each. linear: the places,
    from 0 on, of layers that no ReLU follows; none follows the last one anyway. bits:
    it computes with kernels rounded to so many bits, 2 or more; None leaves them.
    """

    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    linear: tuple[int, ...] = ()
    bits: int | None = None

    @classmethod
    def untrained(cls, widths: Sequence[int], seed) -> "Dense":
        """Gaussian kernels of variance 2 / (in + out), biases of 0.

        widths: inputs, then the units of each layer. seed: what numpy's default_rng
        takes. Source: Glorot and Bengio 2010.
        """
        rng = np.random.default_rng(seed)
        shapes = list(zip(widths, widths[1:], strict=False))
        kernels = [rng.normal(0, (2 / sum(shape)) ** 0.5, shape) for shape in shapes]
        return cls(
            tuple(kernel.astype(np.float32) for kernel in kernels),
            tuple(np.zeros(shape[1], np.float32) for shape in shapes),
        )

    def masked(self, masks: Sequence[np.ndarray]) -> "Dense":
        """With 0 where a kernel's mask, a bool array, is False."""
        pairs = zip(self.kernels, masks, strict=True)
        kernels = tuple(np.where(kept, w, 0) for w, kept in pairs)
        return replace(self, kernels=kernels)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Float32 (n, classes), of images as `labkit.model.inputs` takes them."""
        pixels = tf.constant(checked(images, self.kernels[0].shape[:1]))
        weights = [*self.kernels, *self.biases]
        return _logits(weights, pixels, self.linear, self.bits).numpy()

    def loss(self, split: Split) -> float:
        """The mean cross-entropy of the split's images."""
        return float(_loss(self.logits(split.images), split.labels.astype(np.int32)))

    def accuracy(self, split: Split) -> float:
        """The share of the split's images that are classified right, 0 to 1."""
        return float(np.mean(self.logits(split.images).argmax(axis=1) == split.labels))


@dataclass(frozen=True, eq=False)
class SoftTargets:
    """What a teacher says of every training image, wherever it may be moved to.

    logits: float32 (places, n, classes), as `moves.logits_everywhere` makes them;
    minus infinity for classes that are ruled out.
    temperature, alpha: as in `labkit.distill.loss`.
    """

    logits: np.ndarray
    temperature: float
    alpha: float

    def check(self, *shape: int) -> None:
        """Raise ValueError for other logits, or for T or alpha of no sense.

        The compiled loop would read the nearest row instead of one that is not there.
        """
        if self.logits.shape != shape:
            raise ValueError(
                f"the soft targets are {self.logits.shape}, wanted {shape}: places, "
                "images, classes; make them of this split with this shift"
            )
        check_logits("the soft targets' logits", self.logits)
        check_mixture(self.temperature, self.alpha)


class Training:
    """A training that goes `STEPS` steps at a time; `network` is where it stands."""

    def __init__(
        self,
        start: Dense,
        masks: Sequence[np.ndarray] | None,
        split: Split,
        rates: np.ndarray,
        batch_size: int,
        seed,
        shift: int = 0,
        soft: SoftTargets | None = None,
    ):
        """masks: of each kernel, bool, True = trained; the rest becomes 0 and stays so.

        None trains all. rates: the learning rate of each step. In each epoch the images
        are seen once, in an order fixed by `seed`; what is left of an epoch is no
        batch. shift: each image is moved by up to so many pixels, which `seed` fixes,
        too. soft: what a teacher says of the same moved images; None trains on labels.
        Raises ValueError for a batch that the split can't fill, and for a table of soft
        targets of other images, places or classes.
        """
        if not 1 <= batch_size <= len(split):
            raise ValueError(
                f"batch_size is {batch_size}: give 1 to {len(split)}, the images"
            )
        if soft:
            soft.check(moves.places(shift), len(split), len(start.biases[-1]))
        self.network, self.step = start, 0
        self.rates = np.asarray(rates, np.float32)
        self._images = tf.constant(split.images.reshape(len(split), -1))
        self._labels = tf.constant(split.labels.astype(np.int32))
        self._batches = _batches(len(split), batch_size, seed)
        self._shift, self._moves = (
            shift,
            np.random.default_rng([_MOVES, *_listed(seed)]),
        )
        self._soft = soft and (
            tf.constant(soft.logits),
            np.float32(soft.temperature),
            np.float32(soft.alpha),
        )
        sizes = [w.shape for w in (*start.kernels, *start.biases)]
        self._moments = [np.zeros(shape, np.float32) for shape in sizes * 2]
        if masks is None:
            self._masks = [np.float32(1) for _ in start.kernels]
        else:
            self.prune(masks)

    def prune(self, masks: Sequence[np.ndarray]) -> None:
        """From now on these masks are kept. A zero that is kept is trained from 0."""
        self._masks = [np.asarray(kept, np.float32) for kept in masks]
        self.network = self.network.masked(masks)

    def advance(self) -> Dense:
        """Train for `STEPS` steps, or to the end of the rates, and return the network.

        Raises ValueError where there are no rates left.
        """
        rates = self.rates[self.step : self.step + STEPS]
        if not len(rates):
            raise ValueError(f"the training has ended after {self.step} steps")
        batches = np.stack([next(self._batches) for _ in rates])
        places = self._moves.integers(moves.places(self._shift), size=batches.shape)
        weights = [*self.network.kernels, *self.network.biases]
        weights, self._moments = _steps(
            weights,
            self._moments,
            self._masks,
            np.float32(self.step),
            rates,
            batches,
            places.astype(np.int32),
            self._images,
            self._labels,
            moves.sources(self._shift) if self._shift else None,
            self._soft,
            self.network.linear,
            self.network.bits,
        )
        self.step += len(rates)
        arrays = [weight.numpy() for weight in weights]
        half = len(arrays) // 2
        kernels, biases = tuple(arrays[:half]), tuple(arrays[half:])
        self.network = replace(self.network, kernels=kernels, biases=biases)
        return self.network


def _listed(seed) -> list:
    return list(seed) if isinstance(seed, Sequence) else [seed]


def _batches(images: int, batch_size: int, seed) -> Iterator[np.ndarray]:
    """Which images are in each batch, without end."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(images).astype(np.int32)
        for start in range(0, images - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def _rounded(kernel, bits):
    """On 2**bits - 1 levels, a scale for each unit; gradients go straight through.

    The scale is 2 mean|w| / sqrt(highest code), Esser et al. 2019, arXiv:1902.08153,
    sec. 2.1, of the weights as they are now.
    """
    if bits is None:
        return kernel
    high = 2.0 ** (bits - 1) - 1
    scale = 2 * tf.reduce_mean(tf.abs(kernel), axis=0) / high**0.5 + 1e-12
    rounded = scale * tf.clip_by_value(tf.round(kernel / scale), -high, high)
    return kernel + tf.stop_gradient(rounded - kernel)


def _logits(weights, pixels, linear, bits):
    half = len(weights) // 2
    x = tf.cast(pixels, tf.float32) / divisor(pixels)
    for layer in range(half):
        x = x @ _rounded(weights[layer], bits) + weights[half + layer]
        x = x if layer == half - 1 or layer in linear else tf.nn.relu(x)
    return x


def _loss(logits, labels):
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    )


def _distilled_loss(logits, labels, told, temperature, alpha):
    """`labkit.distill.loss`, plus a constant that no student changes; told: logits."""
    targets = tf.nn.softmax(told / temperature)
    soft = tf.nn.softmax_cross_entropy_with_logits(targets, logits / temperature)
    hard = (1 - alpha) * _loss(logits, labels)
    return alpha * temperature**2 * tf.reduce_mean(soft) + hard


@tf.function(jit_compile=True)
def _steps(
    weights,
    moments,
    masks,
    done,
    rates,
    batches,
    places,
    images,
    labels,
    sources,
    soft,
    linear,
    bits,
):
    """One step of Adam for each row of `batches`: new weights and moments.

    weights: kernels, then biases. moments: the first ones in that order, then the
    second ones. masks: of the kernels, 1 or 0. done: how many steps there were before.
    places: where each image of the batches is moved to, by `sources` unless None.
    soft: a teacher's logits, temperature, alpha, or None. linear, bits: as in `Dense`.
    """
    masks = [*masks, *(1.0 for _ in masks)]

    def step(k, weights, moments):
        pixels, right = tf.gather(images, batches[k]), tf.gather(labels, batches[k])
        if sources is not None:
            pixels = moves.moved(pixels, tf.gather(sources, places[k]))
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits = _logits(weights, pixels, linear, bits)
            if soft is None:
                loss = _loss(logits, right)
            else:
                told, temperature, alpha = soft
                told = tf.gather_nd(told, tf.stack([places[k], batches[k]], axis=1))
                loss = _distilled_loss(logits, right, told, temperature, alpha)
        gradients = tape.gradient(loss, weights)
        t = done + tf.cast(k + 1, tf.float32)
        moved, moments = _adam(weights, gradients, moments, t, rates[k])
        # Masked gradients would not do: moments outlive the pruning that they precede.
        kept = [w * kept for w, kept in zip(moved, masks, strict=True)]
        return k + 1, kept, moments

    count = batches.shape[0]
    _, weights, moments = tf.while_loop(
        lambda k, *_: k < count, step, (tf.constant(0), weights, moments)
    )
    return weights, moments


def _adam(weights, gradients, moments, t, rate):
    """New weights and moments at step t, counted from 1."""
    half = len(weights)
    first = [
        BETA1 * m + (1 - BETA1) * g
        for m, g in zip(moments[:half], gradients, strict=True)
    ]
    second = [
        BETA2 * v + (1 - BETA2) * tf.square(g)
        for v, g in zip(moments[half:], gradients, strict=True)
    ]
    rate = rate * tf.sqrt(1 - BETA2**t) / (1 - BETA1**t)
    moved = [
        w - rate * m / (tf.sqrt(v) + EPSILON)
        for w, m, v in zip(weights, first, second, strict=True)
    ]
    return moved, [*first, *second]
