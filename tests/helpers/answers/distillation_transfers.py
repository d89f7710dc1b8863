"""Answers to the exercises of notebook 04b, written from its text alone."""

import numpy as np

from labkit.distill import similarity


def slopes(w1, b1, w2, x, labels):
    return similarity.input_slopes([w1, w2], [b1, np.zeros(len(w2))], x, labels)


def logit(w1, b1, w2, image, label):
    return w2[label] @ np.maximum(w1 @ image + b1, 0)


def by_differences(w1, b1, w2, x, labels, step=1e-6):
    """A little up, a little down, input by input, as nested lists."""
    found = []
    for image, label in zip(x, labels, strict=True):
        ends = [
            [
                logit(w1, b1, w2, image + at, label)
                for at in sign * step * np.eye(len(image))
            ]
            for sign in (1, -1)
        ]
        found.append(((np.array(ends[0]) - ends[1]) / (2 * step)).tolist())
    return found


def jacobian(w1, b1, w2, x, labels):
    return np.stack([(w2 * on) @ w1 for on in x @ w1.T + b1 > 0])


def row_of_the_jacobian(w1, b1, w2, x, labels):
    whole = jacobian(w1, b1, w2, x, labels)
    return np.take_along_axis(whole, labels[:, None, None], axis=1)[:, 0]


def logits_of(w1, b1, w2, x):
    return np.maximum(x @ w1.T + b1, 0) @ w2.T


def of_the_largest(w1, b1, w2, x, labels):
    return slopes(w1, b1, w2, x, logits_of(w1, b1, w2, x).argmax(axis=1))


def of_the_loss(w1, b1, w2, x, labels):
    logits = logits_of(w1, b1, w2, x)
    q = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    off = q - np.eye(len(w2))[labels]
    return np.einsum("nc,ncd->nd", off, jacobian(w1, b1, w2, x, labels))


def image_by_image(features):
    found = []
    for picture in features:
        squares = [float(np.dot(pixel, pixel)) for row in picture for pixel in row]
        found.append([s / np.hypot.reduce(squares) for s in squares])
    return found


def by_einsum(features):
    maps = np.einsum("nhwc,nhwc->nhw", features, features).reshape(len(features), -1)
    return np.float32(maps / np.einsum("np,np->n", maps, maps)[:, None] ** 0.5)


def flat(maps):
    return maps.reshape(len(maps), -1)


def squares(features):
    return flat((features**2).sum(axis=-1))


def unit(maps):
    return maps / np.linalg.norm(maps, axis=1, keepdims=True)


RIGHT = {
    "label_slopes": [slopes, by_differences, row_of_the_jacobian],
    "attention_maps": [similarity.attention_maps, image_by_image, by_einsum],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "label_slopes": [
        (of_the_largest, "the largest logit"),
        (of_the_loss, "the slope of the loss"),
        (lambda *given: jacobian(*given).sum(axis=1), "all logits' sum"),
        (lambda *given: jacobian(*given).mean(axis=1), ""),
        (lambda *given: jacobian(*given)[:, 0], ""),
        (lambda *given: np.abs(slopes(*given)), ""),
        (lambda *given: unit(slopes(*given)), ""),
        (lambda w1, b1, w2, x, y: slopes(w1, -b1, w2, x, y), ""),
        (lambda w1, b1, w2, x, y: slopes(w1, b1, w2, x, y) * x, ""),
        (lambda w1, b1, w2, x, y: x, ""),
        (jacobian, "the whole Jacobian"),
        (lambda w1, b1, w2, x, y: np.ones_like(w1), "slopes by the parameters"),
        (lambda w1, b1, w2, x, y: np.ones((len(x), *w1.shape)), "by the parameters"),
        (lambda w1, b1, w2, x, y: x.T, "a slope for each input"),
    ],
    "attention_maps": [
        (squares, "Bring each map to length 1"),
        (lambda f: unit(flat((f**2).mean(axis=-1) ** 0.5)), "leave the root out"),
        (lambda f: unit(flat(f.mean(axis=-1))), "cancel"),
        (lambda f: unit(flat(f.sum(axis=-1)) ** 2), ""),
        (lambda f: unit(flat(f.max(axis=-1))), ""),
        (lambda f: unit(flat((f**4).sum(axis=-1))), ""),
        (lambda f: unit(flat((f**2).sum(axis=-1).transpose(0, 2, 1))), ""),
        (lambda f: squares(f) + 1, ""),
        (lambda f: unit(squares(f)).round(2), ""),
        (lambda f: (f**2).sum(axis=-1), "flat"),
        (lambda f: (f**2).sum(axis=(1, 2)), "the last axis"),
    ],
}
