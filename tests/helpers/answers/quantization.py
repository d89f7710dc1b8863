"""Answers to the exercises of notebook 01, written from its text alone."""

import numpy as np


def scale_zero_point(lo, hi, bits):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (2**bits - 1)
    return scale, int(round(-(2 ** (bits - 1)) - lo / scale))


def counted_from_the_top(lo, hi, bits):
    """Answers a list of numpy scalars."""
    ends = np.float32([np.minimum(lo, 0), np.maximum(hi, 0)])
    scale = np.float32(np.ptp(ends) / (2**bits - 1))
    return [scale, np.rint(2 ** (bits - 1) - 1 - ends[1] / scale).astype(np.int32)]


def fractional_zero_point(lo, hi, bits):
    scale, _ = scale_zero_point(lo, hi, bits)
    return scale, -(2 ** (bits - 1)) - min(lo, 0.0) / scale


def fake_quantize(x, scale, zero_point, bits):
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    q = np.clip(np.rint(x / scale) + zero_point, qmin, qmax)
    return (scale * (q - zero_point)).astype(np.float32)


def nearest_tick(x, scale, zero_point, bits):
    """Looks for the nearest tick of the whole grid; a tie goes to the even code."""
    codes = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1))
    order = np.argsort((codes - zero_point) % 2, kind="stable")
    ticks = (scale * (codes - zero_point))[order]
    distance = np.abs(np.float64(x).reshape(-1, 1) - ticks)
    return ticks[np.argmin(np.round(distance, 9), axis=1)].reshape(x.shape)


def int8_before_the_clip(x, scale, zero_point, bits):
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    with np.errstate(invalid="ignore"):
        codes = np.rint(x / scale).astype(np.int32).astype(np.int8) + np.int8(
            zero_point
        )
    return scale * (np.clip(codes, qmin, qmax).astype(np.float64) - zero_point)


def clipped_first(x, scale, zero_point, bits):
    q = np.clip(np.rint(x / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return scale * ((q + zero_point) - zero_point)


def ends_of_x(x, scale, zero_point, bits):
    """Clips x itself to plus and minus the same end."""
    top = scale * (2 ** (bits - 1) - 1)
    return scale * np.rint(np.clip(x, -top, top) / scale)


def in_place(x, scale, zero_point, bits):
    x /= scale
    return scale * np.rint(x)


def stochastic(x, scale, zero_point, bits):
    noise = np.random.default_rng(0).random(x.shape)
    return scale * np.floor(x / scale + noise)


def channel_scales(w, bits, axis):
    others = tuple(a for a in range(w.ndim) if a != axis)
    peak = np.abs(w).max(axis=others)
    return np.where(peak > 0, peak / (2 ** (bits - 1) - 1), 1.0)


def channel_by_channel(w, bits, axis):
    """Keeps the axes for broadcasting and loops over the channels."""
    scales = []
    for k in range(w.shape[axis]):
        channel = w.take(k, axis=axis)
        peak = max(channel.max(), -channel.min())
        scales.append(peak / (2 ** (bits - 1) - 1) or 1e-8)
    shape = [1] * w.ndim
    shape[axis] = -1
    return np.array(scales).reshape(shape)


def only_the_given_axis(w, bits, axis):
    return np.abs(w).max(axis=axis) / (2 ** (bits - 1) - 1)


def last_axis_when_square(w, bits, axis):
    return channel_scales(w, bits, 3 if w.shape[0] == w.shape[-1] else axis)


def without_guard(w, bits, axis):
    others = tuple(a for a in range(w.ndim) if a != axis)
    return np.abs(w).max(axis=others) / (2 ** (bits - 1) - 1)


RIGHT = {
    "scale_zero_point": [scale_zero_point, counted_from_the_top],
    "fake_quantize": [fake_quantize, nearest_tick],
    "channel_scales": [channel_scales, channel_by_channel],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "scale_zero_point": [
        (fractional_zero_point, "must be an integer"),
        (lambda lo, hi, bits: 0.1, "two numbers"),
        (lambda lo, hi, bits: (np.array([0.1, 0.2]), 0), "one scale and one zero"),
        (lambda lo, hi, bits: scale_zero_point(lo, hi, bits)[::-1], "integer"),
        (lambda lo, hi, bits: scale_zero_point(-abs(lo), abs(hi), bits), ""),
        (lambda lo, hi, bits: (scale_zero_point(lo, hi, bits)[0], 0), "symmetric grid"),
        (lambda lo, hi, bits: ((hi - lo) / 255, -128), ""),
        (lambda lo, hi, bits: tuple(map(str, scale_zero_point(lo, hi, bits))), "two"),
    ],
    "fake_quantize": [
        (in_place, "changes the array"),
        (lambda x, scale, zero_point, bits: x.reshape(-1)[:3], "Keep the shape"),
        (int8_before_the_clip, "wrap around"),
        (clipped_first, "before the zero point is added"),
        (ends_of_x, ""),
        (stochastic, ""),
        (lambda x, s, z, b: np.round(fake_quantize(x, s, z, b), 1), ""),
        (lambda x, s, z, b: fake_quantize(x, s, z, b) + 0j, "numbers"),
    ],
    "channel_scales": [
        (only_the_given_axis, "other axes"),
        (last_axis_when_square, ""),
        (without_guard, "all zeros"),
        (lambda w, bits, axis: channel_scales(w, bits, axis).max(), "yours are 1"),
        (lambda w, bits, axis: 1 / channel_scales(w, bits, axis), ""),
        (lambda w, bits, axis: channel_scales(w, bits, axis)[::-1], ""),
        (lambda w, bits, axis: channel_scales(w - w.mean(), bits, axis), ""),
        (lambda w, bits, axis: channel_scales(w, 8, axis), ""),
    ],
}
