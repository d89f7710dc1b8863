"""Masks from a threshold on |w|, and the threshold that a mask amounts to."""

import numpy as np

from labkit.common.arguments import finite, positive
from labkit.prune.masking import a_mask, mask


def above_threshold(w: np.ndarray, threshold: float) -> np.ndarray:
    """The mask that keeps |w| >= threshold.

    >>> above_threshold(np.array([-0.5, 0.1, 0.2]), 0.2).tolist()
    [True, False, True]

    w: any shape. threshold: in the unit of the weights, at least 0, infinity included.
    Returns bool, True = kept. Raises ValueError outside.
    """
    if not (np.isreal(threshold) and threshold is not None and threshold >= 0):
        raise ValueError(f"threshold is {threshold}: give a number of at least 0")
    return np.abs(finite("w", w, may_be_empty=True)) >= threshold


def deviation_threshold(w: np.ndarray, multiple: float) -> float:
    """`multiple` times the standard deviation of the weights.

    One `multiple` for all layers prunes each by its own spread.

    >>> deviation_threshold(np.array([-2.0, 2.0, -2.0, 2.0]), 0.75)
    1.5

    w: finite, not empty. multiple: 0 or more. Raises ValueError outside these. Source:
    Han et al. 2015, arXiv:1506.02626, sec. 3.1, where it is the "quality parameter".
    """
    if multiple != 0:
        positive("multiple", multiple)
    return float(multiple * np.std(finite("w", w), dtype=np.float64))


def percentile_threshold(w: np.ndarray, sparsity: float) -> float:
    """The threshold with which `above` removes the fraction `sparsity`.

    It is exact where no |w| equals it: `mask(abs(w), sparsity)` counts right where some
    do. Infinite where nothing is kept.

    >>> percentile_threshold(np.array([-4.0, 1.0, 2.0, -3.0]), 0.5)
    3.0
    """
    magnitudes = np.abs(finite("w", w, may_be_empty=True))
    return threshold_of(magnitudes, mask(magnitudes, sparsity))


def threshold_of(scores: np.ndarray, kept: np.ndarray) -> float:
    """The smallest score that a mask keeps; infinity where it keeps none.

    >>> threshold_of(np.array([0.1, 0.4, 0.3]), np.array([False, True, True]))
    0.3

    scores, kept: of one shape (else ValueError). Where a mask was made from the scores,
    this is the line to draw in their histogram.
    """
    scores = finite("scores", scores, may_be_empty=True)
    kept = a_mask(kept, scores.shape)
    return float(scores.min(where=kept, initial=np.inf))
