"""Checks of notebook 04: softened outputs, and the losses of distillation."""

from collections.abc import Callable

import numpy as np

from labkit import distill
from labkit.checks.base import (
    Verdict,
    Wrong,
    answer,
    describe,
    named,
    numbers,
    verdict,
)

_THREE = np.array([[2.0, 1.0, -1.0], [0.0, 3.0, 1.5]])
_OTHER = np.array([[1.0, 2.0, 0.0], [-1.0, 1.0, 1.0]])


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Logits of a teacher and a student; the numbers of images and classes differ."""
    rng = np.random.default_rng(9)
    return [(_THREE, _OTHER), tuple(rng.normal(0, 3, (2, 4, 6)).round(2))]


def check_soften(fn: Callable) -> Verdict:
    """Check `fn(logits, temperature) -> probabilities`: a softmax at a temperature.

    logits: (n, classes). The softmax is over the classes of each image.
    """
    large = np.array([[2000.0, 1998.0, -3000.0], [5.0, 5.0, 5.0]])
    rows = [_THREE, pairs()[1][0], large]
    cases = [_soften_case(logits, t) for logits in rows for t in (1.0, 4.0, 0.5)]
    return verdict("check_soften", fn, cases)


def _soften_case(logits: np.ndarray, temperature: float) -> Callable:
    right = distill.soften(logits, temperature)

    def case(fn):
        call = f"for logits {describe(logits)} and temperature = {temperature:g}"
        with np.errstate(all="ignore"):
            result = answer(fn, logits, temperature)
        if np.abs(logits).max() > 1000:
            _refuse_overflow(result, call)
        found = numbers(result, "probabilities")
        if found.shape != logits.shape:
            raise Wrong(
                f"Return a probability for each logit, {logits.shape}, not "
                f"{found.shape} ({call})."
            )
        if not np.allclose(found, right, atol=1e-7):
            raise Wrong(_soften_mistake(found, logits, temperature, call))

    return case


def _refuse_overflow(result, call: str) -> None:
    try:
        finite = np.isfinite(np.asarray(result, np.float64)).all()
    except (TypeError, ValueError):
        return
    if not finite:
        raise Wrong(
            "exp of a large logit overflows. A softmax sees no constant: take each "
            f"row's largest logit away first ({call})."
        )


def _soften_mistake(found, logits, t: float, call: str) -> str:
    plain = distill.soften(logits)
    powers = np.exp(np.clip(logits / t, -700, 700))
    known = {
        "That is the softmax of logits * temperature: a higher temperature is softer, "
        "so divide": distill.soften(logits, 1 / t),
        "That is the softmax at a temperature of 1: divide the logits by it": plain,
        "That is a softmax of a softmax: divide the logits by the temperature, not the "
        "probabilities": distill.soften(plain, t),
        "Your sum runs over all images: each row adds up to 1": powers / powers.sum(),
        "Your sum runs over the images: take it over the classes, with axis=-1 and "
        "keepdims=True": powers / powers.sum(axis=0),
        "Divide by the sum of each row": powers,
        "That is the logarithm of the softmax": distill.log_soften(logits, t),
    }
    return named(known, found, "That is not softmax(logits / temperature)", call)


def check_soft_loss(fn: Callable) -> Verdict:
    """Check `fn(teacher, student, temperature) -> loss`: T^2 KL(teacher || student).

    teacher, student: logits (n, classes). The loss is the mean over the images.
    """
    settings = [(t, s, temperature) for t, s in pairs() for temperature in (1.0, 4.0)]
    settings.append((_THREE, _THREE + 1.0, 3.0))
    cases = [_soft_loss_case(*setting) for setting in settings]
    return verdict("check_soft_loss", fn, cases)


def _soft_loss_case(teacher, student, temperature: float) -> Callable:
    right = distill.soft_loss(teacher, student, temperature)

    def case(fn):
        call = f"for {len(teacher)} images and temperature = {temperature:g}"
        found = _one(answer(fn, teacher, student, temperature))
        if not np.isclose(found, right, rtol=1e-5, atol=1e-8):
            raise Wrong(_soft_mistake(found, teacher, student, temperature, call))

    return case


def _one(result) -> float:
    found = numbers(result, "one loss")
    if found.size != 1:
        raise Wrong(
            f"Return one number, the mean over the images, not {found.size} numbers."
        )
    return float(found.reshape(-1)[0])


def _soft_mistake(found: float, teacher, student, t: float, call: str) -> str:
    known = _wrong_soft_losses(teacher, student, t)
    if np.isclose(distill.soft_loss(teacher, student, t), 0, atol=1e-8):
        known = {
            "Here both say the same (a softmax sees no constant), so the loss is 0; "
            "yours is the cross-entropy, which keeps the teacher's entropy": (
                t * t * distill.entropy(distill.soften(teacher, t)).mean()
            )
        }
    return named(known, found, "That is not T^2 KL(teacher || student)", call)


def _wrong_soft_losses(teacher, student, t: float) -> dict[str, float]:
    """Sentence -> what the mistake that it names makes of the soft loss."""
    n, square = len(teacher), t * t
    p, q = distill.soften(teacher, t), distill.soften(student, t)
    right = distill.soft_loss(teacher, student, t)
    twice = distill.soften(teacher), distill.soften(student)
    return {
        "The KL is reversed: it is KL(teacher || student), the mean of log(p / q) with "
        "the teacher's p as weights": distill.soft_loss(student, teacher, t),
        "T squared is missing: without it the gradient shrinks as T grows, and alpha "
        "means another thing at each T": right / square,
        "One T is missing: the loss is times T squared": right / t,
        "Both sides are softened from the same logits, so there is nothing to learn: "
        "one belongs to the teacher, the other to the student": 0.0,
        "That is a softmax of a softmax: both arguments are logits": distill.soft_loss(
            *twice, t
        ),
        "That is a softmax of a softmax on the student's side: its argument is "
        "logits": distill.soft_loss(teacher, twice[1], t),
        "That is a softmax of a softmax on the teacher's side: its argument is "
        "logits": distill.soft_loss(twice[0], student, t),
        "Only the teacher is softened: the student's logits are divided by T, too": (
            square * _kl(p, distill.soften(student))
        ),
        "Only the student is softened: the teacher's logits are divided by T, too": (
            square * _kl(distill.soften(teacher), q)
        ),
        "That is the sum over the images: take the mean": right * n,
        "That is a mean over images and classes: sum over the classes": (
            right / teacher.shape[1]
        ),
        "That is the cross-entropy with soft targets, which is not 0 when the student "
        "says what the teacher says: take the teacher's entropy away": (
            right + square * distill.entropy(p).mean()
        ),
        "The sign is turned: a divergence is never below 0": -right,
    }


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.mean(np.sum(p * np.log(p / q), axis=1)))


def check_distillation_loss(fn: Callable) -> Verdict:
    """Check `fn(teacher, student, labels, temperature, alpha) -> loss`.

    alpha T^2 KL(teacher || student) + (1 - alpha) CE(labels, student), with the
    cross-entropy at a temperature of 1; means over the images.
    """
    labels = [np.array([0, 2]), np.array([3, 0, 5, 1])]
    settings = [
        (*pair, known, t, alpha)
        for pair, known in zip(pairs(), labels, strict=True)
        for t, alpha in ((4.0, 0.7), (2.0, 1.0), (2.0, 0.0))
    ]
    cases = [_whole_case(*setting) for setting in settings]
    return verdict("check_distillation_loss", fn, cases)


def _whole_case(teacher, student, labels, t: float, alpha: float) -> Callable:
    soft = distill.soft_loss(teacher, student, t)
    hard = distill.hard_loss(student, labels)

    def case(fn):
        call = f"for temperature = {t:g} and alpha = {alpha:g}"
        found = _one(answer(fn, teacher, student, labels, t, alpha))
        right = alpha * soft + (1 - alpha) * hard
        if np.isclose(found, right, rtol=1e-5):
            return
        softened = distill.hard_loss(student / t, labels)
        its = distill.hard_loss(teacher, labels)
        known = {
            "alpha weighs the teacher, 1 - alpha the labels; yours is turned round": (
                (1 - alpha) * soft + alpha * hard
            ),
            "The labels are compared at a temperature of 1; yours softens there, too": (
                alpha * soft + (1 - alpha) * softened
            ),
            "The labels judge the student; yours judges the teacher by them": (
                alpha * soft + (1 - alpha) * its
            ),
            "T squared belongs to the soft part alone": (
                alpha * soft + (1 - alpha) * hard * t**2
            ),
            "The two parts are added without their weights": soft + hard,
            "The labels have the weight 1 - alpha": alpha * soft + hard,
        }
        for sentence, wrong in _wrong_soft_losses(teacher, student, t).items():
            known[f"The soft part. {sentence}"] = alpha * wrong + (1 - alpha) * hard
        other = f"alpha * {soft:.5g} + (1 - alpha) * {hard:.5g} is {right:.5g}"
        raise Wrong(named(known, found, f"{other}, yours is {found:.5g}", call))

    return case
