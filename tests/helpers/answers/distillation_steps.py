"""Answers to the other exercises of notebook 04, written from its text alone."""

import numpy as np

from labkit import distill
from labkit.distill import dark_knowledge


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def slopes_of(loss, at, step=1e-4):
    """The gradient of a loss by central differences."""
    found = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        moved = np.zeros(at.shape)
        moved[index] = step
        found[index] = (loss(at + moved) - loss(at - moved)) / (2 * step)
    return found


def by_differences(teacher, student, t):
    return slopes_of(lambda z: distill.soft_loss(teacher, z, t), student)


def by_chain_rule(teacher, student, t):
    """Through the softmax's derivative, image by image, as nested lists."""
    found = []
    for v, z in zip(teacher, student, strict=True):
        p, q = softmax(v / t), softmax(z / t)
        jacobian = (np.diag(q) - np.outer(q, q)) / t
        found.append((-t * t * (p / q) @ jacobian / len(teacher)).tolist())
    return found


def gradient(teacher, student, t):
    return distill.soft_gradient(teacher, student, t)


def sorted_without(logits, labels):
    order = np.argsort(-logits, axis=1)
    return [
        next(k for k in row if k != label)
        for row, label in zip(order, labels, strict=True)
    ]


def first_or_second(logits, labels):
    """The second largest where the largest is the label's; as floats."""
    order = np.argsort(logits, axis=1)
    right = order[:, -1] == labels
    return np.where(right, order[:, -2], order[:, -1]).astype(float)


def instead(logits, labels, number):
    found = logits.copy()
    found[np.arange(len(labels)), labels] = number
    return found


def in_place(logits, labels):
    logits[np.arange(len(labels)), labels] = -np.inf
    return logits.argmax(axis=1)


def along(slopes):
    """A step of the student along some slopes by its logits."""

    def step(teacher, student, x, t, rate):
        return teacher, student - rate * x.T @ slopes(x @ teacher, x @ student, t)

    return step


right_step = along(gradient)


def image_by_image(teacher, student, x, t, rate):
    change = np.zeros(student.shape)
    for row in x:
        p, q = softmax(row @ teacher / t), softmax(row @ student / t)
        change += np.outer(row, t * (q - p)) / len(x)
    return [teacher.tolist(), student - rate * change]


def in_float32(teacher, student, x, t, rate):
    teacher, student, x = (np.float32(array) for array in (teacher, student, x))
    t = np.float32(t)
    apart = softmax(x @ student / t) - softmax(x @ teacher / t)
    change = x.T @ apart * t / np.float32(len(x))
    return teacher, student - np.float32(rate) * change


def teacher_slopes(teacher, student, x, t):
    """By the teacher's weights, of the loss of exercise 3."""
    return slopes_of(lambda w: distill.soft_loss(x @ w, x @ student, t), teacher)


def both_trained(teacher, student, x, t, rate):
    its = teacher - rate * teacher_slopes(teacher, student, x, t)
    return its, right_step(teacher, student, x, t, rate)[1]


def teacher_trained(teacher, student, x, t, rate):
    return both_trained(teacher, student, x, t, rate)[0], student


def both_meet(teacher, student, x, t, rate):
    return teacher + rate * (student - teacher), student + rate * (teacher - student)


def summed(teacher, student, x, t, rate):
    """A step for one image after the other, each with the whole rate."""
    return right_step(teacher, student, x, t, rate * len(x))


RIGHT = {
    "soft_gradient": [by_differences, by_chain_rule],
    "nearest_wrong": [sorted_without, first_or_second],
    "distillation_step": [image_by_image, in_float32],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "soft_gradient": [
        (lambda v, z, t: distill.soft_gradient(v, z, t, False), "without T squared"),
        (
            lambda v, z, t: slopes_of(lambda at: distill.soft_loss(at, v, t), z),
            "reversed KL",
        ),
        (lambda v, z, t: distill.soft_gradient(z, v, t), "sign is flipped"),
        (lambda v, z, t: gradient(v, z, t) + t, ""),
        (lambda v, z, t: softmax(z / t) - softmax(v / t), ""),
        (lambda v, z, t: (z - v) / len(v), ""),
        (lambda v, z, t: np.abs(gradient(v, z, t)), ""),
        (lambda v, z, t: gradient(v, z, 1.0), ""),
        (lambda v, z, t: 1.0, "a number for each"),
        (lambda v, z, t: gradient(v, z, t).sum(axis=1), "a number for each"),
    ],
    "nearest_wrong": [
        (lambda z, y: instead(z, y, 0).argmax(axis=1), "take minus infinity"),
        (lambda z, y: (z - np.eye(z.shape[1])[y]).argmax(axis=1), ""),
        (lambda z, y: (y + 1) % z.shape[1], ""),
        (lambda z, y: np.argsort(np.abs(z), axis=1)[:, -2], ""),
        (lambda z, y: instead(z, y, np.inf).argmin(axis=1), ""),
        (lambda z, y: np.sort(z, axis=1)[:, -2], ""),
        (lambda z, y: dark_knowledge.nearest_wrong(z, y) + 0.25, ""),
        (lambda z, y: y, ""),
        (in_place, "changes the array"),
        (lambda z, y: z, "one class an image"),
    ],
    "distillation_step": [
        (both_trained, "left trainable"),
        (teacher_trained, "Yours trains the teacher"),
        (both_meet, ""),
        (summed, "divide by their number"),
        (along(lambda v, z, t: gradient(v, v, t)), "has not moved"),
        (along(lambda v, z, t: distill.soft_gradient(z, v, t)), "sign"),
        (along(lambda v, z, t: distill.matching_gradient(v, z)), ""),
        (lambda v, z, x, t, rate: (v, z - rate), ""),
        (lambda v, z, x, t, rate: right_step(v, z, x, t, 2 * rate), ""),
        (lambda v, z, x, t, rate: (v + 1e-5, right_step(v, z, x, t, rate)[1]), ""),
        (lambda *given: right_step(*given)[1], "Return both networks"),
        (lambda *given: [part.T for part in right_step(*given)], "keep the shape"),
    ],
}
