"""Answers to the exercises of notebooks 03b and 03c, written from their text alone."""

from fractions import Fraction

import numpy as np


def masked_step(w, mask, velocity, gradient, rate, momentum, decay):
    velocity = momentum * velocity - rate * (gradient + decay * w)
    return (w + velocity) * mask, velocity


def everything_masked(w, mask, velocity, gradient, rate, momentum, decay):
    """Weights, gradient and velocity masked; as a list."""
    velocity = (momentum * velocity - rate * (gradient + decay * w)) * mask
    return [w * mask + velocity, velocity]


def indices(w, mask, velocity, gradient, rate, momentum, decay):
    """Steps only the kept weights; the velocities of removed ones stay as they are."""
    w, velocity = np.where(mask, w, 0), velocity.copy()
    k = np.flatnonzero(mask)
    slope = gradient.ravel()[k] + decay * w.ravel()[k]
    velocity.flat[k] = momentum * velocity.ravel()[k] - rate * slope
    w.flat[k] += velocity.ravel()[k]
    return w, velocity


def step(w, velocity, gradient, rate, momentum, decay):
    velocity = momentum * velocity - rate * (gradient + decay * w)
    return w + velocity, velocity


def masked_gradient(w, mask, velocity, gradient, *settings):
    return step(w, velocity, mask * gradient, *settings)


def only_what_moves(w, mask, velocity, gradient, rate, momentum, decay):
    """Zeros stay 0, but a weight that was removed just now stays what it was."""
    slope = np.where(mask, gradient + decay * w, 0)
    velocity = np.where(mask, momentum * velocity, 0) - rate * slope
    return w + velocity, velocity


def inverted(w, mask, *arguments):
    return masked_step(w, np.logical_not(mask), *arguments)


def frozen(w, mask, velocity, gradient, *settings):
    return np.where(mask, w, 0), velocity


def usual_settings(w, mask, velocity, gradient, *_):
    return masked_step(w, mask, velocity, gradient, 0.1, 0.9, 0.01)


def nesterov(w, mask, velocity, gradient, rate, momentum, decay):
    _, velocity = step(w, velocity, gradient, rate, momentum, decay)
    return (w + momentum * velocity - rate * (gradient + decay * w)) * mask, velocity


def tiny(w, mask, *arguments):
    """Almost 0 is not 0."""
    w, velocity = step(w, *arguments)
    return np.where(mask, w, 1e-12), velocity


def without_decay(w, mask, velocity, gradient, rate, momentum, decay):
    return masked_step(w, mask, velocity, gradient, rate, momentum, 0)


def without_momentum(w, mask, velocity, gradient, rate, momentum, decay):
    return masked_step(w, mask, 0 * velocity, gradient, rate, momentum, decay)


def uphill(w, mask, velocity, gradient, rate, momentum, decay):
    return masked_step(w, mask, velocity, gradient, -rate, momentum, decay)


def forgets_velocity(w, mask, velocity, *rest):
    return masked_step(w, mask, velocity, *rest)[0], np.zeros_like(velocity)


def removed_units(w1, b1, w2, gone):
    return np.delete(w1, gone, 0), np.delete(b1, gone), np.delete(w2, gone, 1)


def reordered(w1, b1, w2, gone):
    """Keeps the units by size, largest first: another order, the same function."""
    stay = [k for k in np.argsort(-np.abs(w1).sum(axis=1)) if k not in gone]
    return w1[stay], b1[stay], w2[:, stay]


def from_the_end(w1, b1, w2, gone):
    """One after the other, the last first, so that no other one moves; lists."""
    for unit in sorted(gone, reverse=True):
        w1, b1, w2 = removed_units(w1, b1, w2, unit)
    return [w1.tolist(), b1.tolist(), w2.tolist()]


def one_after_the_other(w1, b1, w2, gone):
    for unit in gone:
        w1, b1, w2 = removed_units(w1, b1, w2, unit)
    return w1, b1, w2


def clipped_to_the_last(w1, b1, w2, gone):
    for unit in gone:
        w1, b1, w2 = removed_units(w1, b1, w2, [min(unit, len(w1) - 1)])
    return w1, b1, w2


def the_first_ones(w1, b1, w2, gone):
    left = len(b1) - len(gone)
    return w1[:left], b1[:left], w2[:, :left]


def only_the_first_of_the_list(w1, b1, w2, gone):
    return removed_units(w1, b1, w2, gone[:1])


def replaced(name, remove):
    """As `removed_units`, but for one of the three arrays."""

    def fn(w1, b1, w2, gone):
        given = {"w1": w1, "b1": b1, "w2": w2}
        right = dict(zip(given, removed_units(w1, b1, w2, gone), strict=True))
        return tuple((right | {name: remove(given[name], gone)}).values())

    return fn


def masked(w1, b1, w2, gone):
    w1, b1 = w1.copy(), b1.copy()
    w1[gone], b1[gone] = 0, 0
    return w1, b1, w2


def by_search(bits):
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        shorter = 1 + bits * (1 - middle) < bits
        low, high = (low, middle) if shorter else (middle, high)
    return np.array([high])


RIGHT = {
    "masked_step": [masked_step, everything_masked, indices],
    "removed_units": [removed_units, reordered, from_the_end],
    "bitmap_break_even": [
        lambda bits: 1 / bits,
        lambda bits: Fraction(1, bits),
        by_search,
    ],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "masked_step": [
        (lambda w, mask, *rest: step(w, *rest), "A removed weight came back"),
        (lambda w, mask, *rest: step(mask * w, *rest), "A removed weight came back"),
        (masked_gradient, "the velocity from before the pruning"),
        (only_what_moves, "stay at their old value"),
        (inverted, "the wrong way round"),
        (frozen, "do not move"),
        (without_decay, "weight decay is missing"),
        (without_momentum, "momentum is missing"),
        (uphill, "a step goes against it"),
        (forgets_velocity, "that you return is 0"),
        (usual_settings, ""),
        (nesterov, ""),
        (tiny, ""),
        (lambda w, *rest: (w + 1, w), ""),
        (lambda w, *rest: (0 * w, 0 * w), ""),
        (lambda *given: masked_step(*given)[::-1], ""),
        (lambda *given: masked_step(*given)[0], "Return the weights and the velocity"),
        (lambda w, *rest: (w[:2], w[:2]), "keep the shape"),
    ],
    "removed_units": [
        (masked, "a unit set to 0 is masked"),
        (replaced("b1", lambda b1, gone: b1), "The biases of the removed units"),
        (replaced("w2", lambda w2, gone: w2), "The columns of w2 are left"),
        (replaced("w2", lambda w2, u: np.delete(w2, u, 0)), "You remove rows of w2"),
        (replaced("w1", lambda w1, u: np.delete(w1, u, 1)), "a unit is a row of w1"),
        (replaced("w2", lambda w2, u: w2[:, len(u) :]), "Other columns of w2"),
        (replaced("b1", lambda b1, u: b1[len(u) :]), "Other entries of b1"),
        (lambda w1, b1, w2, u: (w1[u], b1[u], w2.T[u].T), "keep the units that should"),
        (the_first_ones, "not those of the list"),
        (one_after_the_other, "the later units move up"),
        (clipped_to_the_last, "the later units move up"),
        (replaced("b1", lambda b1, u: 0 * np.delete(b1, u)), ""),
        (replaced("w2", lambda w2, u: np.delete(w2, u, 1)[::-1]), ""),
        (only_the_first_of_the_list, "w1 should be (4, 2), yours is (5, 2)"),
        (lambda w1, b1, w2, u: (w1, b1), "Return three arrays"),
        (lambda w1, b1, w2, u: ("w1", "b1", "w2"), "does not hold numbers"),
    ],
    "bitmap_break_even": [
        (lambda bits: (bits - 1) / bits, "the fraction that may stay"),
        (lambda bits: 100 / bits, "in percent"),
        (lambda bits: 1 / (1 + bits), "stored or not"),
        (lambda bits: 8 / bits, "not a byte"),
        (lambda bits: 1 / 2, "Half is where"),
        (lambda bits: 32 / (bits + 32), "That is CSR"),
        (lambda bits: 1 / 32, "32-bit values only"),
        (lambda bits: bits, ""),
        (lambda bits: round(1 / bits, 2), ""),
        (lambda bits: 1 / bits**2, ""),
        (lambda bits: str(1 / bits), "one sparsity"),
        (lambda bits: [0.1, 0.2], "one sparsity"),
        (lambda bits: None, "returns None"),
    ],
}
