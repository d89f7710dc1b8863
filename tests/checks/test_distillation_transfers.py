"""The checks of notebook 04b: right answers pass, wrong ones are told what is wrong."""

import numpy as np
import pytest
from check_asserts import assert_explained

from labkit.checks.distillation_transfers import (
    check_attention_maps,
    check_label_slopes,
)
from labkit.distill import similarity


def slopes(w1, b1, w2, x, labels):
    return similarity.input_slopes([w1, w2], [b1, np.zeros(len(w2))], x, labels)


def logit(w1, b1, w2, row, label):
    return w2[label] @ np.maximum(w1 @ row + b1, 0)


def by_differences(w1, b1, w2, x, labels, step=1e-6):
    """A little up, a little down, input by input, as nested lists."""
    found = []
    for row, label in zip(x, labels, strict=True):
        ends = [
            [logit(w1, b1, w2, row + sign * h, label) for h in step * np.eye(len(row))]
            for sign in (1, -1)
        ]
        found.append(((np.array(ends[0]) - ends[1]) / (2 * step)).tolist())
    return found


@pytest.mark.parametrize("fn", [slopes, by_differences])
def test_right_slopes_pass(fn):
    verdict = check_label_slopes(fn)
    assert verdict, verdict


def jacobian(w1, b1, w2, x, labels):
    return np.stack([(w2 * on) @ w1 for on in x @ w1.T + b1 > 0])


def of_the_largest(w1, b1, w2, x, labels):
    logits = np.maximum(x @ w1.T + b1, 0) @ w2.T
    return slopes(w1, b1, w2, x, logits.argmax(axis=1))


def of_the_loss(w1, b1, w2, x, labels):
    logits = np.maximum(x @ w1.T + b1, 0) @ w2.T
    q = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return ((q - np.eye(len(w2))[labels])[:, :, None] * jacobian(w1, b1, w2, x, 0)).sum(
        axis=1
    )


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (lambda w1, b1, w2, x, y: w2[y] @ w1, "The ReLU is missing"),
        (lambda w1, b1, w2, x, y: (w2[y] * (x @ w1.T > 0)) @ w1, "leaves the bias out"),
        (
            lambda w1, b1, w2, x, y: (w2[y] * np.maximum(x @ w1.T + b1, 0)) @ w1,
            "not the activation itself",
        ),
        (of_the_largest, "the largest logit"),
        (lambda *given: jacobian(*given).sum(axis=1), "all logits' sum"),
        (of_the_loss, "the slope of the loss"),
        (lambda *given: -slopes(*given), "sign is turned"),
        (lambda *given: slopes(*given) / len(given[3]), "a mean over the images"),
        (jacobian, "the whole Jacobian"),
        (lambda w1, b1, w2, x, y: np.ones_like(w1), "slopes by the parameters"),
        (lambda w1, b1, w2, x, y: x, "That is not w2[label]"),
        (lambda w1, b1, w2, x, y: x.T, "a slope for each input"),
    ],
)
def test_wrong_slopes_are_explained(fn, hint):
    assert_explained(check_label_slopes, fn, hint)


def image_by_image(features):
    found = []
    for picture in features:
        squares = [float(np.dot(place, place)) for row in picture for place in row]
        found.append([s / np.hypot.reduce(squares) for s in squares])
    return found


@pytest.mark.parametrize("fn", [similarity.attention_maps, image_by_image])
def test_right_maps_pass(fn):
    verdict = check_attention_maps(fn)
    assert verdict, verdict


def flat(maps):
    return maps.reshape(len(maps), -1)


def squares(features):
    return flat((features**2).sum(axis=-1))


def unit(maps):
    return maps / np.linalg.norm(maps, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (squares, "Bring each map to length 1"),
        (lambda f: flat((f**2).mean(axis=-1)), "the mean of squares"),
        (lambda f: unit(flat(f.sum(axis=-1))), "cancel"),
        (lambda f: unit(flat(np.abs(f).sum(axis=-1))), "take squares"),
        (
            lambda f: squares(f) / squares(f).sum(axis=1, keepdims=True),
            "Each map adds up to 1",
        ),
        (
            lambda f: squares(f) / squares(f).max(axis=1, keepdims=True),
            "The largest place",
        ),
        (lambda f: squares(f) / np.linalg.norm(squares(f)), "One length for all"),
        (lambda f: squares(f) / np.linalg.norm(squares(f), axis=0), "over the images"),
        (lambda f: unit(np.sqrt(squares(f))), "leave the root out"),
        (lambda f: (f**2).sum(axis=-1), "flat"),
        (lambda f: (f**2).sum(axis=(1, 2)), "the last axis"),
        (lambda f: squares(f) + 1, "no such map"),
    ],
)
def test_wrong_maps_are_explained(fn, hint):
    assert_explained(check_attention_maps, fn, hint)
