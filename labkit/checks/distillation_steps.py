"""Exercises of notebook 04: the soft loss' gradient, a nearest class, one step."""

from collections.abc import Callable

import numpy as np

from labkit import distill
from labkit.checks.base import Wrong, numbers
from labkit.checks.distillation import pairs
from labkit.checks.exercise import Exercise
from labkit.distill import dark_knowledge


def _reversed(teacher, student, t) -> np.ndarray:
    """The gradient of T^2 KL(student || teacher) by the student's logits."""
    q = distill.softmax(student, t)
    ratio = distill.log_softmax(student, t) - distill.log_softmax(teacher, t)
    return t * q * (ratio - np.sum(q * ratio, axis=1, keepdims=True)) / len(q)


def _times(factor: Callable) -> Callable:
    """The right gradient times `factor(n, classes, temperature)`."""
    return lambda v, z, t: distill.soft_gradient(v, z, t) * factor(*v.shape, t)


def _teacher_alone(v, z, t):
    return t * (distill.softmax(z) - distill.softmax(v, t)) / len(v)


def _student_alone(v, z, t):
    return t * (distill.softmax(z, t) - distill.softmax(v)) / len(v)


def _softened_twice(v, z, t):
    return distill.soft_gradient(distill.softmax(v), distill.softmax(z), t)


_FLIPPED = _times(lambda n, classes, t: -1)
_WITHOUT_SQUARE = _times(lambda n, classes, t: t**-2)
_WITHOUT_ONE = _times(lambda n, classes, t: 1 / t)
_ONE_TOO_MANY = _times(lambda n, classes, t: t)
_SUMMED = _times(lambda n, classes, t: n)
_OVER_CLASSES = _times(lambda n, classes, t: 1 / classes)


def _number_a_logit(result, teacher, student, temperature) -> np.ndarray:
    found = numbers(result, "a gradient")
    if found.shape != student.shape:
        raise Wrong(
            f"Return a number for each of the student's logits, {student.shape}, not "
            f"{found.shape}"
        )
    return found


check_soft_gradient = Exercise(
    name="soft_gradient",
    asks="""`fn(teacher, student, temperature) -> gradient` by the student's logits.

    Of T^2 KL(teacher || student), the mean over the images: (n, classes).
    """,
    reference=distill.soft_gradient,
    calls=[(v, z, temperature) for v, z in pairs() for temperature in (1.0, 5.0)],
    form=_number_a_logit,
    rtol=1e-4,
    atol=1e-6,
    mistakes={
        "The sign is flipped: the gradient points to where the loss grows, so it is "
        "above 0 where the student's probability is larger than the teacher's": (
            _FLIPPED
        ),
        "That is of a loss without T squared: it is T (q - p) / n": _WITHOUT_SQUARE,
        "One T comes from T squared, after the derivative of z / T has taken the "
        "other: multiply by T": _WITHOUT_ONE,
        "T squared is too much: the derivative of z / T takes one T": _ONE_TOO_MANY,
        "The loss is a mean over the images: divide by their number": _SUMMED,
        "The loss is a sum over the classes: do not divide by their number": (
            _OVER_CLASSES
        ),
        "Temperature on one side only: the teacher's outputs are softened, the "
        "student's are not": _teacher_alone,
        "Temperature on one side only: the student's outputs are softened, the "
        "teacher's are not": _student_alone,
        "That is a softmax of a softmax: both arguments are logits": _softened_twice,
        "That is the gradient of the reversed KL by the student's logits": _reversed,
        "That is the high-temperature limit; at this T it is not reached": (
            lambda v, z, t: distill.matching_gradient(v, z)
        ),
    },
)


def _others(logits, labels, instead: float) -> np.ndarray:
    """The logits with another number at each label."""
    found = np.array(logits)
    found[np.arange(len(labels)), labels] = instead
    return found


def _deleted(logits, labels):
    """The largest of each row without its label, counted without the label."""
    rows = zip(logits, labels, strict=True)
    return [int(np.delete(row, label).argmax()) for row, label in rows]


def _class_an_image(result, logits, labels) -> np.ndarray:
    found = numbers(result, "one class an image")
    if found.shape != labels.shape:
        raise Wrong(f"Return one class an image, {labels.shape}, not {found.shape}")
    return found


def _nearest_calls() -> list[tuple[np.ndarray, np.ndarray]]:
    sure = np.array([[9.0, 1.0, 4.0, -2.0], [0.5, 7.0, -1.0, 3.0]])
    errs = np.array([[2.0, 5.0, 1.0, 0.0], [-4.0, -3.0, -1.0, -2.0]])
    rng = np.random.default_rng(10)
    many = rng.normal(0, 2, (8, 5)).round(2)
    return [
        (sure, np.array([0, 1])),
        (errs, np.array([0, 3])),
        (-np.abs(errs) - 1, np.array([2, 1])),
        (many, rng.integers(0, 5, 8)),
    ]


check_nearest_wrong = Exercise(
    name="nearest_wrong",
    asks="""`fn(logits, labels) -> classes`: the largest output beside the label's.

    logits: (n, classes), of a teacher that is sometimes wrong. labels: (n,).
    """,
    reference=dark_knowledge.nearest_wrong,
    calls=_nearest_calls(),
    form=_class_an_image,
    rtol=0,
    atol=0,
    mistakes={
        "That is the answer, which is nearly always the label: leave the label's logit "
        "out": lambda z, y: z.argmax(axis=1),
        "That is the second largest: where the teacher errs, the nearest wrong class "
        "is the largest": lambda z, y: np.argsort(z, axis=1)[:, -2],
        "That is the least likely class": lambda z, y: z.argmin(axis=1),
        "A logit of 0 is not left out where the others are below 0: take minus "
        "infinity": lambda z, y: _others(z, y, 0).argmax(axis=1),
        "With the label's logit deleted, every class behind it is counted one too low: "
        "take minus infinity in its stead": _deleted,
        "That is the largest logit itself: return the number of its class": (
            lambda z, y: _others(z, y, -np.inf).max(axis=1)
        ),
    },
)


def _step(teacher, student, x, temperature, rate):
    return _moved(distill.soft_gradient)(teacher, student, x, temperature, rate)


def _moved(gradient: Callable) -> Callable:
    """A step of the student along `gradient(v, z, temperature)` by its logits."""

    def step(teacher, student, x, t, rate):
        return teacher, student - rate * x.T @ gradient(x @ teacher, x @ student, t)

    return step


def _teacher_moved(gradient: Callable, student_moves: bool) -> Callable:
    """The teacher follows `gradient(v, z, temperature)` by its logits."""

    def step(teacher, student, x, t, rate):
        _, moved = _step(teacher, student, x, t, rate)
        its = teacher - rate * x.T @ gradient(x @ teacher, x @ student, t)
        return its, moved if student_moves else student

    return step


# What the teacher may follow: the loss' gradient by its own logits, that of a loss in
# which both have changed roles, the student's.
_TEACHER_GRADIENTS = (
    lambda v, z, t: _reversed(z, v, t),
    lambda v, z, t: distill.soft_gradient(z, v, t),
    distill.soft_gradient,
)


def _both_networks(result, teacher, *_) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("Return both networks: `return teacher, student`")
    found = tuple(numbers(part, "teacher and student") for part in result)
    for part in found:
        if part.shape != teacher.shape:
            raise Wrong(
                f"Teacher and student keep the shape {teacher.shape}: {part.shape}"
            )
    return found


def _is_step(value, teacher, *call) -> bool:
    """The teacher is what it was, float32 or float64."""
    _, right = _step(teacher, *call)
    same = np.array_equal(value[0].astype(np.float32), teacher.astype(np.float32))
    return same and np.allclose(value[1], right, rtol=1e-5, atol=1e-8)


def _step_calls() -> list[tuple]:
    rng = np.random.default_rng(11)
    return [
        (
            *(rng.normal(0, 1, shape).round(2) for shape in ((3, 4), (3, 4), (n, 3))),
            temperature,
            0.1,
        )
        for n, temperature in ((2, 1.0), (5, 3.0))
    ]


check_distillation_step = Exercise(
    name="distillation_step",
    asks="""`fn(teacher, student, x, temperature, rate) -> (teacher, student)`.

    Two networks of one dense layer, teacher and student (inputs, classes), with logits
    x @ w. One step of gradient descent on T^2 KL(teacher || student), the mean over the
    images x (n, inputs): the student moves, the teacher does not.
    """,
    reference=_step,
    calls=_step_calls(),
    form=_both_networks,
    accepts=_is_step,
    atol=1e-8,
    mistakes={
        "Yours trains the teacher, and the student stays as it was: compile and step "
        "the student": tuple(_teacher_moved(g, False) for g in _TEACHER_GRADIENTS),
        "The teacher moved, too: it was left trainable. It is pulled to the student as "
        "much as the student to it, and forgets what it knew: freeze it, return it bit "
        "for bit": tuple(_teacher_moved(g, True) for g in _TEACHER_GRADIENTS),
        "Return the teacher first, then the student": (
            lambda *call: _step(*call)[::-1]
        ),
        "The student has not moved": lambda teacher, student, *_: (teacher, student),
        "The sign: a step goes against the gradient": _moved(_FLIPPED),
        "T squared is missing": _moved(_WITHOUT_SQUARE),
        "One T is missing": _moved(_WITHOUT_ONE),
        "One T is too much: the derivative of z / T takes one of T squared": (
            _moved(_ONE_TOO_MANY)
        ),
        "The loss is a mean over the images: divide by their number": _moved(_SUMMED),
        "The KL is reversed": _moved(_reversed),
        "Temperature on one side only: the teacher's outputs are softened, the "
        "student's are not": _moved(_teacher_alone),
        "Temperature on one side only: the student's outputs are softened, the "
        "teacher's are not": _moved(_student_alone),
        "That is a softmax of a softmax: both arguments are logits": (
            _moved(_softened_twice)
        ),
        "That moves the student's weights towards the teacher's: they are other "
        "networks, and only their outputs can be compared": (
            lambda teacher, student, x, t, rate: (
                teacher,
                student + rate * (teacher - student),
            )
        ),
    },
)
