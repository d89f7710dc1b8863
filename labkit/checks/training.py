"""Checks of notebook 02b: gradients through rounding, and a copy that stays trained."""

from collections.abc import Callable, Mapping

import numpy as np

from labkit.checks.base import Verdict, Wrong, answer, describe, numbers, verdict


def check_rounding_gradients(fn: Callable) -> Verdict:
    """Check `fn(x, scale, low, high, upstream) -> (to_x, to_scale)`.

    The straight-through gradient to x, and the one to the scale of Esser et al. 2019,
    arXiv:1902.08153, eq. 3, without their factor for its size.
    """
    rng = np.random.default_rng(3)
    inside = np.array([-0.6, -0.31, 0.1, 0.28, 0.6])
    both = np.array([-3.0, -0.6, 0.13, -2.2, 9.0])
    many = rng.normal(0, 1, (3, 4)).round(2) + 0.003
    settings = [
        (both, 0.5, -2, 1, np.ones(5)),
        (inside, 0.25, -3, 3, np.ones(5)),
        (both, 0.5, -2, 1, np.array([0.5, -1.0, 2.0, 0.25, -3.0])),
        (np.array([0.07, 0.31, 2.0, 5.0]), 0.1, 0, 15, np.array([1.0, -2, 3, -4])),
        (many, 0.4, -1, 1, rng.normal(0, 1, (3, 4)).round(2)),
    ]
    cases = [_gradient_case(*setting) for setting in settings]
    return verdict("check_rounding_gradients", fn, cases)


def _gradient_case(x, scale: float, low: int, high: int, upstream) -> Callable:
    ratio = x / scale
    inside = (ratio > low) & (ratio < high)
    q = np.clip(np.rint(ratio), low, high)

    def case(fn):
        call = f"for x = {_listed(x)}, scale = {scale}, codes {low} to {high}"
        to_x, to_scale = _two(answer(fn, x, scale, low, high, upstream), x)
        if not np.allclose(to_x, upstream * inside, atol=1e-6):
            raise Wrong(_x_mistake(to_x, inside, upstream, call))
        if not np.isclose(to_scale, np.sum(upstream * (q - ratio * inside)), atol=1e-6):
            raise Wrong(_scale_mistake(to_scale, q, ratio, inside, upstream, call))

    return case


def _listed(x: np.ndarray) -> str:
    return str(x.tolist()) if x.ndim == 1 else describe(x)


def _two(result, x: np.ndarray) -> tuple[np.ndarray, float]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("Return two gradients: `return to_x, to_scale`.")
    to_x, to_scale = (numbers(part, "two gradients") for part in result)
    if to_x.shape != x.shape:
        raise Wrong(f"to_x has a number for each x: x is {x.shape}, to_x {to_x.shape}.")
    if to_scale.size != 1:
        raise Wrong(
            "All of x share one scale, so its gradient is one number: the sum of what "
            f"each x contributes, not {to_scale.size} numbers."
        )
    return to_x, float(to_scale.reshape(-1)[0])


def _x_mistake(to_x, inside, upstream, call: str) -> str:
    if not to_x.any():
        return (
            "Your gradient to x is 0 everywhere. That is the true slope of a "
            "staircase, and nothing learns from it: inside the grid take 1 instead "
            f"({call})."
        )
    if np.allclose(to_x, upstream):
        return (
            "Outside the grid x_hat stays at its end however x moves: the gradient to "
            f"x is 0 there ({call})."
        )
    if np.allclose(to_x, inside):
        return f"Chain rule: multiply the slope by `upstream` ({call})."
    if np.allclose(to_x, upstream * ~inside):
        return f"The wrong way round: 1 inside the grid, 0 outside ({call})."
    return f"to_x is `upstream` inside the grid and 0 outside ({call})."


def _scale_mistake(found, q, ratio, inside, upstream, call: str) -> str:
    parts = q - ratio * inside
    right = np.sum(upstream * parts)
    known = {
        "The sign of the gradient to the scale is wrong: inside the grid each x "
        "contributes q - x / scale": -right,
        "You leave out the clipped numbers: outside the grid x_hat = scale * low or "
        "scale * high, so they contribute low or high": np.sum(
            upstream * parts * inside
        ),
        "You hold the codes fixed. The code is round(x / scale), and x / scale moves "
        "with the scale too: inside the grid subtract x / scale": np.sum(upstream * q),
        "Outside the grid the code does not move with the scale: subtract x / scale "
        "only inside": np.sum(upstream * (q - ratio)),
        "Chain rule: multiply what each x contributes by its `upstream`, then "
        "sum": np.sum(parts),
        "Sum over x, don't average": right / q.size,
    }
    for sentence, value in known.items():
        if np.isclose(found, value, atol=1e-6):
            return f"{sentence} ({call})."
    return f"to_scale is {found:g}, it should be {right:g} ({call})."


def check_quantized_copy(fn: Callable) -> Verdict:
    """Check `fn(weights, quantize) -> new weights`: kernels rounded, biases kept.

    weights: name -> array, as `Network.weights`. quantize: array -> array of the same
    shape.
    """
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
    cases = [_copy_case(dense, _halves), _copy_case(conv, _eighths)]
    return verdict("check_quantized_copy", fn, cases)


def _halves(w: np.ndarray) -> np.ndarray:
    return np.rint(w * 2) / 2


def _eighths(w: np.ndarray) -> np.ndarray:
    return np.rint(w * 8) / 8


def _copy_case(weights: dict[str, np.ndarray], quantize: Callable) -> Callable:
    def case(fn):
        given = {name: array.copy() for name, array in weights.items()}
        result = answer(fn, given, quantize)
        _untouched(given, weights)
        if not isinstance(result, Mapping):
            kind = type(result).__name__
            raise Wrong(
                f"Return a dictionary, name -> array: yours is a {kind}. A list of "
                "layers has no names to look an array up by."
            )
        _names(result, weights)
        for name, before in weights.items():
            _one_array(name, numbers(result[name], "arrays"), before, quantize)

    return case


def _untouched(given: dict, weights: dict) -> None:
    same = set(given) == set(weights) and all(
        np.array_equal(given[name], array) for name, array in weights.items()
    )
    if not same:
        raise Wrong(
            "You change the weights that you are given: the trained network must stay "
            "as it is. Fill a new dictionary."
        )


def _names(result: Mapping, weights: dict) -> None:
    missing = [name for name in weights if name not in result]
    if missing and all(name.endswith("/bias") for name in missing):
        raise Wrong(
            f"The biases are gone ({', '.join(missing)}): that is what "
            "`set_weights([w])` does. Keep them as they are."
        )
    if missing or len(result) > len(weights):
        raise Wrong(
            f"Return the same names: {', '.join(weights)}; yours are "
            f"{', '.join(map(str, result)) or 'none'}."
        )


def _one_array(name: str, found, before: np.ndarray, quantize: Callable) -> None:
    if found.shape != before.shape:
        raise Wrong(
            f"{name} was {before.shape} and is {found.shape}: keep the shape, or it "
            "can't be set back."
        )
    rounded = quantize(before)
    if name.endswith("/bias"):
        if not np.allclose(found, before):
            raise Wrong(
                f"{name} has changed: a bias is few numbers and is added to many "
                "products, so keep it as it is."
            )
    elif np.allclose(found, before):
        raise Wrong(f"{name} is not quantized: pass it through `quantize`.")
    elif not np.allclose(found, rounded):
        raise Wrong(
            f"{name} is not quantize(weights[{name!r}]): take the trained weights, not "
            "new ones of the same shape, and each under its own name."
        )
