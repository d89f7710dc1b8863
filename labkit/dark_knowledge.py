"""What a teacher's outputs say beyond the label: which wrong classes are nearly right.

Logits are float arrays (n, classes), labels whole numbers (n,), entropies in nats.
Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Sec. 1: the relative probabilities of
the wrong answers tell how the teacher generalizes.
"""

import numpy as np

from labkit.distill import entropy, soften


def nearest_wrong(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The class with the largest logit beside the label, int (n,).

    >>> nearest_wrong(np.array([[5.0, 1, 2], [5, 1, 2]]), np.array([0, 1])).tolist()
    [2, 0]
    """
    return np.argmax(_without_label(logits, labels), axis=-1)


def wrong_classes(
    logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0
) -> np.ndarray:
    """The softened outputs of the wrong classes alone, which add up to 1: (n, classes).

    0 at the label. They do not depend on how sure the teacher is of the label.

    >>> three = np.log([[90.0, 9.0, 1.0]])
    >>> wrong_classes(three, np.array([0])).round(4).tolist()
    [[0.0, 0.9, 0.1]]
    """
    return soften(_without_label(logits, labels), temperature)


def told(
    logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0
) -> np.ndarray:
    """What a soft target says beyond a label and a confidence, in nats, (n,).

    KL from the target to one that is as sure of the label and spreads the rest evenly
    over the wrong classes (a smoothed label): m (log(classes - 1) - entropy), with the
    probability m of all wrong classes, and their entropy among themselves. 0 where the
    wrong classes are alike.

    >>> told(np.log([[2.0, 1, 1], [2, 2, 0.0001]]), np.array([0, 0])).round(2).tolist()
    [0.0, 0.35]
    """
    rows = np.arange(len(labels))
    wrong = 1 - soften(logits, temperature)[rows, np.asarray(labels, np.int64)]
    spread = entropy(wrong_classes(logits, labels, temperature))
    return wrong * (np.log(logits.shape[-1] - 1) - spread)


def _without_label(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The logits, with minus infinity at each label."""
    found = np.array(logits, np.float64)
    found[np.arange(len(found)), np.asarray(labels, np.int64)] = -np.inf
    return found
