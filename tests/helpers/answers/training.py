"""Answers to the exercises of notebook 02b, written from its text alone."""

import numpy as np


def parts(x, scale, low, high):
    ratio = x / scale
    return ratio, (ratio > low) & (ratio < high), np.clip(np.rint(ratio), low, high)


def rounding_gradients(x, scale, low, high, upstream):
    ratio, inside, q = parts(x, scale, low, high)
    return upstream * inside, np.sum(upstream * (q - ratio * inside))


def unusual_gradients(x, scale, low, high, upstream):
    """From the values, number by number: (x_hat - x) / scale inside, x_hat / scale out.

    Answers a list of a float32 array and an array of one number.
    """
    to_x, to_scale = np.zeros(x.shape, np.float32), 0.0
    for place in np.ndindex(x.shape):
        x_hat = scale * min(max(np.round(x[place] / scale), low), high)
        free = scale * low < x[place] < scale * high
        to_x[place] = upstream[place] if free else 0
        to_scale += upstream[place] * (x_hat - x[place] * free) / scale
    return [to_x, np.array([to_scale])]


def scale_part(function):
    """Right for x, and `function` of ratio, inside, q, upstream for the scale."""

    def gradients(x, scale, low, high, upstream):
        to_x, _ = rounding_gradients(x, scale, low, high, upstream)
        return to_x, function(*parts(x, scale, low, high), upstream)

    return gradients


averaged = scale_part(lambda r, i, q, up: np.mean(up * (q - r * i)))
not_summed = scale_part(lambda r, i, q, up: up * (q - r * i))
another = scale_part(lambda r, i, q, up: 17.0)


def quantized_copy(weights, quantize):
    return {
        name: quantize(array) if name.endswith("/kernel") else array
        for name, array in weights.items()
    }


def unusual_copy(weights, quantize):
    """Takes whatever has more than one axis for a kernel, in another order."""
    copy = dict(reversed(weights.items()))
    copy.update((name, quantize(w)) for name, w in weights.items() if w.ndim > 1)
    return copy


def article_clone(weights, quantize):
    """clone_model: the same shapes, new random numbers."""
    rng = np.random.default_rng(0)
    new = {name: rng.normal(0, 1, w.shape) for name, w in weights.items()}
    return {n: w if n.endswith("bias") else quantize(w) for n, w in new.items()}


def zero_biases_new_kernels(weights, quantize):
    copy = article_clone(weights, quantize)
    return {n: weights[n] if n.endswith("bias") else w for n, w in copy.items()}


def drops_biases(weights, quantize):
    return {n: quantize(w) for n, w in weights.items() if n.endswith("/kernel")}


def rounds_biases(weights, quantize):
    return {name: quantize(array) for name, array in weights.items()}


def in_place(weights, quantize):
    for name in weights:
        if name.endswith("/kernel"):
            weights[name] = quantize(weights[name])
    return weights


def into_the_arrays(weights, quantize):
    for name, array in weights.items():
        if name.endswith("/kernel"):
            array[:] = quantize(array)
    return dict(weights)


def flattened(weights, quantize):
    copy = quantized_copy(weights, quantize)
    return {n: w.ravel() if n.endswith("kernel") else w for n, w in copy.items()}


RIGHT = {
    "rounding_gradients": [rounding_gradients, unusual_gradients],
    "quantized_copy": [quantized_copy, unusual_copy],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "rounding_gradients": [
        (averaged, "don't average"),
        (not_summed, "one number"),
        (another, ""),
        (lambda x, scale, low, high, upstream: upstream, "two gradients"),
        (lambda x, scale, low, high, upstream: (upstream.sum(), 1.0), "for each x"),
        (lambda x, s, low, high, up: rounding_gradients(x, s, low, high, -up), ""),
        (lambda x, s, low, high, up: rounding_gradients(x, 2 * s, low, high, up), ""),
    ],
    "quantized_copy": [
        (article_clone, ""),
        (zero_biases_new_kernels, "as clone_model draws them"),
        (drops_biases, "The biases are gone (fc1/bias, fc2/bias)"),
        (rounds_biases, "You quantize the biases, too"),
        (in_place, "changes the array"),
        (into_the_arrays, "changes the array"),
        (flattened, "keep the shape"),
        (lambda weights, quantize: list(weights.values()), "yours is a list"),
        (lambda weights, quantize: {"fc1": 1}, "Return the same names"),
        (lambda weights, quantize: quantized_copy(weights, np.rint), ""),
        (lambda weights, q: {n: q(w) / 2 for n, w in weights.items()}, ""),
    ],
}
