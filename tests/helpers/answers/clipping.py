"""Answers to the exercise of choosing a clip: any search passes."""

import numpy as np


def top_code(bits):
    return 2 ** (bits - 1) - 1


def on_grid(w, clip, bits):
    scale = clip / top_code(bits)
    return scale * np.clip(np.rint(w / scale), -top_code(bits), top_code(bits))


def squared(w, clip, bits):
    return np.sum(np.square(w - on_grid(w, clip, bits)))


def peak(w):
    return np.abs(w).max()


def tried(w):
    return peak(w) * np.linspace(0.01, 1, 100)


def brute_force(w, bits):
    return min(tried(w), key=lambda clip: squared(w, clip, bits))


def golden_section(w, bits):
    """A few coarse clips, then 20 golden sections around the best of them."""
    coarse = peak(w) * np.linspace(0.05, 1.05, 21)
    k = int(np.argmin([squared(w, clip, bits) for clip in coarse]))
    low, high = coarse[max(k - 1, 0)], coarse[min(k + 1, 20)]
    ratio = (5**0.5 - 1) / 2
    for _ in range(20):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if squared(w, left, bits) < squared(w, right, bits):
            high = right
        else:
            low = left
    return np.float32(low)


def ternary_search(w, bits):
    low, high = 0.02 * peak(w), peak(w)
    for _ in range(30):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if squared(w, left, bits) < squared(w, right, bits):
            high = right
        else:
            low = left
    return [(low + high) / 2]


def alternate(w, bits):
    """Lloyd's way: round to codes, fit the scale to them, again, from three starts."""
    found = []
    for start in (0.3, 0.6, 1.0):
        clip = start * peak(w)
        for _ in range(60):
            q = np.rint(on_grid(w, clip, bits) / clip * top_code(bits))
            clip = top_code(bits) * np.sum(w * q) / np.sum(q * q)
        found.append(clip)
    return min(found, key=lambda clip: squared(w, clip, bits))


def covers_all(w, bits):
    return peak(w)


def least_clipping(w, bits):
    def clipping(clip):
        return np.sum(np.square(w - np.clip(w, -clip, clip)))

    return min(tried(w), key=clipping)


def least_roundoff(w, bits):
    def roundoff(clip):
        return squared(np.clip(w, -clip, clip), clip, bits)

    return min(tried(w), key=roundoff)


def one_interval_too_many(w, bits):
    """Spreads 2**bits intervals over -clip .. clip."""

    def error(clip):
        step = 2 * clip / 2**bits
        return np.sum(np.square(w - step * np.rint(np.clip(w, -clip, clip) / step)))

    return min(tried(w), key=error)


def levels_without_zero(w, bits):
    """2**bits levels, evenly from -clip to clip: none of them is 0."""

    def error(clip):
        levels = np.linspace(-clip, clip, 2**bits)
        distance = np.abs(np.ravel(w)[:, None] - levels).min(axis=1)
        return np.sum(np.square(distance))

    return min(tried(w), key=error)


def gives_the_scale(w, bits):
    return brute_force(w, bits) / top_code(bits)


def least_absolute_error(w, bits):
    return min(tried(w), key=lambda clip: np.abs(w - on_grid(w, clip, bits)).sum())


def too_wide(w, bits):
    return 0.8 * peak(w)


def a_rule_of_thumb(w, bits):
    """Forgets the bits."""
    return 1.2 * w.std()


def searches_a_fixed_range(w, bits):
    """Forgets that weights have a size."""
    return min(np.linspace(0.1, 5, 100), key=lambda clip: squared(w, clip, bits))


def changes_w(w, bits):
    w /= peak(w)
    return brute_force(w, bits)


RIGHT = {"best_clip": [brute_force, golden_section, ternary_search, alternate]}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "best_clip": [
        (covers_all, "clips nothing"),
        (least_clipping, "clips nothing"),
        (least_roundoff, "Nearly all weights are clipped"),
        (one_interval_too_many, "a grid of 2**bits intervals"),
        (levels_without_zero, "a grid of 2**bits - 1 intervals"),
        (gives_the_scale, "That is the scale"),
        (least_absolute_error, "square it first"),
        (too_wide, ""),
        (a_rule_of_thumb, ""),
        (searches_a_fixed_range, ""),
        (changes_w, "changes the array"),
        (lambda w, bits: -peak(w), "above 0"),
        (lambda w, bits: tried(w), "one clip for all"),
        (lambda w, bits: float("nan"), "not a number"),
        (lambda w, bits: None, "returns None"),
        (lambda w: peak(w), "TypeError"),
    ],
}
