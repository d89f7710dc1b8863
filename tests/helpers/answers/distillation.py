"""Answers to the exercises on the losses of distillation, from notebook 04's text."""

import numpy as np

from labkit import distill


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sharpened(logits, temperature):
    """The plain softmax to the power of 1 / T, as nested lists."""
    rows = []
    for row in logits:
        logs = row - np.max(row) - np.log(np.sum(np.exp(row - np.max(row))))
        powers = np.exp(logs / temperature)
        rows.append((powers / powers.sum()).tolist())
    return rows


def by_differences(logits, temperature):
    """1 over the sum of exp of all differences of a row; float32."""
    with np.errstate(over="ignore"):
        apart = np.exp((logits[:, None, :] - logits[:, :, None]) / temperature)
    return (1 / apart.sum(axis=-1)).astype(np.float32)


def overflowing(logits, temperature):
    with np.errstate(all="ignore"):
        powers = np.exp(logits / temperature)
        return powers / powers.sum(axis=-1, keepdims=True)


def overflow_as_zero(logits, temperature):
    return np.nan_to_num(overflowing(logits, temperature))


def transposed_softmax(logits, temperature):
    return softmax(logits.T / temperature).T


def by_entropies(teacher, student, t):
    """Cross-entropy less entropy, image by image, as an array of one."""
    found = [
        -np.sum(p * np.log(q)) + np.sum(p * np.log(p))
        for p, q in zip(softmax(teacher / t), softmax(student / t), strict=True)
    ]
    return np.array([t**2 * np.mean(found)])


def from_log_sums(teacher, student, t):
    """p (v - z) / T and the difference of the log-sums: [[loss]]."""
    v, z = teacher / t, student / t
    sums = np.log(np.exp(z).sum(axis=1)) - np.log(np.exp(v).sum(axis=1))
    found = np.einsum("nc,nc->n", softmax(v), v - z) + sums
    return [[float(found.mean()) * t * t]]


def blind(teacher, student, t):
    """Right but for students whose logits differ from the teacher's by a constant."""
    right = distill.soft_loss(teacher, student, t)
    left = t**2 * distill.entropy(softmax(teacher / t)).mean()
    return right if np.ptp(student - teacher) > 1e-9 else left


def in_one_line(v, z, labels, t, alpha):
    """With log-softmaxes, T squared written as T * T."""
    log_p, log_q, log_1 = (
        x - np.log(np.exp(x).sum(axis=1, keepdims=True)) for x in (v / t, z / t, z)
    )
    soft = (np.exp(log_p) * (log_p - log_q)).sum(axis=1) * t * t
    hard = -np.take_along_axis(log_1, labels[:, None], axis=1)[:, 0]
    return np.average([soft.mean(), hard.mean()], weights=[alpha, 1 - alpha])


def image_by_image(v, z, labels, t, alpha):
    found = []
    for teacher, student, label in zip(v, z, labels, strict=True):
        p, q = softmax(teacher / t), softmax(student / t)
        hard = np.log(np.exp(student).sum()) - student[label]
        found.append(alpha * t**2 * p @ np.log(p / q) + (1 - alpha) * hard)
    return np.array(found).mean(keepdims=True)


def parts(v, z, labels, t):
    return distill.soft_loss(v, z, t), distill.hard_loss(z, labels)


def with_soft(soft):
    """alpha times another soft part, and the right part of the labels."""
    return lambda v, z, labels, t, alpha: (
        alpha * soft(v, z, t) + (1 - alpha) * distill.hard_loss(z, labels)
    )


def teacher_in_itself(v, z, labels, t, alpha):
    return distill.loss(v, v, labels, t, alpha)


RIGHT = {
    "softmax": [sharpened, by_differences],
    "soft_loss": [by_entropies, from_log_sums],
    "distillation_loss": [in_one_line, image_by_image],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "softmax": [
        (overflowing, "exp of a large logit overflows"),
        (overflow_as_zero, ""),
        (transposed_softmax, "runs over the images"),
        (lambda z, t: softmax(z / t).max(axis=1), "a probability for each logit"),
        (lambda z, t: 1 / (1 + np.exp(np.clip(-z / t, -700, 700))), ""),
        (lambda z, t: softmax(z) ** (1 / t), ""),
        (lambda z, t: softmax(z / t**2), ""),
        (lambda z, t: softmax(z / t).round(2), ""),
        (lambda z, t: softmax(z / t).astype(str), "does not hold numbers"),
        (lambda z, t: softmax(z / t) + 0j, "does not hold numbers"),
        (lambda z: softmax(z), "TypeError"),
    ],
    "soft_loss": [
        (lambda v, z, t: distill.soft_loss(v, v, t), "from the same logits"),
        (lambda v, z, t: distill.divergence(v, z, t).sum() * t**2, "the sum over"),
        (blind, ""),
        (lambda v, z, t: np.mean((v - z) ** 2), ""),
        (lambda v, z, t: distill.soft_loss(v, z, t) * t, ""),
        (lambda v, z, t: distill.soft_loss(v, z, t) / np.log(2), ""),
        (lambda v, z, t: t**2 * distill.divergence(v, z, t), "one number, the mean"),
        # The article: softmax of the teacher, times what the student is off its target.
        (lambda v, z, t: np.mean(softmax(v) * (z - v)), ""),
        (lambda v, z, t: str(distill.soft_loss(v, z, t)), "does not hold numbers"),
    ],
    "distillation_loss": [
        (lambda v, z, y, t, a: distill.loss(v, z, y, t, 1 - a), "weights are swapped"),
        (teacher_in_itself, ""),
        (with_soft(lambda v, z, t: distill.soft_loss(v, v, t)), "the same logits"),
        (
            with_soft(lambda v, z, t: distill.divergence(v, z, t).mean()),
            "The soft part. T squared is missing",
        ),
        (with_soft(lambda v, z, t: np.mean((v - z) ** 2)), ""),
        (lambda v, z, y, t, a: parts(v, z, y, t)[0], ""),
        (lambda v, z, y, t, a: parts(v, z, y, t)[1], ""),
        (lambda v, z, y, t, a: distill.loss(v, z, y, t, a) / 2, ""),
        (lambda v, z, y, t, a: distill.loss(v, z, y, 4.0, a), ""),
        (lambda v, z, y, t, a: parts(v, z, y, t), "one number, the mean"),
    ],
}
