"""Answers to the Taylor exercises, written from the lesson's text alone."""

import numpy as np

from labkit.prune import scores, units


def by_finite_differences(w, gradient):
    """The linear loss with every weight set to 0, one after the other; a list."""

    def loss(x):
        return np.sum(x * gradient)

    found = np.empty(w.shape)
    for place in np.ndindex(w.shape):
        without = w.copy()
        without[place] = 0
        found[place] = abs(loss(without) - loss(w))
    return found.tolist()


def unit_by_unit(kernel, gradient):
    return [abs(float(np.vdot(w, g))) for w, g in zip(kernel, gradient, strict=True)]


def rows_of(w, g):
    return (w * g).reshape(len(w), -1)


RIGHT = {
    "taylor_scores": [scores.taylor, by_finite_differences],
    "taylor_units": [units.unit_taylor, unit_by_unit],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "taylor_scores": [
        (lambda w, g: np.maximum(-w * g, 0), ""),
        (lambda w, g: scores.fisher(w, g**2), "second order"),
        (lambda w, g: np.abs(w) + np.abs(g), ""),
        (lambda w, g: np.abs(w * g) / np.abs(w * g).sum(), ""),
        (lambda w, g: np.abs(w * g).mean(axis=0) + 0 * w, ""),
        (lambda w, g: np.argsort(np.abs(w * g), axis=None).reshape(w.shape), ""),
        (lambda w, g: np.abs(w * g).sum(axis=-1), "Return a score for each weight"),
        (lambda w, g: None, "returns None"),
    ],
    "taylor_units": [
        (lambda w, g: np.abs((w * g).sum(axis=0)), "one score for each of the 2 units"),
        (lambda w, g: units.unit_taylor(w, g) + 1, ""),
        (lambda w, g: np.linalg.norm(rows_of(w, g), axis=1), ""),
        (lambda w, g: np.abs(rows_of(w, g)).max(axis=1), ""),
        (lambda w, g: np.abs(w.reshape(len(w), -1).sum(1) * g.mean()), ""),
        (lambda w, g: np.abs(np.abs(w) * g).reshape(len(w), -1).sum(1), "magnitudes"),
    ],
}
