"""Exercises of notebook 04: softened outputs, and the losses of distillation."""

from collections.abc import Callable

import numpy as np

from labkit import distill
from labkit.checks.base import Wrong, numbers
from labkit.checks.exercise import Exercise

_THREE = np.array([[2.0, 1.0, -1.0], [0.0, 3.0, 1.5]])
_OTHER = np.array([[1.0, 2.0, 0.0], [-1.0, 1.0, 1.0]])
_LARGE = np.array([[2000.0, 1998.0, -3000.0], [5.0, 5.0, 5.0]])


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Logits of a teacher and a student; the numbers of images and classes differ."""
    rng = np.random.default_rng(9)
    return [(_THREE, _OTHER), tuple(rng.normal(0, 3, (2, 4, 6)).round(2))]


def _softmax(z, axis: int | None = -1, shifted: bool = True) -> np.ndarray:
    """exp(z) over its sum along the axis; without the shift it may overflow."""
    with np.errstate(all="ignore"):
        powers = np.exp(z - z.max(axis=axis, keepdims=True) if shifted else z)
        return powers / powers.sum(axis=axis, keepdims=True)


def _either(wrong: Callable) -> tuple[Callable, Callable]:
    """`wrong(softmax, logits, temperature)`, with a safe softmax and a plain one."""

    def with_softmax(shifted: bool) -> Callable:
        def softmax(z, axis=-1):
            return _softmax(z, axis, shifted)

        return lambda logits, temperature: wrong(softmax, logits, temperature)

    return with_softmax(True), with_softmax(False)


def _row_peaks_away(logits, temperature):
    return (logits - logits.max(axis=-1, keepdims=True)) / temperature


def _powers(scaled: Callable) -> Callable:
    """exp without the sum."""

    def powers(logits, temperature):
        with np.errstate(over="ignore"):
            return np.exp(scaled(logits, temperature))

    return powers


def _probabilities(result, logits, temperature) -> np.ndarray:
    if np.abs(logits).max() > 1000 and _is_not_finite(result):
        raise Wrong(
            "exp of a large logit overflows. A softmax does not change when a constant "
            "is added to a row, so subtract each row's largest logit first"
        )
    found = numbers(result, "probabilities")
    if found.shape != logits.shape:
        raise Wrong(
            f"Return a probability for each logit, {logits.shape}, not {found.shape}"
        )
    return found


def _is_not_finite(result) -> bool:
    try:
        return not np.isfinite(np.asarray(result)).all()
    except (TypeError, ValueError):
        return False


check_softmax = Exercise(
    name="softmax",
    asks="""`fn(logits, temperature) -> probabilities`: a softmax at a temperature.

    logits: (n, classes). The softmax is over the classes of each image.
    """,
    reference=distill.softmax,
    calls=[
        (logits, temperature)
        for logits in (_THREE, pairs()[1][0], _LARGE)
        for temperature in (1.0, 4.0, 0.5)
    ],
    form=_probabilities,
    atol=1e-7,
    mistakes={
        "That is the softmax of logits * temperature: a higher temperature is softer, "
        "so divide": _either(lambda softmax, z, t: softmax(z * t)),
        "That is the softmax at a temperature of 1: divide the logits by it": (
            _either(lambda softmax, z, t: softmax(z))
        ),
        "That is a softmax of a softmax: divide the logits by the temperature, not the "
        "probabilities": _either(lambda softmax, z, t: softmax(softmax(z) / t)),
        "You divide the probabilities by the temperature, so that they no longer add "
        "up to 1: divide the logits": _either(lambda softmax, z, t: softmax(z) / t),
        "Your sum runs over all images: each row adds up to 1": (
            *_either(lambda softmax, z, t: softmax(z / t, axis=None)),
            lambda z, t: _softmax(_row_peaks_away(z, t), None, shifted=False),
        ),
        "Your sum runs over the images: take it over the classes, with axis=-1 and "
        "keepdims=True": (
            *_either(lambda softmax, z, t: softmax(z / t, axis=0)),
            lambda z, t: _softmax(_row_peaks_away(z, t), 0, shifted=False),
        ),
        "Divide by the sum of each row": (
            _powers(lambda z, t: z / t),
            _powers(_row_peaks_away),
        ),
        "That is the logarithm of the softmax": distill.log_softmax,
    },
)


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    """The mean of KL(p || q) over the rows."""
    return float(np.mean(np.sum(p * np.log(p / q), axis=1)))


def _times(factor: Callable) -> Callable:
    """The right loss times `factor(n, classes, temperature)`."""
    return lambda v, z, t: distill.soft_loss(v, z, t) * factor(*v.shape, t)


def _cross_entropy(teacher, student, t):
    return t**2 * distill.cross_entropy(distill.softmax(teacher, t), student, t).mean()


_SOFT_MISTAKES = {
    "The KL is reversed: it is KL(teacher || student), the mean of log(p / q) with the "
    "teacher's p as weights": lambda v, z, t: distill.soft_loss(z, v, t),
    "T squared is missing: without it the gradient shrinks as T grows, and alpha means "
    "another thing at each T": _times(lambda n, classes, t: t**-2),
    "One T is missing: the loss is times T squared": _times(
        lambda n, classes, t: 1 / t
    ),
    "Both sides are softened from the same logits, so there is nothing to learn: one "
    "belongs to the teacher, the other to the student": lambda v, z, t: 0.0,
    "That is a softmax of a softmax: both arguments are logits": (
        lambda v, z, t: distill.soft_loss(_softmax(v), _softmax(z), t)
    ),
    "That is a softmax of a softmax on the student's side: its argument is logits": (
        lambda v, z, t: distill.soft_loss(v, _softmax(z), t)
    ),
    "That is a softmax of a softmax on the teacher's side: its argument is logits": (
        lambda v, z, t: distill.soft_loss(_softmax(v), z, t)
    ),
    "Only the teacher is softened: the student's logits are divided by T, too": (
        lambda v, z, t: t**2 * _kl(_softmax(v / t), _softmax(z))
    ),
    "Only the student is softened: the teacher's logits are divided by T, too": (
        lambda v, z, t: t**2 * _kl(_softmax(v), _softmax(z / t))
    ),
    "That is the sum over the images: take the mean": _times(lambda n, classes, t: n),
    "That is a mean over images and classes: sum over the classes": (
        _times(lambda n, classes, t: 1 / classes)
    ),
    "That is the cross-entropy with soft targets, which is not 0 when the student's "
    "outputs are the teacher's: subtract the teacher's entropy": _cross_entropy,
    "The sign is flipped: a divergence is never below 0": (
        _times(lambda n, classes, t: -1)
    ),
}


def _one_loss(result, *_) -> np.ndarray:
    found = numbers(result, "one loss")
    if found.size != 1:
        raise Wrong(
            f"Return one number, the mean over the images, not {found.size} numbers"
        )
    return found.reshape(())


check_soft_loss = Exercise(
    name="soft_loss",
    asks="""`fn(teacher, student, temperature) -> loss`: T^2 KL(teacher || student).

    teacher, student: logits (n, classes). The loss is the mean over the images.
    """,
    reference=distill.soft_loss,
    calls=[
        *((v, z, temperature) for v, z in pairs() for temperature in (1.0, 4.0)),
        (_THREE, _THREE + 1.0, 3.0),
    ],
    form=_one_loss,
    atol=1e-8,
    mistakes=_SOFT_MISTAKES,
)


def _mixed(mix: Callable) -> Callable:
    """`mix(soft, hard, temperature, alpha)` of the right parts."""

    def loss(v, z, labels, t, alpha):
        soft, hard = distill.soft_loss(v, z, t), distill.hard_loss(z, labels)
        return mix(soft, hard, t, alpha)

    return loss


def _other_soft(soft: Callable) -> Callable:
    """Another soft part, `soft(teacher, student, temperature)`."""
    return lambda v, z, labels, t, alpha: (
        alpha * soft(v, z, t) + (1 - alpha) * distill.hard_loss(z, labels)
    )


def _other_hard(hard: Callable) -> Callable:
    """Another part of the labels, `hard(teacher, student, labels, temperature)`."""
    return lambda v, z, labels, t, alpha: (
        alpha * distill.soft_loss(v, z, t) + (1 - alpha) * hard(v, z, labels, t)
    )


def _loss_calls() -> list[tuple]:
    labels = [np.array([0, 2]), np.array([3, 0, 5, 1])]
    return [
        (*pair, known, temperature, alpha)
        for pair, known in zip(pairs(), labels, strict=True)
        for temperature, alpha in ((4.0, 0.7), (2.0, 1.0), (2.0, 0.0))
    ]


check_distillation_loss = Exercise(
    name="distillation_loss",
    asks="""`fn(teacher, student, labels, temperature, alpha) -> loss`.

    alpha T^2 KL(teacher || student) + (1 - alpha) CE(labels, student), with the
    cross-entropy at a temperature of 1; means over the images.
    """,
    reference=distill.loss,
    calls=_loss_calls(),
    form=_one_loss,
    atol=1e-8,
    mistakes={
        "The weights are swapped: alpha is the teacher's, 1 - alpha the labels'": (
            _mixed(lambda soft, hard, t, alpha: (1 - alpha) * soft + alpha * hard)
        ),
        "The labels are compared at a temperature of 1; yours softens there, too": (
            _other_hard(lambda v, z, labels, t: distill.hard_loss(z / t, labels))
        ),
        "The labels are compared with the student's outputs; yours compares them with "
        "the teacher's": (
            _other_hard(lambda v, z, labels, t: distill.hard_loss(v, labels))
        ),
        "The labels' part is the sum over the images: take the mean": (
            _other_hard(lambda v, z, labels, t: len(z) * distill.hard_loss(z, labels))
        ),
        "T squared belongs to the soft part alone": (
            _mixed(lambda soft, hard, t, a: a * soft + (1 - a) * hard * t**2)
        ),
        "The two parts are added without their weights": (
            _mixed(lambda soft, hard, t, alpha: soft + hard)
        ),
        "The labels have the weight 1 - alpha": (
            _mixed(lambda soft, hard, t, alpha: alpha * soft + hard)
        ),
        "The teacher has the weight alpha": (
            _mixed(lambda soft, hard, t, alpha: soft + (1 - alpha) * hard)
        ),
        "The labels' part is missing": (
            _mixed(lambda soft, hard, t, alpha: alpha * soft)
        ),
        **{
            f"The soft part. {sentence}": _other_soft(soft)
            for sentence, soft in _SOFT_MISTAKES.items()
        },
    },
)
