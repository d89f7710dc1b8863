"""Distillation: what a teacher's outputs say, and the losses that pass it on.

With the teacher's logits v and the student's z, classes i and a temperature T,

    p = softmax(v / T),  q = softmax(z / T)
    loss = alpha T^2 KL(p || q) + (1 - alpha) CE(label, softmax(z))

as the mean over the images (Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Sec. 2;
there it is the cross-entropy with soft targets, which is larger than KL by the
teacher's entropy, and that no student changes). All logits are float arrays (n,
classes), all logarithms natural, all computing in float64.
"""

import numpy as np


def soften(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Softmax of logits / temperature along the last axis: probabilities, float64.

    temperature: above 0; 1 is the plain softmax, larger is softer. Source: arXiv:
    1503.02531, eq. 1. Raises ValueError for a temperature of 0 or below.

    >>> soften(np.log([8.0, 1.0, 1.0])).round(4).tolist()    # 8 : 1 : 1
    [0.8, 0.1, 0.1]
    >>> soften(np.log([16.0, 1.0, 1.0]), 2).round(4).tolist()    # 4 : 1 : 1
    [0.6667, 0.1667, 0.1667]
    """
    return np.exp(log_soften(logits, temperature))


def log_soften(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """The logarithm of `soften`, finite where a probability is too small for a float.

    >>> log_soften(np.array([0.0, 3000.0])).tolist()
    [-3000.0, 0.0]
    """
    if not temperature > 0:
        raise ValueError(f"the temperature is {temperature}: give one above 0")
    scaled = np.asarray(logits, np.float64) / temperature
    scaled = scaled - scaled.max(axis=-1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(axis=-1, keepdims=True))


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """-sum p log p along the last axis, in nats: 0 to log(classes).

    >>> entropy(np.array([[0.5, 0.5, 0], [1, 0, 0]])).round(4).tolist()    # log 2
    [0.6931, 0.0]
    """
    p = np.asarray(probabilities, np.float64)
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1) + 0.0


def cross_entropy(
    targets: np.ndarray, student: np.ndarray, temperature: float = 1.0
) -> np.ndarray:
    """-sum p log q of each image, in nats, with q the student's softened outputs.

    targets: probabilities (n, classes). student: logits (n, classes).

    >>> one_of_two = np.array([[1.0, 0.0]])
    >>> cross_entropy(one_of_two, np.log([[1.0, 3.0]])).round(4).tolist()    # log 4
    [1.3863]
    """
    return -np.sum(targets * log_soften(student, temperature), axis=-1)


def divergence(
    teacher: np.ndarray, student: np.ndarray, temperature: float = 1.0
) -> np.ndarray:
    """KL(teacher || student) of each image's softened outputs, (n,), in nats.

    0 where both say the same, else above 0: the cross-entropy with the teacher's soft
    targets, less their entropy.

    >>> teacher, student = np.log([[1.0, 1.0]]), np.log([[1.0, 3.0]])
    >>> divergence(teacher, student).round(4).tolist()    # log(4 / 3) / 2
    [0.1438]
    """
    log_p = log_soften(teacher, temperature)
    log_q = log_soften(student, temperature)
    return np.sum(np.exp(log_p) * (log_p - log_q), axis=-1)


def check_mixture(temperature: float, alpha: float) -> None:
    """Raise ValueError unless 0 < temperature < inf and 0 <= alpha <= 1."""
    if not 0 < temperature < np.inf:
        raise ValueError(f"the temperature is {temperature}: give one above 0")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}: give 0 (labels alone) to 1 (the teacher)")


def soft_loss(teacher: np.ndarray, student: np.ndarray, temperature: float) -> float:
    """T^2 KL(teacher || student), the mean over the images.

    With T^2 the gradient keeps its size as T grows, so that alpha means the same at
    every T (arXiv:1503.02531, Sec. 2). Raises ValueError for a temperature of 0 or
    below.

    >>> teacher, student = np.log([[1.0, 1.0]]), np.log([[1.0, 3.0]])
    >>> round(soft_loss(teacher, student, 1), 4)    # log(4 / 3) / 2
    0.1438
    """
    return float(temperature**2 * np.mean(divergence(teacher, student, temperature)))


def hard_loss(student: np.ndarray, labels: np.ndarray) -> float:
    """The mean cross-entropy with labels, whole numbers (n,), at a temperature of 1.

    Raises ValueError as `one_hot` does.

    >>> round(hard_loss(np.log([[1.0, 3.0]]), np.array([0])), 4)    # log 4
    1.3863
    """
    return float(np.mean(cross_entropy(one_hot(labels, student.shape[-1]), student)))


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """1 at each label, else 0: float64 (n, classes).

    labels: whole numbers (n,), 0 to classes - 1. Raises ValueError for others.

    >>> one_hot(np.array([2, 0]), 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels are {labels.dtype} {labels.shape}: give one whole number an image"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"labels are {labels.min()} to {labels.max()}: give 0 to {classes - 1}"
        )
    return np.eye(classes)[labels]


def loss(
    teacher: np.ndarray,
    student: np.ndarray,
    labels: np.ndarray,
    temperature: float,
    alpha: float,
) -> float:
    """alpha * `soft_loss` + (1 - alpha) * `hard_loss`.

    alpha: 0 (labels alone) to 1 (the teacher alone). Raises ValueError for another one,
    and as the two losses do.

    >>> teacher, student = np.log([[1.0, 1.0]]), np.log([[1.0, 3.0]])
    >>> round(loss(teacher, student, np.array([0]), 1, 0.5), 4)    # by halves
    0.7651
    """
    check_mixture(temperature, alpha)
    soft = soft_loss(teacher, student, temperature)
    return alpha * soft + (1 - alpha) * hard_loss(student, labels)


def soft_gradient(
    teacher: np.ndarray, student: np.ndarray, temperature: float, squared: bool = True
) -> np.ndarray:
    """The gradient of `soft_loss` by the student's logits, (n, classes).

    T (q - p) / n: one T of T^2 is spent on the derivative of z / T (arXiv:1503.02531,
    eq. 2). squared: without it, of the loss that lacks T^2: (q - p) / (T n).

    >>> teacher, student = np.log([[1.0, 1.0]]), np.log([[1.0, 3.0]])
    >>> soft_gradient(teacher, student, 1).round(4).tolist()  # 1/4 - 1/2, …
    [[-0.25, 0.25]]
    """
    apart = soften(student, temperature) - soften(teacher, temperature)
    return apart * (temperature if squared else 1 / temperature) / len(apart)


def hard_gradient(student: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The gradient of `hard_loss` by the student's logits: (q - one_hot) / n.

    >>> hard_gradient(np.log([[1.0, 3.0]]), np.array([0])).round(4).tolist()
    [[-0.75, 0.75]]
    """
    return (soften(student) - one_hot(labels, student.shape[-1])) / len(student)


def gradient(
    teacher: np.ndarray,
    student: np.ndarray,
    labels: np.ndarray,
    temperature: float,
    alpha: float,
) -> np.ndarray:
    """The gradient of `loss` by the student's logits, float64 (n, classes).

    >>> teacher, student = np.log([[1.0, 1.0]]), np.log([[1.0, 3.0]])
    >>> gradient(teacher, student, np.array([0]), 1, 0.5).round(4).tolist()
    [[-0.5, 0.5]]
    """
    check_mixture(temperature, alpha)
    soft = soft_gradient(teacher, student, temperature)
    return alpha * soft + (1 - alpha) * hard_gradient(student, labels)


def matching_gradient(teacher: np.ndarray, student: np.ndarray) -> np.ndarray:
    """What `soft_gradient` tends to as T grows: (z - v) / (classes n), means removed.

    That is the gradient of half the mean squared difference of the logits: at high
    temperatures distillation matches logits (arXiv:1503.02531, Sec. 2.1, eq. 3 and 4).
    There each image's logits have the mean 0; here their means are taken away, since a
    softmax does not see them.

    >>> matching_gradient(np.array([[3.0, 0.0, 0.0]]), np.zeros((1, 3))).round(4)
    array([[-0.6667,  0.3333,  0.3333]])
    """
    n, classes = student.shape
    return (_centred(student) - _centred(teacher)) / (classes * n)


def _centred(logits: np.ndarray) -> np.ndarray:
    logits = np.asarray(logits, np.float64)
    return logits - logits.mean(axis=-1, keepdims=True)
