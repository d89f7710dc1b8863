"""What a teacher's outputs say beyond the label: which wrong classes are nearly right.

Logits are float arrays (n, classes), labels whole numbers (n,), entropies in nats.
Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Sec. 1: the relative probabilities of
the wrong answers tell how the teacher generalizes. Functions raise ValueError for
logits as `labkit.distill.losses` does, for fewer than two classes, and for labels that
are no classes of theirs.
"""

import numpy as np

from labkit.distill.losses import check_logits, entropy, one_hot, softmax


def nearest_wrong(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The class with the largest logit beside the label, int (n,).

    ValueError where all the others are minus infinity: none is nearest.

    >>> nearest_wrong(np.array([[5.0, 1, 2], [5, 1, 2]]), np.array([0, 1])).tolist()
    [2, 0]
    """
    others, _ = _others(logits, labels)
    return np.argmax(check_logits("logits beside the label", others), axis=-1)


def information_beyond_label(
    logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0
) -> np.ndarray:
    """What a soft target says beyond a label and a confidence, in nats, (n,).

    KL from the target to one that is as sure of the label and spreads the rest evenly
    over the wrong classes (a smoothed label): m (log(classes - 1) - entropy), with the
    probability m of all wrong classes, and their entropy among themselves. 0 where the
    wrong classes are alike, and where all of them are minus infinity.

    >>> logits = np.log([[2.0, 1, 1], [2, 2, 0.0001]])
    >>> information_beyond_label(logits, np.array([0, 0])).round(2).tolist()
    [0.0, 0.35]
    """
    others, right = _others(logits, labels)
    wrong = 1 - softmax(logits, temperature)[right]
    silent = np.isneginf(others).all(axis=-1)
    others[silent] = 0.0  # whatever they are: they weigh nothing
    spread = entropy(softmax(others, temperature))
    return np.where(silent, 0.0, wrong * (np.log(others.shape[-1] - 1) - spread))


def _others(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logits with minus infinity at each label, and where the labels are (bool)."""
    found = check_logits("logits", logits).copy()
    if found.ndim != 2 or found.shape[1] < 2 or np.shape(labels) != found.shape[:1]:
        raise ValueError(
            f"logits are {found.shape} and labels {np.shape(labels)}: give (n, "
            "classes) of at least two classes, and a label each"
        )
    right = one_hot(labels, found.shape[1]) == 1
    found[right] = -np.inf
    return found, right
