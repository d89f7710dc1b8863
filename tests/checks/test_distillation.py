"""The checks of notebook 04: right answers pass, wrong ones are told what is wrong."""

import numpy as np
import pytest
from check_asserts import assert_explained

from labkit import distill
from labkit.checks.distillation import (
    check_distillation_loss,
    check_soft_loss,
    check_soften,
)
from labkit.checks.distillation_steps import (
    check_distillation_step,
    check_nearest_wrong,
    check_soft_gradient,
)
from labkit.distill import dark_knowledge


def softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def kl(p, q):
    return np.mean(np.sum(p * np.log(p / q), axis=1))


def sharpened(logits, temperature):
    """The plain softmax to the power of 1 / T, as nested lists."""
    rows = []
    for row in logits:
        logs = row - np.max(row) - np.log(np.sum(np.exp(row - np.max(row))))
        powers = np.exp(logs / temperature)
        rows.append((powers / powers.sum()).tolist())
    return rows


@pytest.mark.parametrize("fn", [distill.soften, sharpened])
def test_right_softmaxes_pass(fn):
    verdict = check_soften(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (lambda z, t: softmax(z * t), "so divide"),
        (lambda z, t: softmax(z), "at a temperature of 1"),
        (lambda z, t: softmax(softmax(z) / t), "softmax of a softmax"),
        (lambda z, t: softmax(z / t, axis=0), "runs over the images"),
        (lambda z, t: np.exp(z / t) / np.exp(z / t).sum(), "runs over all images"),
        (
            lambda z, t: np.exp(z / t) / np.exp(z / t).sum(-1, keepdims=True),
            "exp of a large logit overflows",
        ),
        (lambda z, t: distill.log_soften(z, t), "logarithm of the softmax"),
        (lambda z, t: softmax(z / t).max(axis=1), "a probability for each logit"),
        (lambda z, t: 1 / (1 + np.exp(-z / t)), "not softmax(logits / temperature)"),
    ],
)
def test_wrong_softmaxes_are_explained(fn, hint):
    assert_explained(check_soften, fn, hint)


def by_entropies(teacher, student, t):
    """Cross-entropy less entropy, image by image, as an array of one."""
    found = [
        -np.sum(p * np.log(q)) + np.sum(p * np.log(p))
        for p, q in zip(softmax(teacher / t), softmax(student / t), strict=True)
    ]
    return np.array([t**2 * np.mean(found)])


@pytest.mark.parametrize("fn", [distill.soft_loss, by_entropies])
def test_right_soft_losses_pass(fn):
    verdict = check_soft_loss(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (lambda v, z, t: distill.soft_loss(z, v, t), "The KL is reversed"),
        (lambda v, z, t: distill.soft_loss(v, z, t) / t**2, "T squared is missing"),
        (lambda v, z, t: distill.soft_loss(v, z, t) / t, "One T is missing"),
        (lambda v, z, t: distill.soft_loss(v, v, t), "from the same logits"),
        (
            lambda v, z, t: distill.soft_loss(softmax(v), softmax(z), t),
            "softmax of a softmax",
        ),
        (lambda v, z, t: distill.soft_loss(v, softmax(z), t), "on the student's side"),
        (lambda v, z, t: distill.soft_loss(softmax(v), z, t), "on the teacher's side"),
        (
            lambda v, z, t: t**2 * kl(softmax(v / t), softmax(z)),
            "Only the teacher is softened",
        ),
        (
            lambda v, z, t: t**2 * kl(softmax(v), softmax(z / t)),
            "Only the student is softened",
        ),
        (
            lambda v, z, t: distill.soft_loss(v, z, t) * len(v),
            "the sum over the images",
        ),
        (
            lambda v, z, t: distill.soft_loss(v, z, t) / v.shape[1],
            "over images and classes",
        ),
        (
            lambda v, z, t: t**2 * distill.cross_entropy(softmax(v / t), z, t).mean(),
            "cross-entropy with soft targets",
        ),
        (lambda v, z, t: -distill.soft_loss(v, z, t), "sign is turned"),
        (lambda v, z, t: np.mean((v - z) ** 2), "That is not T^2 KL"),
        (lambda v, z, t: t**2 * distill.divergence(v, z, t), "one number, the mean"),
        # The article: softmax of the teacher, times what the student is off its target.
        (lambda v, z, t: np.mean(softmax(v) * (z - v)), "That is not T^2 KL"),
    ],
)
def test_wrong_soft_losses_are_explained(fn, hint):
    assert_explained(check_soft_loss, fn, hint)


def test_an_offset_of_the_logits_says_nothing():
    """Right but for students that say the same with other logits."""

    def blind(teacher, student, t):
        right = distill.soft_loss(teacher, student, t)
        apart = np.ptp(student - teacher) > 1e-9
        left = t**2 * distill.entropy(softmax(teacher / t)).mean()
        return right if apart else left

    assert_explained(check_soft_loss, blind, "a softmax sees no constant")


def in_one_line(v, z, labels, t, alpha):
    """With log-softmaxes, T squared written as T * T."""
    log_p, log_q, log_1 = (
        x - np.log(np.exp(x).sum(axis=1, keepdims=True)) for x in (v / t, z / t, z)
    )
    soft = (np.exp(log_p) * (log_p - log_q)).sum(axis=1) * t * t
    hard = -np.take_along_axis(log_1, labels[:, None], axis=1)[:, 0]
    return np.average([soft.mean(), hard.mean()], weights=[alpha, 1 - alpha])


@pytest.mark.parametrize("fn", [distill.loss, in_one_line])
def test_right_losses_pass(fn):
    verdict = check_distillation_loss(fn)
    assert verdict, verdict


def parts(v, z, labels, t):
    return distill.soft_loss(v, z, t), distill.hard_loss(z, labels)


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (lambda v, z, y, t, a: distill.loss(v, z, y, t, 1 - a), "is turned round"),
        (
            lambda v, z, y, t, a: (
                a * parts(v, z, y, t)[0] + (1 - a) * distill.hard_loss(z / t, y)
            ),
            "at a temperature of 1",
        ),
        (
            lambda v, z, y, t, a: (
                a * parts(v, z, y, t)[0] + (1 - a) * distill.hard_loss(v, y)
            ),
            "judges the teacher",
        ),
        (
            lambda v, z, y, t, a: np.dot([a / t**2, 1 - a], parts(v, z, y, t)),
            "The soft part. T squared is missing",
        ),
        (
            lambda v, z, y, t, a: np.dot([a, (1 - a) * t**2], parts(v, z, y, t)),
            "the soft part alone",
        ),
        (
            lambda v, z, y, t, a: (
                a * distill.soft_loss(z, v, t) + (1 - a) * distill.hard_loss(z, y)
            ),
            "The soft part. The KL is reversed",
        ),
        (lambda v, z, y, t, a: distill.loss(v, v, y, t, a), "yours is"),
        (
            lambda v, z, y, t, a: (
                a * distill.soft_loss(v, v, t) + (1 - a) * distill.hard_loss(z, y)
            ),
            "from the same logits",
        ),
        (
            lambda v, z, y, t, a: (
                a * distill.soft_loss(softmax(v), softmax(z), t)
                + (1 - a) * distill.hard_loss(z, y)
            ),
            "softmax of a softmax",
        ),
        (
            lambda v, z, y, t, a: (
                a * t**2 * kl(softmax(v / t), softmax(z))
                + (1 - a) * distill.hard_loss(z, y)
            ),
            "Only the teacher is softened",
        ),
        (lambda v, z, y, t, a: sum(parts(v, z, y, t)), "without their weights"),
        (lambda v, z, y, t, a: np.dot([a, 1], parts(v, z, y, t)), "weight 1 - alpha"),
        (lambda v, z, y, t, a: parts(v, z, y, t)[0], "yours is"),
        (lambda v, z, y, t, a: parts(v, z, y, t), "one number, the mean"),
    ],
)
def test_wrong_losses_are_explained(fn, hint):
    assert_explained(check_distillation_loss, fn, hint)


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
