"""Distillation: what a teacher's outputs say, and the losses that pass it on.

With the teacher's logits v and the student's z, classes i and a temperature T,

    p = softmax(v / T),  q = softmax(z / T)
    loss = alpha T^2 KL(p || q) + (1 - alpha) CE(label, softmax(z))

as the mean over the images (Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Sec. 2;
there it is the cross-entropy with soft targets, which is larger than KL by the
teacher's entropy, and that no student changes). All logits are float arrays (n,
classes), all logarithms natural, all computing in float64.

A teacher's logit may be minus infinity, as the logarithm of a label's zeros is: p is 0
there, and so is its part of each sum. A student's must be finite: where it says 0, KL
has no bound. Functions raise ValueError for other logits, and for a teacher and a
student of different shapes.
"""

import numpy as np

from labkit.common.arguments import finite, fraction, positive, whole


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Softmax of logits / temperature along the last axis: probabilities, float64.

    >>> softmax(np.log([8.0, 1.0, 1.0])).round(4).tolist()    # 8 : 1 : 1
    [0.8, 0.1, 0.1]
    >>> softmax(np.log([16.0, 1.0, 1.0]), 2).round(4).tolist()    # 4 : 1 : 1
    [0.6667, 0.1667, 0.1667]

    logits: (…, classes). temperature: above 0, finite; 1 is the plain softmax, larger
    is softer. Source: arXiv:1503.02531, eq. 1. Raises ValueError outside these.
    """
    return np.exp(log_softmax(logits, temperature))


def log_softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """The logarithm of `softmax`, finite where a probability is too small for a float.

    Minus infinity where the logit is.

    >>> log_softmax(np.array([0.0, 3000.0])).tolist()
    [-3000.0, 0.0]
    """
    positive("the temperature", temperature)
    logits = check_logits("logits", logits)
    with np.errstate(over="ignore"):  # beyond a float: a probability of 0
        scaled = (logits - logits.max(axis=-1, keepdims=True)) / temperature
    return scaled - np.log(np.exp(scaled).sum(axis=-1, keepdims=True))


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
    teacher, student = _pair(teacher, student)
    log_p = log_softmax(teacher, temperature)
    log_q = log_softmax(student, temperature)
    p = np.exp(log_p)
    return np.sum(p * (np.where(p > 0, log_p, 0) - log_q), axis=-1)


def soft_loss(teacher: np.ndarray, student: np.ndarray, temperature: float) -> float:
    """T^2 KL(teacher || student), the mean over the images.

    With T^2 the gradient keeps its size as T grows, so that alpha means the same at
    every T (arXiv:1503.02531, Sec. 2).

    >>> teacher, student = np.log([[1.0, 1.0]]), np.log([[1.0, 3.0]])
    >>> round(soft_loss(teacher, student, 1), 4)    # log(4 / 3) / 2
    0.1438
    """
    found = divergence(teacher, student, temperature)
    return float(temperature**2 * np.mean(found))


def hard_loss(student: np.ndarray, labels: np.ndarray) -> float:
    """The mean cross-entropy with labels, whole numbers (n,), at a temperature of 1.

    >>> round(hard_loss(np.log([[1.0, 3.0]]), np.array([0])), 4)    # log 4
    1.3863

    Raises ValueError as `one_hot` does.
    """
    return float(np.mean(cross_entropy(_targets(student, labels), student)))


def loss(
    teacher: np.ndarray,
    student: np.ndarray,
    labels: np.ndarray,
    temperature: float,
    alpha: float,
) -> float:
    """alpha * `soft_loss` + (1 - alpha) * `hard_loss`.

    >>> teacher, student = np.log([[1.0, 1.0]]), np.log([[1.0, 3.0]])
    >>> round(loss(teacher, student, np.array([0]), 1, 0.5), 4)    # by halves
    0.7651

    alpha: 0 (labels alone) to 1 (the teacher alone). Raises ValueError for another one,
    and as the two losses do.
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
    teacher, student = _pair(teacher, student)
    apart = softmax(student, temperature) - softmax(teacher, temperature)
    return apart * (temperature if squared else 1 / temperature) / len(apart)


def hard_gradient(student: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The gradient of `hard_loss` by the student's logits: (q - one_hot) / n.

    >>> hard_gradient(np.log([[1.0, 3.0]]), np.array([0])).round(4).tolist()
    [[-0.75, 0.75]]
    """
    targets = _targets(student, labels)
    return (softmax(student) - targets) / len(targets)


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
    softmax does not see them. The teacher's logits must be finite here, too.

    >>> matching_gradient(np.array([[3.0, 0.0, 0.0]]), np.zeros((1, 3))).round(4)
    array([[-0.6667,  0.3333,  0.3333]])
    """
    _, student = _pair(finite("teacher", teacher), student)
    n, classes = student.shape
    return (_centred(student) - _centred(teacher)) / (classes * n)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """-sum p log p along the last axis, in nats: 0 to log(classes).

    >>> entropy(np.array([[0.5, 0.5, 0], [1, 0, 0]])).round(4).tolist()    # log 2
    [0.6931, 0.0]

    probabilities: at least 0, of sum 1 (to 1e-3), else ValueError.
    """
    p = _checked_probabilities("probabilities", probabilities)
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1) + 0.0


def cross_entropy(
    targets: np.ndarray, student: np.ndarray, temperature: float = 1.0
) -> np.ndarray:
    """-sum p log q of each image, in nats, with q the student's softened outputs.

    >>> one_of_two = np.array([[1.0, 0.0]])
    >>> cross_entropy(one_of_two, np.log([[1.0, 3.0]])).round(4).tolist()    # log 4
    [1.3863]

    targets: probabilities (n, classes), as for `entropy`. student: logits (n, classes).
    """
    targets = _checked_probabilities("targets", targets)
    student = _student(student, "targets", targets)
    return -np.sum(targets * log_softmax(student, temperature), axis=-1)


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """1 at each label, else 0: float64 (n, classes).

    >>> one_hot(np.array([2, 0]), 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]

    labels: whole numbers (n,), 0 to classes - 1. Raises ValueError for others.
    """
    labels, classes = np.asarray(labels), whole("classes", classes, 1)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels are {labels.dtype} {labels.shape}: give one whole number an image"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"labels are {labels.min()} to {labels.max()}: give 0 to {classes - 1}"
        )
    return np.eye(classes)[labels]


def check_mixture(temperature: float, alpha: float) -> None:
    """Raise ValueError unless 0 < temperature < inf and 0 <= alpha <= 1."""
    positive("the temperature", temperature)
    fraction("alpha", alpha, "what the teacher weighs beside the labels,")


def check_logits(name: str, logits: np.ndarray) -> np.ndarray:
    """Logits as float64: finite or minus infinity, but one of a row is finite.

    >>> check_logits("teacher", np.log([[1.0, 2.0]])).shape
    (1, 2)

    Raises ValueError for others.
    """
    found = np.asarray(logits)
    if found.dtype.kind not in "iuf" or not found.ndim or not found.shape[-1]:
        raise ValueError(
            f"{name} is {found.dtype} {found.shape}: give numbers (n, classes)"
        )
    if np.isnan(found).any() or (found.size and not np.isfinite(found.max(-1)).all()):
        raise ValueError(
            f"{name} has an image whose largest logit is not finite, or NaN: give "
            "finite logits, minus infinity only for classes that are ruled out"
        )
    return found.astype(np.float64, copy=False)


def _student(student: np.ndarray, name: str, beside: np.ndarray) -> np.ndarray:
    """A student's logits of the shape of what is beside them, which `name` names."""
    student = finite("student", student)
    if student.shape != beside.shape or student.ndim != 2:
        raise ValueError(
            f"{name} is {beside.shape} and student {student.shape}: give both as (n, "
            "classes), a row an image"
        )
    return student


def _pair(teacher: np.ndarray, student: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    teacher = check_logits("teacher", teacher)
    return teacher, _student(student, "teacher", teacher)


def _targets(student: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The labels of a student's images, `one_hot`."""
    student = finite("student", student)
    targets = one_hot(labels, student.shape[-1]) if student.ndim else student
    if targets.shape != student.shape:
        raise ValueError(
            f"student is {student.shape} and labels {np.shape(labels)}: give logits "
            "(n, classes) and a label each"
        )
    return targets


def _checked_probabilities(name: str, values: np.ndarray) -> np.ndarray:
    p = np.asarray(finite(name, values), np.float64)
    if (p < 0).any() or (np.abs(p.sum(axis=-1) - 1) > 1e-3).any():
        raise ValueError(
            f"{name} contains what are no probabilities: give numbers from 0 to 1, of "
            "sum 1 along the last axis"
        )
    return p


def _centred(logits: np.ndarray) -> np.ndarray:
    logits = np.asarray(logits, np.float64)
    return logits - logits.mean(axis=-1, keepdims=True)
