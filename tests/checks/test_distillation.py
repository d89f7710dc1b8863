"""The checks of notebook 04: right answers pass, wrong ones are told what is wrong."""

import numpy as np
import pytest
from check_asserts import assert_explained

from labkit import distill
from labkit.checks.distillation_steps import (
    check_distillation_step,
    check_nearest_wrong,
    check_soft_gradient,
)
from labkit.distill import dark_knowledge


def softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def by_differences(teacher, student, t, step=1e-4):
    found = np.zeros(student.shape)
    for place in np.ndindex(student.shape):
        moved = np.zeros(student.shape)
        moved[place] = step
        up, down = (distill.soft_loss(teacher, student + s * moved, t) for s in (1, -1))
        found[place] = (up - down) / (2 * step)
    return found


@pytest.mark.parametrize("fn", [distill.soft_gradient, by_differences])
def test_right_gradients_pass(fn):
    verdict = check_soft_gradient(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (lambda v, z, t: distill.soft_gradient(v, z, t, False), "without T squared"),
        (lambda v, z, t: distill.soft_gradient(v, z, t) / t, "One T comes from"),
        (lambda v, z, t: distill.soft_gradient(v, z, t) * t, "too much"),
        (lambda v, z, t: -distill.soft_gradient(v, z, t), "sign is turned"),
        (lambda v, z, t: distill.soft_gradient(v, z, t) * len(v), "their number"),
        (lambda v, z, t: (softmax(z) - softmax(v / t)) * t / len(v), "on one side"),
        (lambda v, z, t: (softmax(z / t) - softmax(v)) * t / len(v), "on one side"),
        (lambda v, z, t: distill.matching_gradient(v, z), "high-temperature limit"),
        (
            lambda v, z, t: _reversed_slopes(v, z, t),
            "reversed KL",
        ),
        (lambda v, z, t: softmax(z / t) - softmax(v / t) + t, "That is not T (q - p)"),
        (lambda v, z, t: 1.0, "a number for each"),
    ],
)
def test_wrong_gradients_are_explained(fn, hint):
    assert_explained(check_soft_gradient, fn, hint)


def _reversed_slopes(v, z, t, step=1e-5):
    found = np.zeros(z.shape)
    for place in np.ndindex(z.shape):
        moved = np.zeros(z.shape)
        moved[place] = step
        up, down = (distill.soft_loss(z + s * moved, v, t) for s in (1, -1))
        found[place] = (up - down) / (2 * step)
    return found


def sorted_without(logits, labels):
    order = np.argsort(-logits, axis=1)
    return [
        next(k for k in row if k != label)
        for row, label in zip(order, labels, strict=True)
    ]


@pytest.mark.parametrize("fn", [dark_knowledge.nearest_wrong, sorted_without])
def test_right_nearest_classes_pass(fn):
    verdict = check_nearest_wrong(fn)
    assert verdict, verdict


def blotted(logits, labels):
    found = logits.copy()
    found[np.arange(len(labels)), labels] = 0
    return found.argmax(axis=1)


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (lambda z, y: z.argmax(axis=1), "nearly always the label"),
        (lambda z, y: np.argsort(z, axis=1)[:, -2], "That is the second largest"),
        (lambda z, y: z.argmin(axis=1), "least likely"),
        (blotted, "take minus infinity"),
        (lambda z, y: (y + 1) % z.shape[1], "beside label"),
        (lambda z, y: z, "one class an image"),
    ],
)
def test_wrong_nearest_classes_are_explained(fn, hint):
    assert_explained(check_nearest_wrong, fn, hint)


def step(teacher, student, x, t, rate):
    slopes = x.T @ distill.soft_gradient(x @ teacher, x @ student, t)
    return teacher, student - rate * slopes


def image_by_image(teacher, student, x, t, rate):
    change = np.zeros(student.shape)
    for row in x:
        p, q = softmax(row @ teacher / t), softmax(row @ student / t)
        change += np.outer(row, t * (q - p)) / len(x)
    return [teacher.tolist(), student - rate * change]


@pytest.mark.parametrize("fn", [step, image_by_image])
def test_right_steps_pass(fn):
    verdict = check_distillation_step(fn)
    assert verdict, verdict


def both_trained(teacher, student, x, t, rate):
    slopes = x.T @ _reversed_slopes(x @ student, x @ teacher, t)
    return teacher - rate * slopes, step(teacher, student, x, t, rate)[1]


def teacher_trained(teacher, student, x, t, rate):
    return both_trained(teacher, student, x, t, rate)[0], student


def blended(teacher, student, x, t, rate):
    return teacher, student + rate * (teacher - student)


def changed_step(factor):
    def fn(teacher, student, x, t, rate):
        return step(teacher, student, x, t, rate * factor(t, len(x)))

    return fn


def reversed_step(teacher, student, x, t, rate):
    return teacher, student - rate * x.T @ _reversed_slopes(x @ teacher, x @ student, t)


def slopes_step(slopes):
    """A step along some slopes by the student's logits."""

    def fn(teacher, student, x, t, rate):
        return teacher, student - rate * x.T @ slopes(x @ teacher, x @ student, t)

    return fn


teacher_twice = slopes_step(lambda v, z, t: distill.soft_gradient(v, v, t))
softened_twice = slopes_step(
    lambda v, z, t: distill.soft_gradient(softmax(v), softmax(z), t)
)
one_side = slopes_step(lambda v, z, t: t * (softmax(z) - softmax(v / t)) / len(v))


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (both_trained, "left trainable"),
        (teacher_trained, "Yours trains the teacher"),
        (blended, "towards the teacher's"),
        (lambda v, z, *_: (v, z), "has not moved"),
        (lambda *given: step(*given)[::-1], "the teacher first"),
        (changed_step(lambda t, n: -1), "goes against"),
        (changed_step(lambda t, n: t**-2), "T squared is missing"),
        (changed_step(lambda t, n: 1 / t), "One T is missing"),
        (changed_step(lambda t, n: n), "divide by their number"),
        (reversed_step, "The KL is reversed"),
        (teacher_twice, "has not moved"),
        (softened_twice, "should move by"),
        (one_side, "should move by"),
        (lambda *given: step(*given)[1], "Return both networks"),
        (lambda v, z, x, t, rate: (v, z - rate), "should move by"),
    ],
)
def test_wrong_steps_are_explained(fn, hint):
    assert_explained(check_distillation_step, fn, hint)
