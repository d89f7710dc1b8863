"""Checks of notebook 04: the soft loss' gradient, a step, the nearest wrong class."""

from collections.abc import Callable

import numpy as np

from labkit import distill
from labkit.checks.base import Verdict, Wrong, answer, named, numbers, verdict
from labkit.checks.distillation import pairs
from labkit.distill import dark_knowledge


def check_soft_gradient(fn: Callable) -> Verdict:
    """Check `fn(teacher, student, temperature) -> gradient` by the student's logits.

    Of T^2 KL(teacher || student), the mean over the images: (n, classes).
    """
    settings = [(t, s, temperature) for t, s in pairs() for temperature in (1.0, 5.0)]
    cases = [_gradient_case(*setting) for setting in settings]
    return verdict("check_soft_gradient", fn, cases)


def _gradient_case(teacher, student, t: float) -> Callable:
    right = distill.soft_gradient(teacher, student, t)

    def case(fn):
        call = f"for {len(teacher)} images and temperature = {t:g}"
        found = numbers(answer(fn, teacher, student, t), "a gradient")
        if found.shape != student.shape:
            raise Wrong(
                f"Return a number for each of the student's logits, {student.shape}, "
                f"not {found.shape} ({call})."
            )
        if np.allclose(found, right, rtol=1e-4, atol=1e-6):
            return
        p = distill.soften(teacher, t)
        known = {
            "The sign is turned: the gradient points to where the loss grows, so it is "
            "above 0 where the student says more than the teacher": -right,
            "That is of a loss without T squared: it is T (q - p) / n": right / t**2,
            "One T comes from T squared, after the derivative of z / T has taken the "
            "other: multiply by T": right / t,
            "T squared is too much: the derivative of z / T takes one T": right * t,
            "The loss is a mean over the images: divide by their number": (
                right * len(teacher)
            ),
            "Temperature on one side only: the teacher's outputs are softened, the "
            "student's are not": (distill.soften(student) - p) * t / len(p),
            "Temperature on one side only: the student's outputs are softened, the "
            "teacher's are not": (
                (distill.soften(student, t) - distill.soften(teacher)) * t / len(p)
            ),
            "That is the gradient of the reversed KL by the student's logits": (
                _reversed(teacher, student, t)
            ),
            "That is the high-temperature limit; at this T it is not reached": (
                distill.matching_gradient(teacher, student)
            ),
        }
        raise Wrong(named(known, found, "That is not T (q - p) / n", call))

    return case


def _reversed(teacher, student, t: float) -> np.ndarray:
    """The gradient of T^2 KL(student || teacher) by the student's logits."""
    q = distill.soften(student, t)
    ratio = distill.log_soften(student, t) - distill.log_soften(teacher, t)
    return t * q * (ratio - np.sum(q * ratio, axis=1, keepdims=True)) / len(q)


def check_nearest_wrong(fn: Callable) -> Verdict:
    """Check `fn(logits, labels) -> classes`: the largest output beside the label's.

    logits: (n, classes), of a teacher that is sometimes wrong. labels: (n,).
    """
    sure = np.array([[9.0, 1.0, 4.0, -2.0], [0.5, 7.0, -1.0, 3.0]])
    errs = np.array([[2.0, 5.0, 1.0, 0.0], [-4.0, -3.0, -1.0, -2.0]])
    rng = np.random.default_rng(10)
    many = rng.normal(0, 2, (8, 5)).round(2)
    settings = [
        (sure, np.array([0, 1])),
        (errs, np.array([0, 3])),
        (-np.abs(errs) - 1, np.array([2, 1])),
        (many, rng.integers(0, 5, 8)),
    ]
    cases = [_nearest_case(*setting) for setting in settings]
    return verdict("check_nearest_wrong", fn, cases)


def _nearest_case(logits: np.ndarray, labels: np.ndarray) -> Callable:
    right = dark_knowledge.nearest_wrong(logits, labels)

    def case(fn):
        call = f"for logits {logits[:2].tolist()} and labels {labels[:2].tolist()} …"
        found = numbers(answer(fn, logits, labels), "one class an image")
        if found.shape != labels.shape:
            raise Wrong(
                f"Return one class an image, {labels.shape}, not {found.shape}."
            )
        if np.array_equal(found, right):
            return
        blotted = np.array(logits)
        blotted[np.arange(len(labels)), labels] = 0
        known = {
            "That is the answer, which is nearly always the label: leave the label's "
            "logit out": logits.argmax(axis=1),
            "That is the second largest: where the teacher errs, the nearest wrong "
            "class is the largest": np.argsort(logits, axis=1)[:, -2],
            "That is the least likely class": logits.argmin(axis=1),
            "A logit of 0 is not left out where the others are below 0: take minus "
            "infinity": blotted.argmax(axis=1),
        }
        known = {text: wrong.astype(float) for text, wrong in known.items()}
        at = np.flatnonzero(found != right)[0]
        other = f"image {at}: beside label {labels[at]} the largest is {right[at]}"
        raise Wrong(named(known, found, other, call))

    return case


def check_distillation_step(fn: Callable) -> Verdict:
    """Check `fn(teacher, student, x, temperature, rate) -> (teacher, student)`.

    Two networks of one dense layer, teacher and student (inputs, classes), with logits
    x @ w. One step of gradient descent on T^2 KL(teacher || student), the mean over the
    images x (n, inputs): the student moves, the teacher does not.
    """
    rng = np.random.default_rng(11)
    cases = [
        _step_case(
            rng.normal(0, 1, (3, 4)).round(2),
            rng.normal(0, 1, (3, 4)).round(2),
            rng.normal(0, 1, (n, 3)).round(2),
            temperature,
            0.1,
        )
        for n, temperature in ((2, 1.0), (5, 3.0))
    ]
    return verdict("check_distillation_step", fn, cases)


def _step_case(teacher, student, x, t: float, rate: float) -> Callable:
    v, z = x @ teacher, x @ student
    slopes = x.T @ distill.soft_gradient(v, z, t)

    def case(fn):
        call = f"for {len(x)} images, temperature = {t:g}, rate = {rate:g}"
        its, mine = _two(answer(fn, teacher, student, x, t, rate), student.shape)
        if not np.array_equal(its, teacher):
            raise Wrong(_teacher_mistake(its, mine, teacher, student, call))
        if np.allclose(mine, student - rate * slopes, rtol=1e-5, atol=1e-8):
            return
        known = {
            "The student has not moved": student,
            "The sign: a step goes against the gradient": student + rate * slopes,
            "T squared is missing": student - rate * slopes / t**2,
            "One T is missing": student - rate * slopes / t,
            "The loss is a mean over the images: divide by their number": (
                student - rate * slopes * len(x)
            ),
            "The KL is reversed": student - rate * x.T @ _reversed(v, z, t),
            "That moves the student's weights towards the teacher's: they are other "
            "networks, and only what they say can be compared": (
                student + rate * (teacher - student)
            ),
        }
        other = "The student should move by -rate * x.T @ (T (q - p) / n)"
        raise Wrong(named(known, mine, other, call))

    return case


def _two(result, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("Return both networks: `return teacher, student`.")
    found = tuple(numbers(part, "teacher and student") for part in result)
    for part in found:
        if part.shape != shape:
            raise Wrong(f"Teacher and student keep the shape {shape}: {part.shape}.")
    return found


def _teacher_mistake(its, mine, teacher, student, call: str) -> str:
    if np.array_equal(mine, student):
        return (
            "Yours trains the teacher, and the student stays as it was: compile and "
            f"step the student ({call})."
        )
    if np.array_equal(its, student) or np.array_equal(mine, teacher):
        return f"Return the teacher first, then the student ({call})."
    return (
        "The teacher moved, too: it was left trainable. It runs to the student as much "
        "as the student to it, and forgets what it knew: freeze it, return it bit for "
        f"bit ({call})."
    )
