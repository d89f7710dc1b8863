"""Transfers beyond soft targets, each as a training step of its own.

What two networks of different shapes have in common can be compared: how their outputs
change with the input, where in the picture they are active, which images they take for
alike. Gradients by the *parameters* cannot: they are of different length, and where
they are not, the order of the hidden units is arbitrary.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

SMALLEST = 1e-12


class Transfer(keras.Model):
    """Trains a student on labels and on being like its teacher in one respect.

    weight: of `unlike` beside the compiled loss. The teacher is frozen, and sees the
    same batch as the student.
    """

    def __init__(self, teacher: keras.Model, student: keras.Model, weight: float):
        super().__init__()
        teacher.trainable = False
        self.teacher, self.student, self.weight = teacher, student, weight

    @property
    def input_shape(self) -> tuple:
        """The student's."""
        return self.student.input_shape

    def call(self, inputs, training=None):
        return self.student(inputs, training=training)

    def compared(self, inputs, labels) -> tuple[tf.Tensor, tf.Tensor]:
        """The student's logits, and how unlike the teacher it is: a scalar."""
        raise NotImplementedError(f"{type(self).__name__} compares nothing")

    def train_step(self, batch):
        inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
        with tf.GradientTape() as tape:
            logits, unlike = self.compared(inputs, labels)
            hard = self.compute_loss(y=labels, y_pred=logits)
            loss = hard + self.weight * unlike
        weights = self.student.trainable_variables
        slopes = tape.gradient(loss, [weight.value for weight in weights])
        self.optimizer.apply(slopes, weights)
        return {"loss": loss, "hard": hard, "unlike": unlike}


class GradientTransfer(Transfer):
    """Matches gradients by the *input*: a row of the Jacobian for each image.

    Source: Srinivas and Fleuret 2018, arXiv:1803.00443. The row is that of the label's
    logit, brought to length 1 in both networks, since their logits differ in scale.
    of_loss: the gradient of the cross-entropy instead (Zagoruyko and Komodakis 2017,
    arXiv:1612.03928, Sec. 3.2), as it is. It vanishes where a network is sure of the
    label, and a good teacher nearly always is.
    """

    def __init__(self, teacher, student, weight: float, of_loss: bool = False):
        super().__init__(teacher, student, weight)
        self.of_loss = of_loss

    def compared(self, inputs, labels):
        _, its = input_slopes(self.teacher, inputs, labels, self.of_loss)
        logits, mine = input_slopes(self.student, inputs, labels, self.of_loss, True)
        if not self.of_loss:
            its, mine = unit_rows(its), unit_rows(mine)
        apart = tf.reduce_sum(tf.square(mine - tf.stop_gradient(its)), axis=1)
        return logits, tf.reduce_mean(apart) / 2


class FeatureTransfer(Transfer):
    """Matches what two layers say of the batch.

    layers: the teacher's and the student's. distance: (its outputs, the student's
    outputs) -> a scalar, such as `attention_distance` or `relation_distance`.
    """

    def __init__(
        self, teacher, student, weight: float, layers: tuple[str, str], distance
    ):
        super().__init__(teacher, student, weight)
        self.distance: Callable = distance
        its = teacher.get_layer(layers[0]).output
        mine = student.get_layer(layers[1]).output
        self.reader = keras.Model(teacher.input, its)
        self.both = keras.Model(student.input, (student.output, mine))

    def compared(self, inputs, labels):
        its = self.reader(inputs, training=False)
        logits, mine = self.both(inputs, training=True)
        return logits, self.distance(tf.stop_gradient(its), mine)


def input_slopes(
    network, inputs, labels, of_loss: bool = False, training: bool = False
) -> tuple[tf.Tensor, tf.Tensor]:
    """Logits, and for each image the gradient of its label's logit by its input.

    Returns (n, classes) and (n, inputs), flat. of_loss: of its cross-entropy instead.
    """
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        logits = network(inputs, training=training)
        labels = tf.cast(labels, tf.int32)
        if of_loss:
            told = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        else:
            told = tf.gather(logits, labels, batch_dims=1)
    slopes = tape.gradient(told, inputs)  # an image's row knows no other image
    return logits, _flat(slopes)


def attention_distance(its: tf.Tensor, mine: tf.Tensor) -> tf.Tensor:
    """How differently two layers look at the picture: mean squared distance of maps.

    its, mine: (n, height, width, channels), the channels may differ. A map is the sum
    over the channels of the squared activations, flat, of length 1: Zagoruyko and
    Komodakis 2017, arXiv:1612.03928, Sec. 3.1.
    """
    maps = [unit_rows(tf.reduce_sum(tf.square(x), axis=-1)) for x in (its, mine)]
    return tf.reduce_mean(tf.reduce_sum(tf.square(maps[1] - maps[0]), axis=1))


def relation_distance(its: tf.Tensor, mine: tf.Tensor) -> tf.Tensor:
    """How differently two layers space the images of a batch, by pairs.

    its, mine: (n, …), the widths may differ. The distances of all pairs, divided by
    their mean, are compared by the Huber loss (delta 1): the distance-wise loss of Park
    et al. 2019, arXiv:1904.05068, Sec. 3.2.
    """
    apart = tf.abs(_relative_distances(mine) - _relative_distances(its))
    return tf.reduce_mean(tf.where(apart < 1, tf.square(apart) / 2, apart - 0.5))


def _relative_distances(features: tf.Tensor) -> tf.Tensor:
    """The distances of all pairs of rows, (n, n), divided by the mean of the pairs."""
    rows = _flat(features)
    squares = tf.reduce_sum(tf.square(rows[:, None] - rows[None]), axis=-1)
    distances = tf.sqrt(tf.maximum(squares, SMALLEST))
    n = tf.cast(tf.shape(rows)[0], rows.dtype)
    return distances * (n * (n - 1)) / tf.reduce_sum(distances)


def unit_rows(arrays: tf.Tensor) -> tf.Tensor:
    """Each of the n arrays, flat and of length 1: (n, size)."""
    return tf.math.l2_normalize(_flat(arrays), axis=1, epsilon=SMALLEST)


def _flat(arrays: tf.Tensor) -> tf.Tensor:
    return tf.reshape(arrays, (tf.shape(arrays)[0], -1))
