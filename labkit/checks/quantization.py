"""Checks of notebook 01: scale and zero point, fake quantization, channel scales."""

from collections.abc import Callable

import numpy as np

from labkit.checks.base import Verdict, Wrong, answer, describe, numbers, verdict


def check_scale_zero_point(fn: Callable) -> Verdict:
    """Check `fn(lo, hi, bits) -> (scale, zero_point)`, affine, on a signed grid."""
    ranges = [
        (-0.9, 1.2, 4),
        (-0.25, 0.75, 2),
        (-1.0, 3.0, 8),
        (-6.0, 0.3, 3),
        (0.5, 2.0, 8),
        (-2.0, -0.5, 4),
    ]
    cases = [_range_case(*setting) for setting in ranges]
    return verdict("check_scale_zero_point", fn, cases)


def _range_case(lo: float, hi: float, bits: int) -> Callable:
    low, high = min(lo, 0.0), max(hi, 0.0)
    steps, qmin = 2**bits - 1, -(2 ** (bits - 1))
    scale = (high - low) / steps
    zero_point = qmin - low / scale

    def case(fn):
        call = f"for lo, hi, bits = {describe(lo, hi, bits)}"
        found_scale, found_zero = _pair(answer(fn, lo, hi, bits))
        if not np.isclose(found_scale, scale, rtol=1e-5):
            raise Wrong(_scale_mistake(found_scale, lo, hi, bits, scale, call))
        if found_zero != round(found_zero):
            raise Wrong(
                f"zero_point must be an integer, because it is a code: {found_zero:g} "
                f"is not; round it ({call})."
            )
        if abs(found_zero - zero_point) > 0.5 + 1e-4:
            raise Wrong(_zero_mistake(found_zero, zero_point, bits, call))

    return case


def _pair(result) -> tuple[float, float]:
    if not isinstance(result, tuple | list | np.ndarray) or len(result) != 2:
        raise Wrong("Return two numbers: `return scale, zero_point`.")
    scale, zero_point = (numbers(part, "two numbers") for part in result)
    if scale.size != 1 or zero_point.size != 1:
        raise Wrong("Return one scale and one zero point, not arrays of them.")
    return float(scale.reshape(-1)[0]), float(zero_point.reshape(-1)[0])


def _scale_mistake(found, lo, hi, bits, scale, call) -> str:
    width = max(hi, 0.0) - min(lo, 0.0)
    if np.isclose(found, 1 / scale):
        return f"Your scale is upside down: it is real units a step ({call})."
    if np.isclose(found, (hi - lo) / (2**bits - 1)):
        return (
            "Your grid does not contain 0. Widen the range to include 0 first, "
            f"because zero padding must stay exactly zero ({call})."
        )
    if np.isclose(found, width / 2**bits):
        return (
            f"Divide by 2**bits - 1: between {2**bits} codes lie "
            f"{2**bits - 1} steps ({call})."
        )
    if np.isclose(found, max(abs(lo), abs(hi)) / (2 ** (bits - 1) - 1)):
        return (
            "That is the symmetric scale, with as much room below 0 as above. "
            f"Here the range is lo to hi as it is ({call})."
        )
    return f"Your scale is {found:g}: it should be (hi - lo) / (2**bits - 1) ({call})."


def _zero_mistake(found, zero_point, bits, call) -> str:
    half = 2 ** (bits - 1)
    if abs(found + zero_point) <= 0.5 + 1e-4:
        return (
            f"The sign of your zero_point is wrong: it is qmin - lo / scale ({call})."
        )
    if abs(found - zero_point - half) <= 0.5 + 1e-4:
        return (
            "Your codes start at 0. On the signed grid the lowest code is "
            f"-(2**(bits - 1)) = {-half} ({call})."
        )
    if abs(abs(found - zero_point) - 1) <= 0.5 + 1e-4:
        return (
            f"Your zero_point is off by one: the lowest code is {-half}, and lo "
            f"belongs on it; round, don't cut ({call})."
        )
    return f"Your zero_point is {found:g}: the code of 0.0 is another one ({call})."


def check_fake_quantize(fn: Callable) -> Verdict:
    """Check `fn(x, scale, zero_point, bits) -> x_hat`: to the grid and back."""
    inside = np.array([-0.9, -0.31, -0.12, 0.0, 0.11, 0.26, 0.58, 0.8], np.float32)
    outside = np.array([-9.0, -1.3, 0.1, 1.3, 9.0], np.float32)
    halves = np.array([-1.25, -0.75, -0.25, 0.25, 0.75, 1.25], np.float32)
    settings = [
        (inside, 0.25, 0, 4),
        (inside, 0.0625, 3, 6),
        (np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), 0.05, -2, 8),
        (outside, 0.25, 0, 3),
        (outside, 0.5, -1, 3),
        (halves, 0.5, 0, 4),
    ]
    cases = [_fake_case(*setting) for setting in settings]
    return verdict("check_fake_quantize", fn, cases)


def _fake_case(x: np.ndarray, scale: float, zero_point: int, bits: int) -> Callable:
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    grid = np.rint(x.astype(np.float64) / scale) + zero_point
    codes = np.clip(grid, qmin, qmax)
    right = scale * (codes - zero_point)

    def case(fn):
        call = f"for scale, zero_point, bits = {describe(scale, zero_point, bits)}"
        found = numbers(answer(fn, x, scale, zero_point, bits), "an array like x")
        if found.shape != x.shape:
            raise Wrong(
                f"Keep the shape: x is {x.shape}, yours {found.shape} ({call})."
            )
        if not np.allclose(found, right, atol=1e-6):
            raise Wrong(_fake_mistake(found, x, scale, zero_point, codes, grid, call))

    return case


def _fake_mistake(found, x, scale, zero_point, codes, grid, call) -> str:
    if np.allclose(found, codes):
        return f"You return the codes: multiply them back, S * (q - Z) ({call})."
    if np.allclose(found, x):
        return f"Nothing is rounded: x comes back as it was ({call})."
    if np.allclose(found, scale * (grid - zero_point), atol=1e-6):
        return (
            "You don't clip: a code outside qmin..qmax does not fit into "
            f"`bits` bits ({call})."
        )
    if np.allclose(found, scale * codes, atol=1e-6):
        return f"Subtract the zero point on the way back: S * (q - Z) ({call})."
    if np.allclose(found, found.flat[0]) or (np.abs(found) > 1e3).any():
        return (
            "Every number lands on one code: to reach the grid, divide by the scale. "
            f"Multiplying is what the article does ({call})."
        )
    low = codes.min() - 1e-6
    if (found / scale + zero_point < low).any():
        return f"Your lowest code is too low: qmin is -(2**(bits - 1)) ({call})."
    return _rounding_mistake(found, x, scale, zero_point, codes, call)


def _rounding_mistake(found, x, scale, zero_point, codes, call) -> str:
    place = x.astype(np.float64) / scale + zero_point
    code = found / scale + zero_point
    worst = np.argmax(np.abs(code - codes))
    if np.allclose(np.abs(code - place).max(), 0.5) and (place % 1 == 0.5).any():
        return (
            f"x = {x.flat[worst]:g} lies half way between two codes. Round halves to "
            "the even code, as np.rint does, or they all drift one way "
            f"({call})."
        )
    if (np.abs(code - codes) < 1 + 1e-4).all() and np.allclose(code, np.rint(code)):
        return (
            f"x = {x.flat[worst]:g} goes to {found.flat[worst]:g}, one step from the "
            f"right code: round to the nearest one, and check qmin and qmax ({call})."
        )
    right = scale * (codes.flat[worst] - zero_point)
    return f"x = {x.flat[worst]:g} gives {found.flat[worst]:g}, not {right:g} ({call})."


def check_channel_scales(fn: Callable) -> Verdict:
    """Check `fn(w, bits, axis) -> scales`: symmetric, one a slice along `axis`."""
    rng = np.random.default_rng(7)
    dense = rng.normal(0, 1, (3, 5)).astype(np.float32)
    dense[1] = -np.abs(dense[1]) * 20
    conv = rng.normal(0, 0.1, (4, 3, 3, 4)).astype(np.float32)
    conv[2] *= 30
    depthwise = rng.normal(0, 1, (1, 3, 3, 6)).astype(np.float32)
    dead = np.concatenate([dense, np.zeros((1, 5), np.float32)])
    settings = [
        (dense, 8, 0),
        (dense, 4, 0),
        (conv, 8, 0),
        (depthwise, 2, 3),
        (dead, 8, 0),
    ]
    cases = [_channel_case(*setting) for setting in settings]
    return verdict("check_channel_scales", fn, cases)


def _peaks(w: np.ndarray, axis: int) -> np.ndarray:
    return np.abs(np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1)).max(axis=1)


def _channel_case(w: np.ndarray, bits: int, axis: int) -> Callable:
    peaks = _peaks(w, axis).astype(np.float64)
    right = peaks / (2 ** (bits - 1) - 1)

    def case(fn):
        call = f"for w of shape {w.shape}, bits = {bits}, axis = {axis}"
        result = answer(fn, w, bits, axis)
        if not (peaks > 0).all():
            _dead_channel(result, call)
        found = numbers(result, "one scale a channel").reshape(-1)
        if found.size != right.size:
            raise Wrong(_size_mistake(found, w, axis, call))
        alive = peaks > 0
        if not np.allclose(found[alive], right[alive], rtol=1e-5):
            raise Wrong(_channel_mistake(found, w, bits, axis, call))

    return case


def _dead_channel(result, call: str) -> None:
    with np.errstate(all="ignore"):
        scales = np.asarray(result, dtype=np.float64)
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise Wrong(
            "One channel is all zeros, and its scale must still be finite and above "
            f"0, since the next step divides by it: give it any, such as 1 ({call})."
        )


def _size_mistake(found, w, axis, call) -> str:
    channels = w.shape[axis]
    if found.size == 1:
        return f"One scale for all is per tensor: return {channels} of them ({call})."
    return (
        f"Return {channels} scales, one a slice along axis {axis}: yours are "
        f"{found.size}. Take the maximum over all the other axes ({call})."
    )


def _channel_mistake(found, w, bits, axis, call) -> str:
    peaks = _peaks(w, axis)
    steps = 2 ** (bits - 1) - 1
    flat = np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1)
    if np.allclose(found, found[0]):
        return f"All your scales are equal: give each channel its own ({call})."
    if np.allclose(found, flat.max(axis=1) / steps):
        return (
            "A channel's largest number may be negative: take the maximum of the "
            f"absolute values ({call})."
        )
    if np.allclose(found, peaks / (steps + 1)):
        return f"Off by one: the largest code is 2**(bits - 1) - 1 = {steps} ({call})."
    if np.allclose(found, peaks / (2**bits - 1)):
        return (
            f"You divide by 2**bits - 1. From 0 to the peak there are only "
            f"2**(bits - 1) - 1 = {steps} steps ({call})."
        )
    other = [a for a in range(w.ndim) if a != axis and w.shape[a] == w.shape[axis]]
    if any(np.allclose(found, _peaks(w, a) / steps) for a in other):
        return f"Wrong axis: the channels lie along axis {axis} ({call})."
    if np.allclose(found * steps * steps, peaks):
        return f"You divide twice by the number of steps ({call})."
    return f"A scale is max|w| / (2**(bits - 1) - 1) of its channel ({call})."
