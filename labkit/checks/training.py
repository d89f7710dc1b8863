"""Exercises of notebook 02b: gradients through rounding, a copy that stays trained."""

from collections.abc import Callable, Mapping

import numpy as np

from labkit.checks.base import Wrong, numbers
from labkit.checks.exercise import Exercise


def _gradients(x, scale, low, high, upstream) -> tuple[np.ndarray, np.ndarray]:
    ratio, inside, q = _parts(x, scale, low, high)
    return upstream * inside, np.sum(upstream * (q - ratio * inside))


def _parts(x, scale, low, high) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x / scale, whether it lies inside the grid, and its code."""
    ratio = np.asarray(x, np.float64) / scale
    return ratio, (ratio > low) & (ratio < high), np.clip(np.rint(ratio), low, high)


def _other_x(to_x: Callable) -> Callable:
    """The right gradient to the scale, and `to_x(inside, upstream)`."""

    def gradients(x, scale, low, high, upstream):
        _, inside, _ = _parts(x, scale, low, high)
        return to_x(inside, upstream), _gradients(x, scale, low, high, upstream)[1]

    return gradients


def _other_scale(to_scale: Callable) -> Callable:
    """The right gradient to x, and `to_scale(ratio, inside, q, upstream)`."""

    def gradients(x, scale, low, high, upstream):
        to_x, _ = _gradients(x, scale, low, high, upstream)
        return to_x, to_scale(*_parts(x, scale, low, high), upstream)

    return gradients


def _to_x_and_scale(result, x, *_) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("Return two gradients: `return to_x, to_scale`")
    to_x, to_scale = (numbers(part, "two gradients") for part in result)
    if to_x.shape != x.shape:
        raise Wrong(f"to_x has a number for each x: x is {x.shape}, to_x {to_x.shape}")
    if to_scale.size != 1:
        raise Wrong(
            "All of x share one scale, so its gradient is one number: the sum of what "
            f"each x contributes, not {to_scale.size} numbers"
        )
    return to_x, to_scale.reshape(())


def _gradient_calls() -> list[tuple]:
    rng = np.random.default_rng(3)
    inside = np.array([-0.6, -0.31, 0.1, 0.28, 0.6])
    both = np.array([-3.0, -0.6, 0.13, -2.2, 9.0])
    many = rng.normal(0, 1, (3, 4)).round(2) + 0.003
    return [
        (both, 0.5, -2, 1, np.ones(5)),
        (inside, 0.25, -3, 3, np.ones(5)),
        (both, 0.5, -2, 1, np.array([0.5, -1.0, 2.0, 0.25, -3.0])),
        (np.array([0.07, 0.31, 2.0, 5.0]), 0.1, 0, 15, np.array([1.0, -2, 3, -4])),
        (many, 0.4, -1, 1, rng.normal(0, 1, (3, 4)).round(2)),
    ]


check_rounding_gradients = Exercise(
    name="rounding_gradients",
    asks="""`fn(x, scale, low, high, upstream) -> (to_x, to_scale)`.

    The straight-through gradient to x, and the one to the scale of Esser et al. 2019,
    arXiv:1902.08153, eq. 3, without their factor for its size.
    """,
    reference=_gradients,
    calls=_gradient_calls(),
    form=_to_x_and_scale,
    atol=1e-6,
    mistakes={
        "Your gradient to x is 0 everywhere. That is the true slope of a staircase, "
        "and nothing learns from it: inside the grid take 1 instead": (
            _other_x(lambda inside, upstream: np.zeros(inside.shape))
        ),
        "Outside the grid x_hat stays at its end however x moves: the gradient to x is "
        "0 there": _other_x(lambda inside, upstream: upstream),
        "Chain rule: multiply the slope by `upstream`": (
            _other_x(lambda inside, upstream: inside)
        ),
        "The wrong way round: the slope is 1 inside the grid, 0 outside": (
            _other_x(lambda inside, upstream: upstream * ~inside)
        ),
        "The sign of the gradient to the scale is wrong: inside the grid each x "
        "contributes q - x / scale": (
            _other_scale(lambda r, inside, q, up: np.sum(up * (r * inside - q)))
        ),
        "You leave out the clipped numbers: outside the grid x_hat = scale * low or "
        "scale * high, so they contribute low or high": (
            _other_scale(lambda r, inside, q, up: np.sum(up * (q - r) * inside))
        ),
        "You hold the codes fixed. The code is round(x / scale), and x / scale moves "
        "with the scale too: inside the grid subtract x / scale": (
            _other_scale(lambda r, inside, q, up: np.sum(up * q))
        ),
        "Outside the grid the code does not move with the scale: subtract x / scale "
        "only inside": _other_scale(lambda r, inside, q, up: np.sum(up * (q - r))),
        "Chain rule: multiply what each x contributes by its `upstream`, then sum": (
            _other_scale(lambda r, inside, q, up: np.sum(q - r * inside))
        ),
        "Sum over x, don't average": (
            _other_scale(lambda r, inside, q, up: np.mean(up * (q - r * inside)))
        ),
    },
)


def _copy(weights: dict, quantize: Callable) -> dict:
    return {
        name: array if name.endswith("/bias") else quantize(array)
        for name, array in weights.items()
    }


def _new_numbers(weights: dict, quantize: Callable) -> dict:
    """clone_model: kernels of the same shapes, drawn anew; the biases are kept."""
    rng = np.random.default_rng(0)
    new = {name: rng.normal(0, 1, array.shape) for name, array in weights.items()}
    kept = {name: a for name, a in weights.items() if name.endswith("/bias")}
    return _copy({**new, **kept}, quantize)


def _biases_zero(weights: dict, quantize: Callable) -> dict:
    copy = _copy(weights, quantize)
    return {name: a * (not name.endswith("/bias")) for name, a in copy.items()}


def _named_arrays(result, weights: dict, quantize: Callable) -> tuple[np.ndarray, ...]:
    """The arrays in the order of the weights that were given."""
    if not isinstance(result, Mapping):
        raise Wrong(
            f"Return a dictionary, name -> array: yours is a {type(result).__name__}. "
            "A list of layers has no names to look an array up by"
        )
    missing = [name for name in weights if name not in result]
    if missing and all(name.endswith("/bias") for name in missing):
        raise Wrong(
            f"The biases are gone ({', '.join(missing)}): that is what "
            "`set_weights([w])` does. Keep them as they are"
        )
    if missing or len(result) > len(weights):
        names = ", ".join(map(str, result)) or "none"
        raise Wrong(f"Return the same names: {', '.join(weights)}; yours are {names}")
    arrays = {name: numbers(result[name], "arrays") for name in weights}
    for name, before in weights.items():
        if arrays[name].shape != before.shape:
            raise Wrong(
                f"{name} was {before.shape} and is {arrays[name].shape}: keep the "
                "shape, or it can't be set back"
            )
    return tuple(arrays.values())


def halves(w: np.ndarray) -> np.ndarray:
    """Rounded to multiples of 1 / 2."""
    return np.rint(w * 2) / 2


def eighths(w: np.ndarray) -> np.ndarray:
    """Rounded to multiples of 1 / 8."""
    return np.rint(w * 8) / 8


def _copy_calls() -> list[tuple[dict, Callable]]:
    rng = np.random.default_rng(5)
    dense = {
        "fc1/kernel": rng.normal(0, 1, (4, 3)),
        "fc1/bias": rng.normal(0, 1, 4),
        "fc2/kernel": rng.normal(0, 1, (2, 4)),
        "fc2/bias": rng.normal(0, 1, 2),
    }
    conv = {
        "conv1/kernel": rng.normal(0, 1, (2, 3, 3, 1)),
        "conv1/bias": rng.normal(0, 1, 2),
        "head/kernel": rng.normal(0, 1, (5, 2)),
    }
    return [(dense, halves), (conv, eighths)]


check_quantized_copy = Exercise(
    name="quantized_copy",
    asks="""`fn(weights, quantize) -> new weights`: kernels rounded, biases kept.

    weights: name -> array, as `Network.weights`. quantize: array -> array of the same
    shape.
    """,
    reference=_copy,
    calls=_copy_calls(),
    form=_named_arrays,
    mistakes={
        "Your kernels are new numbers of the same shapes, as clone_model draws them: "
        "take the trained weights": _new_numbers,
        "Your biases are 0: keep them as they are": _biases_zero,
        "You quantize the biases, too: a bias is few numbers and is added to many "
        "products, so keep it as it is": (
            lambda weights, quantize: {n: quantize(w) for n, w in weights.items()}
        ),
        "Nothing is quantized: pass each kernel through `quantize`": (
            lambda weights, quantize: dict(weights)
        ),
        "You quantize the biases and not the kernels: it is the other way round": (
            lambda weights, quantize: {
                name: quantize(w) if name.endswith("/bias") else w
                for name, w in weights.items()
            }
        ),
    },
)
