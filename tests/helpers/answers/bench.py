"""Answers to the exercise of notebook 00, written from its text alone."""

import math

import numpy as np


def packed_bytes(weights, scales, bits):
    return math.ceil(weights * bits / 8) + 4 * scales


def as_an_array(weights, scales, bits):
    return np.array([(weights * bits + 7) // 8 + np.float32(4) * scales])


RIGHT = {"packed_bytes": [packed_bytes, as_an_array]}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "packed_bytes": [
        (lambda w, s, b: -1, ""),
        (lambda w, s, b: math.ceil(w * b / 8) + 8 * s, ""),
        (lambda w, s, b: math.ceil(w * b / 8 + 4 * s) + 1, ""),
        (lambda w, s, b: w * math.ceil(b / 8) + 4 * s, "a whole byte a code"),
        (lambda w, s, b: [w * b // 8, 4 * s], "one number"),
        (lambda w, s, b: str(packed_bytes(w, s, b)), "one number"),
        (lambda w, s, b: round(w * b / 8) + 4 * s, ""),
    ],
}
