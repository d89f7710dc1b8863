"""Exercises of notebook 04b: slopes by the input, and where a layer looks."""

from collections.abc import Callable

import numpy as np

from labkit import distill
from labkit.checks.base import Wrong, numbers
from labkit.checks.exercise import Exercise
from labkit.distill import similarity


def _hidden(w1, b1, x) -> np.ndarray:
    """The hidden units' sums, (n, hidden)."""
    return x @ w1.T + b1


def _through(rows: Callable) -> Callable:
    """Through the units that are on. rows: (w2, logits, labels) -> (n, hidden)."""

    def slopes(w1, b1, w2, x, labels):
        sums = _hidden(w1, b1, x)
        logits = np.maximum(sums, 0) @ w2.T
        return (rows(w2, logits, labels) * (sums > 0)) @ w1

    return slopes


def _passing(gates: Callable) -> Callable:
    """The labels' rows, times `gates(w1, b1, x)`, (n, hidden)."""
    return lambda w1, b1, w2, x, labels: (w2[labels] * gates(w1, b1, x)) @ w1


_slopes = _through(lambda w2, logits, labels: w2[labels])


def _of_loss(w2, logits, labels):
    return (distill.softmax(logits) - distill.one_hot(labels, len(w2))) @ w2


def _of_probability(w2, logits, labels):
    q = distill.softmax(logits)
    own = q[np.arange(len(q)), labels, None]
    return own * (w2[labels] - q @ w2)


def _slope_an_input(result, w1, b1, w2, x, labels) -> np.ndarray:
    found = numbers(result, "a slope for each input")
    if found.shape == x.shape:
        return found
    n, wanted = len(x), x.shape
    if found.shape in (w1.shape, (n, *w1.shape)):
        raise Wrong(
            "That has the shape of w1: slopes by the parameters. Two networks can't be "
            f"compared by these; return one for each input, {wanted}"
        )
    if found.shape == (n, len(w2), w1.shape[1]):
        raise Wrong(
            f"That is the whole Jacobian: take the row of each image's label, {wanted}"
        )
    raise Wrong(
        f"Return a slope for each input of each image, {wanted}, not {found.shape}"
    )


def _network_calls() -> list[tuple]:
    """About half of the labels are not the network's answers."""
    rng = np.random.default_rng(11)
    calls = []
    for n, inputs, hidden, classes in ((4, 5, 6, 3), (3, 7, 4, 5)):
        w1 = rng.normal(size=(hidden, inputs)).round(2)
        b1 = rng.normal(size=hidden).round(2)
        w2 = rng.normal(size=(classes, hidden)).round(2)
        x = rng.normal(size=(n, inputs)).round(2)
        answers = (np.maximum(_hidden(w1, b1, x), 0) @ w2.T).argmax(axis=1)
        calls.append((w1, b1, w2, x, (answers + np.arange(n) % 2) % classes))
    return calls


check_label_slopes = Exercise(
    name="label_slopes",
    asks="""`fn(w1, b1, w2, x, labels) -> slopes`: of the label's logit by the input.

    The logits are w2 @ relu(w1 @ x + b1). w1: (hidden, inputs). w2: (classes, hidden).
    x: (n, inputs). Returned: (n, inputs).
    """,
    reference=_slopes,
    calls=_network_calls(),
    form=_slope_an_input,
    rtol=1e-4,
    atol=1e-5,
    mistakes={
        "The ReLU is missing: through a unit that is off nothing passes, so its slope "
        "is 0 for that image": _passing(lambda w1, b1, x: 1),
        "A unit is on where its sum with the bias is above 0; yours leaves the bias "
        "out": _passing(lambda w1, b1, x: x @ w1.T > 0),
        "A ReLU passes 1 or 0, not the activation itself": (
            _passing(lambda w1, b1, x: np.maximum(_hidden(w1, b1, x), 0))
        ),
        "The wrong way round: a unit passes 1 where its sum is above 0, else 0": (
            _passing(lambda w1, b1, x: _hidden(w1, b1, x) <= 0)
        ),
        "That is the slope of the largest logit: take the label's, also where the "
        "network errs": _through(lambda w2, logits, y: w2[logits.argmax(axis=1)]),
        "That is the slope of all logits' sum: take the label's row of w2": (
            _through(lambda w2, logits, y: w2.sum(axis=0))
        ),
        "That is the slope of the loss, which vanishes where a network is sure: take "
        "the label's logit": _through(_of_loss),
        "That is the slope of the label's probability, which vanishes where a network "
        "is sure: take its logit": _through(_of_probability),
        "The sign is flipped": lambda *call: -_slopes(*call),
        "That is a mean over the images: each image has slopes of its own": (
            lambda w1, b1, w2, x, y: _slopes(w1, b1, w2, x, y) / len(x)
        ),
    },
)


def _summed(change: Callable) -> Callable:
    """`change` of each number, summed over the channels: (n, height * width)."""
    return lambda features: change(features).sum(axis=-1).reshape(len(features), -1)


_squares = _summed(np.square)


def _over(size: Callable, maps: Callable = _squares) -> Callable:
    """Maps of the features over a size of them, `size(maps)`."""
    return lambda features: maps(features) / size(maps(features))


def _length(maps: np.ndarray) -> np.ndarray:
    """The length of each map, (n, 1)."""
    return np.linalg.norm(maps, axis=1, keepdims=True)


def _flat_maps(result, features) -> np.ndarray:
    n, height, width, _ = features.shape
    found = numbers(result, "a map for each image")
    if found.shape == (n, height, width):
        raise Wrong(f"Make each map flat: ({n}, {height * width})")
    if found.shape != (n, height * width):
        raise Wrong(
            f"Return a map for each image, ({n}, {height * width}): sum over the "
            f"channels, the last axis; yours is {found.shape}"
        )
    return found


def _feature_calls() -> list[tuple[np.ndarray]]:
    rng = np.random.default_rng(12)
    shapes = (3, 2, 4, 5), (2, 3, 3, 1)
    return [(rng.normal(size=shape).round(2),) for shape in shapes]


check_attention_maps = Exercise(
    name="attention_maps",
    asks="""`fn(features) -> maps`: (n, height, width, channels) to (n, pixels).

    A map is the sum over the channels of the squares, flat, of length 1.
    """,
    reference=similarity.attention_maps,
    calls=_feature_calls(),
    form=_flat_maps,
    atol=1e-6,
    mistakes={
        "Bring each map to length 1: layers of two networks differ in scale, and a "
        "student should not learn that": _squares,
        "That is the mean of squares, not of length 1": (
            lambda features: _squares(features) / features.shape[-1]
        ),
        "Squares first, then the sum: activations of different sign cancel": (
            _over(_length, _summed(lambda features: features))
        ),
        "That sums magnitudes: take squares": _over(_length, _summed(np.abs)),
        "Each map adds up to 1: divide by its length, the root of the sum of squares": (
            _over(lambda maps: maps.sum(axis=1, keepdims=True))
        ),
        "The largest number of each map is 1: divide by its length": (
            _over(lambda maps: maps.max(axis=1, keepdims=True))
        ),
        "One length for all images: each map has its own": _over(np.linalg.norm),
        "Your length runs over the images: take it over the pixels of each": (
            _over(lambda maps: np.linalg.norm(maps, axis=0))
        ),
        "That is the square of the length: take its root before you divide": (
            _over(lambda maps: _length(maps) ** 2)
        ),
        "That is the root of the squares, the length over the channels: leave the root "
        "out": _over(_length, lambda features: np.sqrt(_squares(features))),
    },
)
