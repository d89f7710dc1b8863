"""Checks of notebook 04b: slopes by the input, and where a layer looks."""

from collections.abc import Callable

import numpy as np

from labkit import distill
from labkit.checks.base import Verdict, Wrong, answer, named, numbers, verdict
from labkit.distill import similarity


def check_label_slopes(fn: Callable) -> Verdict:
    """Check `fn(w1, b1, w2, x, labels) -> slopes`: of the label's logit by the input.

    The logits are w2 @ relu(w1 @ x + b1). w1: (hidden, inputs). w2: (classes, hidden).
    x: (n, inputs). Returned: (n, inputs).
    """
    rng = np.random.default_rng(11)
    cases = []
    for n, inputs, hidden, classes in ((4, 5, 6, 3), (3, 7, 4, 5)):
        w1 = rng.normal(size=(hidden, inputs)).round(2)
        b1 = rng.normal(size=hidden).round(2)
        w2 = rng.normal(size=(classes, hidden)).round(2)
        x = rng.normal(size=(n, inputs)).round(2)
        answers = (np.maximum(x @ w1.T + b1, 0) @ w2.T).argmax(axis=1)
        labels = (answers + np.arange(n) % 2) % classes  # some answers are wrong
        cases.append(_slopes_case(w1, b1, w2, x, labels))
    return verdict("check_label_slopes", fn, cases)


def _slopes_case(w1, b1, w2, x, labels) -> Callable:
    h = x @ w1.T + b1
    on, n = h > 0, len(x)

    def case(fn):
        call = f"for {n} images of {w1.shape[1]} inputs, {len(w1)} hidden units"
        found = numbers(answer(fn, w1, b1, w2, x, labels), "a slope for each input")
        if found.shape != x.shape:
            raise Wrong(_slopes_shape(found.shape, w1, w2, n, call))
        right = (w2[labels] * on) @ w1
        if np.allclose(found, right, rtol=1e-4, atol=1e-5):
            return
        logits = np.maximum(h, 0) @ w2.T
        q = distill.soften(logits)
        of_loss = (q - distill.one_hot(labels, len(w2))) @ w2
        known = {
            "The ReLU is missing: through a unit that is off nothing passes, so its "
            "slope is 0 for that image": w2[labels] @ w1,
            "A unit is on where its sum with the bias is above 0; yours leaves the "
            "bias out": (w2[labels] * (x @ w1.T > 0)) @ w1,
            "A ReLU passes 1 or 0, not the activation itself": (
                (w2[labels] * np.maximum(h, 0)) @ w1
            ),
            "That is the slope of the largest logit: take the label's, also where the "
            "network errs": (w2[logits.argmax(axis=1)] * on) @ w1,
            "That is the slope of all logits' sum: take the label's row of w2": (
                (w2.sum(axis=0) * on) @ w1
            ),
            "That is the slope of the loss, which vanishes where a network is sure: "
            "take the label's logit": (of_loss * on) @ w1,
            "The sign is turned": -right,
            "That is a mean over the images: each image has slopes of its own": right
            / n,
        }
        other = "That is not w2[label] over the units that are on, times w1"
        raise Wrong(named(known, found, other, call))

    return case


def _slopes_shape(shape, w1, w2, n: int, call: str) -> str:
    wanted = f"({n}, {w1.shape[1]})"
    if shape == w1.shape or shape == (n, *w1.shape):
        return (
            f"That has the shape of w1: slopes by the parameters. Two networks can't "
            f"be compared by these; return one for each input, {wanted} ({call})."
        )
    if shape == (n, len(w2), w1.shape[1]):
        return (
            f"That is the whole Jacobian: take the row of each image's label, {wanted} "
            f"({call})."
        )
    return f"Return a slope for each input of each image, {wanted}, not {shape}."


def check_attention_maps(fn: Callable) -> Verdict:
    """Check `fn(features) -> maps`: (n, height, width, channels) to (n, places).

    A map is the sum over the channels of the squares, flat, of length 1.
    """
    rng = np.random.default_rng(12)
    settings = [(3, 2, 4, 5), (2, 3, 3, 1)]
    cases = [_maps_case(rng.normal(size=shape).round(2)) for shape in settings]
    return verdict("check_attention_maps", fn, cases)


def _maps_case(features: np.ndarray) -> Callable:
    n, height, width, _ = features.shape
    right = similarity.attention_maps(features)

    def case(fn):
        call = f"for features of shape {features.shape}"
        found = numbers(answer(fn, features), "a map for each image")
        if found.shape == (n, height, width):
            raise Wrong(f"Make each map flat: ({n}, {height * width}) ({call}).")
        if found.shape != right.shape:
            raise Wrong(
                f"Return a map for each image, ({n}, {height * width}): sum over the "
                f"channels, the last axis; yours is {found.shape} ({call})."
            )
        if np.allclose(found, right, atol=1e-6):
            return
        raise Wrong(named(_wrong_maps(features), found, "That is no such map", call))

    return case


def _wrong_maps(features: np.ndarray) -> dict[str, np.ndarray]:
    n = len(features)
    squares = np.square(features).sum(axis=-1).reshape(n, -1)
    sums = features.sum(axis=-1).reshape(n, -1)
    sizes = np.abs(features).sum(axis=-1).reshape(n, -1)

    def unit(maps, axis: int | None = 1):
        return maps / np.sqrt(np.sum(maps**2, axis=axis, keepdims=axis is not None))

    return {
        "Bring each map to length 1: layers of two networks differ in scale, and a "
        "student should not learn that": squares,
        "That is the mean of squares, not of length 1": squares / features.shape[-1],
        "Squares first, then the sum: activations of different sign cancel": unit(sums),
        "That sums magnitudes: take squares": unit(sizes),
        "Each map adds up to 1: divide by its length, the root of the sum of squares": (
            squares / squares.sum(axis=1, keepdims=True)
        ),
        "The largest place of each map is 1: divide by its length": (
            squares / squares.max(axis=1, keepdims=True)
        ),
        "One length for all images: each map has its own": unit(squares, None),
        "Your length runs over the images: take it over the places": unit(squares, 0),
        "That is the root of the squares, the length over the channels: leave the root "
        "out": unit(np.sqrt(squares)),
    }
