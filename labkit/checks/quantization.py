"""Exercises of notebook 01: scale and zero point, fake quantization, channel scales."""

import numpy as np

from labkit.checks.base import Wrong, numbers
from labkit.checks.exercise import Exercise


def _wide(lo: float, hi: float) -> tuple[float, float]:
    return min(lo, 0.0), max(hi, 0.0)


def _affine(lo: float, hi: float, bits: int) -> tuple[float, int]:
    low, high = _wide(lo, hi)
    scale = (high - low) / (2**bits - 1)
    return scale, round(-(2 ** (bits - 1)) - low / scale)


def _without_zero(lo, hi, bits):
    scale = (hi - lo) / (2**bits - 1)
    return scale, round(-(2 ** (bits - 1)) - lo / scale)


def _one_step_too_many(lo, hi, bits):
    low, high = _wide(lo, hi)
    scale = (high - low) / 2**bits
    return scale, round(-(2 ** (bits - 1)) - low / scale)


def _symmetric(lo, hi, bits):
    return max(abs(lo), abs(hi)) / (2 ** (bits - 1) - 1), 0


def _moved(by):
    """The right scale, and a zero point that is changed by `by(zero_point, bits)`."""

    def moved(lo, hi, bits):
        scale, zero_point = _affine(lo, hi, bits)
        return scale, by(zero_point, bits)

    return moved


def _upside_down(lo, hi, bits):
    scale, zero_point = _affine(lo, hi, bits)
    return 1 / scale, zero_point


def _cut(lo, hi, bits):
    low, _ = _wide(lo, hi)
    scale, _ = _affine(lo, hi, bits)
    return scale, int(-(2 ** (bits - 1)) - low / scale)


def _scale_and_zero_point(result, *_) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(result, tuple | list | np.ndarray) or len(result) != 2:
        raise Wrong("Return two numbers: `return scale, zero_point`")
    scale, zero_point = (numbers(part, "two numbers") for part in result)
    if scale.size != 1 or zero_point.size != 1:
        raise Wrong("Return one scale and one zero point, not arrays of them")
    if zero_point != np.rint(zero_point):
        raise Wrong(
            "zero_point must be an integer, because it is a code: "
            f"{zero_point.item():g} is not; round it"
        )
    return scale.reshape(()), zero_point.reshape(())


def _is_scale_and_zero_point(value, lo, hi, bits) -> bool:
    """Half way between two codes, either is right."""
    low, _ = _wide(lo, hi)
    scale, zero_point = value
    right, _ = _affine(lo, hi, bits)
    exact = -(2 ** (bits - 1)) - low / right
    return np.isclose(scale, right, rtol=1e-5) and abs(zero_point - exact) <= 0.5 + 1e-4


check_scale_zero_point = Exercise(
    name="scale_zero_point",
    asks="`fn(lo, hi, bits) -> (scale, zero_point)`, affine, on a signed grid.",
    reference=_affine,
    calls=[
        (-0.9, 1.2, 4),
        (-0.25, 0.75, 2),
        (-1.0, 3.0, 8),
        (-6.0, 0.3, 3),
        (0.5, 2.0, 8),
        (-2.0, -0.5, 4),
    ],
    form=_scale_and_zero_point,
    accepts=_is_scale_and_zero_point,
    mistakes={
        "Your scale is upside down: it is real units a step": _upside_down,
        "Your grid does not contain 0. Widen the range to include 0 first, because "
        "zero padding must stay exactly zero": _without_zero,
        "Divide by 2**bits - 1: between 2**bits codes lie 2**bits - 1 steps": (
            _one_step_too_many
        ),
        "That is the symmetric scale, with as much room below 0 as above. Here the "
        "range is lo to hi as it is": _symmetric,
        "The sign of your zero_point is wrong: it is qmin - lo / scale": (
            _moved(lambda zero_point, bits: -zero_point)
        ),
        "Your codes start at 0. On the signed grid the lowest code is "
        "-(2**(bits - 1))": _moved(
            lambda zero_point, bits: zero_point + 2 ** (bits - 1)
        ),
        "Your zero_point is one too large: the lowest code is -(2**(bits - 1)), and lo "
        "belongs on it": _moved(lambda zero_point, bits: zero_point + 1),
        "Your zero_point is one too small: the lowest code is -(2**(bits - 1)), and lo "
        "belongs on it": _moved(lambda zero_point, bits: zero_point - 1),
        "You cut the digits of zero_point off: round to the nearest integer": _cut,
        "zero_point is the code of 0.0, which is 0 on a symmetric grid only": (
            _moved(lambda zero_point, bits: 0)
        ),
    },
)


def _ends(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _fake(x, scale, zero_point, bits, place=np.rint, ends=_ends):
    """To the grid and back. place: real codes -> integers."""
    codes = place(np.asarray(x, np.float64) / scale) + zero_point
    return scale * (np.clip(codes, *ends(bits)) - zero_point)


def _with(**other):
    return lambda x, scale, zero_point, bits: _fake(x, scale, zero_point, bits, **other)


def _codes(x, scale, zero_point, bits):
    return _fake(x, scale, zero_point, bits) / scale + zero_point


def _unclipped(x, scale, zero_point, bits):
    return scale * np.rint(np.asarray(x, np.float64) / scale)


def _zero_point_left_in(x, scale, zero_point, bits):
    return scale * _codes(x, scale, zero_point, bits)


def _multiplied(x, scale, zero_point, bits):
    codes = np.clip(np.rint(np.float64(x) * scale) + zero_point, *_ends(bits))
    return (codes - zero_point) / scale


def _article(x, scale, zero_point, bits):
    """Multiplied by the scale and divided by it again, as the article has it."""
    return np.rint(np.float64(x) * scale) / scale


def _clipped_early(x, scale, zero_point, bits):
    return scale * np.clip(np.rint(np.float64(x) / scale), *_ends(bits))


def _in_int8(x, scale, zero_point, bits):
    """The codes wrap around in int8 before they are clipped."""
    codes = np.rint(np.float64(x) / scale).astype(np.int64).astype(np.int8)
    codes = (codes.astype(np.int64) + zero_point).astype(np.int8).astype(np.float64)
    return scale * (np.clip(codes, *_ends(bits)) - zero_point)


def _half_away(number):
    return np.sign(number) * np.floor(np.abs(number) + 0.5)


def _like_x(result, x, *_) -> np.ndarray:
    found = numbers(result, "an array like x")
    if found.shape != x.shape:
        raise Wrong(f"Keep the shape: x is {x.shape}, yours {found.shape}")
    return found


def _numbers_of(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


check_fake_quantize = Exercise(
    name="fake_quantize",
    asks="`fn(x, scale, zero_point, bits) -> x_hat`: to the grid and back.",
    reference=_fake,
    calls=[
        (_numbers_of(-0.9, -0.31, -0.12, 0.0, 0.11, 0.26, 0.58, 0.8), 0.25, 0, 4),
        (_numbers_of(-0.9, -0.31, -0.12, 0.0, 0.11, 0.26, 0.58, 0.8), 0.0625, 3, 6),
        (np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), 0.05, -2, 8),
        (_numbers_of(-9.0, -1.3, 0.1, 1.3, 9.0), 0.25, 0, 3),
        (_numbers_of(-9.0, -1.3, 0.1, 1.3, 9.0), 0.5, -1, 3),
        (_numbers_of(-1.25, -0.75, -0.25, 0.25, 0.75, 1.25), 0.5, 0, 4),
        (_numbers_of(-1.0, 0.01, 0.99, 1.01, 1.27), 0.008, -8, 8),
        (_numbers_of(0.0, 0.3, 2.01), 0.008, -128, 8),
    ],
    form=_like_x,
    rtol=0,
    atol=1e-6,
    mistakes={
        "You return the codes: multiply them back, S * (q - Z)": _codes,
        "Nothing is rounded: x comes back as it was": lambda x, *_: x,
        "You don't clip: a code outside qmin..qmax does not fit into `bits` bits": (
            _unclipped
        ),
        "You clip before the zero point is added: the codes are what must fit": (
            _clipped_early
        ),
        "Subtract the zero point on the way back: S * (q - Z)": _zero_point_left_in,
        "To reach the grid, divide by the scale. Multiplying is what the article "
        "does": (_multiplied, _article),
        "Your codes wrap around in int8 before they are clipped: clip first, then "
        "change the type": _in_int8,
        "Your lowest code is one too low: qmin is -(2**(bits - 1))": (
            _with(ends=lambda bits: (-(2 ** (bits - 1)) - 1, 2 ** (bits - 1) - 1))
        ),
        "Your lowest code is one too high: qmin is -(2**(bits - 1)), one more than on "
        "a symmetric grid": (
            _with(ends=lambda bits: (-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1))
        ),
        "Your highest code is one too high: qmax is 2**(bits - 1) - 1": (
            _with(ends=lambda bits: (-(2 ** (bits - 1)), 2 ** (bits - 1)))
        ),
        "You round halves up: round them to the even code, as np.rint does, or they "
        "all drift one way": _with(place=lambda number: np.floor(number + 0.5)),
        "You round halves away from zero: round them to the even code, as np.rint "
        "does": _with(place=_half_away),
        "You cut digits off: round to the nearest code": (
            _with(place=np.trunc),
            _with(place=np.floor),
        ),
    },
)


def _rows(w: np.ndarray, axis: int) -> np.ndarray:
    """One row a channel, float64."""
    return np.moveaxis(np.asarray(w, np.float64), axis, 0).reshape(w.shape[axis], -1)


def _peaks(w: np.ndarray, axis: int) -> np.ndarray:
    return np.abs(_rows(w, axis)).max(axis=1)


def _scales(w: np.ndarray, bits: int, axis: int) -> np.ndarray:
    """A channel of zeros has the scale 1."""
    peaks = _peaks(w, axis)
    return np.where(peaks > 0, peaks, _steps(bits)) / _steps(bits)


def _steps(bits: int) -> int:
    return 2 ** (bits - 1) - 1


def _divided_by(steps):
    """The right peaks, divided by another number of steps."""
    return lambda w, bits, axis: _scales(w, bits, axis) * _steps(bits) / steps(bits)


def _signed(w, bits, axis):
    largest = _rows(w, axis).max(axis=1)
    return np.where(largest == 0, _steps(bits), largest) / _steps(bits)


def _other_axis(w, bits, axis):
    """Along the first other axis that is as long, else along the first other one."""
    others = [a for a in range(w.ndim) if a != axis]
    same = [a for a in others if w.shape[a] == w.shape[axis]]
    return _scales(w, bits, (same or others)[0])


def _tensor_scales(w, bits, axis):
    return np.full(w.shape[axis], np.abs(w).max() / _steps(bits))


def _one_scale(w, bits, axis):
    return np.abs(w).max() / _steps(bits)


def _dead_is_zero(w, bits, axis):
    return _peaks(w, axis) / _steps(bits)


def _a_scale_a_channel(result, w, bits, axis) -> np.ndarray:
    channels, found = w.shape[axis], numbers(result, "one scale a channel").reshape(-1)
    if found.size != channels:
        raise Wrong(
            f"Return {channels} scales, one a slice along axis {axis}: yours are "
            f"{found.size}. Take the maximum over all the other axes"
        )
    return found


def _are_scales(value, w, bits, axis) -> bool:
    """A channel of zeros may have any scale above 0."""
    peaks = _peaks(w, axis)
    right = _scales(w, bits, axis)
    return np.allclose(value[peaks > 0], right[peaks > 0], rtol=1e-5) and bool(
        (value > 0).all()
    )


def _channel_calls() -> list[tuple[np.ndarray, int, int]]:
    rng = np.random.default_rng(7)
    dense = rng.normal(0, 1, (3, 5)).astype(np.float32)
    dense[1] = -np.abs(dense[1]) * 20
    conv = rng.normal(0, 0.1, (4, 3, 3, 4)).astype(np.float32)
    conv[2] *= 30
    depthwise = rng.normal(0, 1, (1, 3, 3, 6)).astype(np.float32)
    dead = np.concatenate([dense, np.zeros((1, 5), np.float32)])
    return [(dense, 8, 0), (dense, 4, 0), (conv, 8, 0), (depthwise, 2, 3), (dead, 8, 0)]


check_channel_scales = Exercise(
    name="channel_scales",
    asks="`fn(w, bits, axis) -> scales`: symmetric, one a slice along `axis`.",
    reference=_scales,
    calls=_channel_calls(),
    form=_a_scale_a_channel,
    accepts=_are_scales,
    mistakes={
        "One scale for all is per tensor: return one for each channel": _one_scale,
        "All your scales are equal: give each channel its own": _tensor_scales,
        "One channel is all zeros, and its scale must still be above 0, since the next "
        "step divides by it: give it any, such as 1": _dead_is_zero,
        "A channel's largest number may be negative: take the maximum of the absolute "
        "values": _signed,
        "Off by one: the largest code is 2**(bits - 1) - 1": (
            _divided_by(lambda bits: 2 ** (bits - 1))
        ),
        "You divide by 2**bits - 1. From 0 to the peak there are only "
        "2**(bits - 1) - 1 steps": _divided_by(lambda bits: 2**bits - 1),
        "Wrong axis: the channels lie along the axis that is given": _other_axis,
        "You divide twice by the number of steps": (
            _divided_by(lambda bits: _steps(bits) ** 2)
        ),
    },
)
