"""The exercise checks: right answers pass, each wrong one is told what is wrong."""

import math

import numpy as np
import pytest

from labkit.checks import (
    Predictions,
    check_channel_scales,
    check_fake_quantize,
    check_packed_bytes,
    check_scale_zero_point,
)

CHECKS = [
    check_scale_zero_point,
    check_fake_quantize,
    check_channel_scales,
    check_packed_bytes,
]


def scale_zero_point(lo, hi, bits):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (2**bits - 1)
    return scale, int(round(-(2 ** (bits - 1)) - lo / scale))


def unusual_scale_zero_point(lo, hi, bits):
    """Counts from the top of the range, answers a list of numpy scalars."""
    ends = np.float32([np.minimum(lo, 0), np.maximum(hi, 0)])
    scale = np.float32(np.ptp(ends) / (2**bits - 1))
    return [scale, np.rint(2 ** (bits - 1) - 1 - ends[1] / scale).astype(np.int32)]


def without_zero(lo, hi, bits):
    scale = (hi - lo) / (2**bits - 1)
    return scale, round(-(2 ** (bits - 1)) - lo / scale)


def one_step_too_many(lo, hi, bits):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / 2**bits
    return scale, round(-(2 ** (bits - 1)) - lo / scale)


def off_by_one_qmin(lo, hi, bits):
    scale, zero_point = scale_zero_point(lo, hi, bits)
    return scale, zero_point + 1


def unsigned_codes(lo, hi, bits):
    scale, zero_point = scale_zero_point(lo, hi, bits)
    return scale, zero_point + 2 ** (bits - 1)


def symmetric_scale(lo, hi, bits):
    return max(abs(lo), abs(hi)) / (2 ** (bits - 1) - 1), 0


def fractional_zero_point(lo, hi, bits):
    scale, _ = scale_zero_point(lo, hi, bits)
    return scale, -(2 ** (bits - 1)) - min(lo, 0.0) / scale


def upside_down(lo, hi, bits):
    scale, zero_point = scale_zero_point(lo, hi, bits)
    return 1 / scale, zero_point


@pytest.mark.parametrize("fn", [scale_zero_point, unusual_scale_zero_point])
def test_right_scale_and_zero_point_pass(fn):
    verdict = check_scale_zero_point(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (without_zero, "contain 0"),
        (one_step_too_many, "2**bits - 1"),
        (off_by_one_qmin, "off by one"),
        (unsigned_codes, "start at 0"),
        (symmetric_scale, "symmetric"),
        (fractional_zero_point, "must be an integer"),
        (upside_down, "upside down"),
        (lambda lo, hi, bits: (scale_zero_point(lo, hi, bits)[0], 0), "zero_point"),
        (lambda lo, hi, bits: 0.1, "two numbers"),
    ],
)
def test_wrong_scale_and_zero_point_is_explained(fn, hint):
    verdict = check_scale_zero_point(fn)
    assert verdict.state == "wrong"
    assert hint in verdict.message


def fake_quantize(x, scale, zero_point, bits):
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    q = np.clip(np.rint(x / scale) + zero_point, qmin, qmax)
    return (scale * (q - zero_point)).astype(np.float32)


def unusual_fake_quantize(x, scale, zero_point, bits):
    """Looks for the nearest tick of the whole grid; a tie goes to the even code."""
    codes = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1))
    order = np.argsort((codes - zero_point) % 2, kind="stable")
    ticks = (scale * (codes - zero_point))[order]
    distance = np.abs(np.float64(x).reshape(-1, 1) - ticks)
    return ticks[np.argmin(np.round(distance, 9), axis=1)].reshape(x.shape)


def multiplies(x, scale, zero_point, bits):
    return np.round(x * scale) / scale


def never_clips(x, scale, zero_point, bits):
    return scale * np.rint(x / scale)


def forgets_zero_point(x, scale, zero_point, bits):
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return scale * np.clip(np.rint(x / scale) + zero_point, qmin, qmax)


def rounds_half_up(x, scale, zero_point, bits):
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    q = np.clip(np.floor(x / scale + 0.5) + zero_point, qmin, qmax)
    return scale * (q - zero_point)


def truncates(x, scale, zero_point, bits):
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return scale * (np.clip(np.trunc(x / scale) + zero_point, qmin, qmax) - zero_point)


def lowest_code_too_low(x, scale, zero_point, bits):
    half = 2 ** (bits - 1)
    return scale * (
        np.clip(np.rint(x / scale) + zero_point, -half - 1, half - 1) - zero_point
    )


def narrow_codes(x, scale, zero_point, bits):
    top = 2 ** (bits - 1) - 1
    return scale * (np.clip(np.rint(x / scale) + zero_point, -top, top) - zero_point)


def returns_codes(x, scale, zero_point, bits):
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return np.clip(np.rint(x / scale) + zero_point, qmin, qmax)


def in_place(x, scale, zero_point, bits):
    x /= scale
    return scale * np.rint(x)


@pytest.mark.parametrize("fn", [fake_quantize, unusual_fake_quantize])
def test_right_fake_quantize_passes(fn):
    verdict = check_fake_quantize(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (multiplies, "divide by the scale"),
        (never_clips, "clip"),
        (forgets_zero_point, "Subtract the zero point"),
        (rounds_half_up, "half way"),
        (truncates, "nearest"),
        (lowest_code_too_low, "too low"),
        (narrow_codes, "qmin"),
        (returns_codes, "the codes"),
        (in_place, "changes the array"),
        (lambda x, scale, zero_point, bits: x, "Nothing is rounded"),
        (lambda x, scale, zero_point, bits: x.reshape(-1)[:3], "Keep the shape"),
    ],
)
def test_wrong_fake_quantize_is_explained(fn, hint):
    verdict = check_fake_quantize(fn)
    assert verdict.state == "wrong"
    assert hint in verdict.message


def channel_scales(w, bits, axis):
    others = tuple(a for a in range(w.ndim) if a != axis)
    peak = np.abs(w).max(axis=others)
    return np.where(peak > 0, peak / (2 ** (bits - 1) - 1), 1.0)


def unusual_channel_scales(w, bits, axis):
    """Keeps the axes for broadcasting and loops over the channels."""
    scales = []
    for k in range(w.shape[axis]):
        channel = w.take(k, axis=axis)
        peak = max(channel.max(), -channel.min())
        scales.append(peak / (2 ** (bits - 1) - 1) or 1e-8)
    shape = [1] * w.ndim
    shape[axis] = -1
    return np.array(scales).reshape(shape)


def one_for_all(w, bits, axis):
    return np.abs(w).max() / (2 ** (bits - 1) - 1)


def equal_for_all(w, bits, axis):
    return np.full(w.shape[axis], one_for_all(w, bits, axis))


def wrong_axis(w, bits, axis):
    return channel_scales(w, bits, w.ndim - 1 - axis)


def only_the_given_axis(w, bits, axis):
    return np.abs(w).max(axis=axis) / (2 ** (bits - 1) - 1)


def forgets_abs(w, bits, axis):
    others = tuple(a for a in range(w.ndim) if a != axis)
    return w.max(axis=others) / (2 ** (bits - 1) - 1)


def one_code_too_many(w, bits, axis):
    return channel_scales(w, bits, axis) * (2 ** (bits - 1) - 1) / 2 ** (bits - 1)


def unsigned_steps(w, bits, axis):
    return channel_scales(w, bits, axis) * (2 ** (bits - 1) - 1) / (2**bits - 1)


def dead_channel_zero(w, bits, axis):
    others = tuple(a for a in range(w.ndim) if a != axis)
    return np.abs(w).max(axis=others) / (2 ** (bits - 1) - 1)


@pytest.mark.parametrize("fn", [channel_scales, unusual_channel_scales])
def test_right_channel_scales_pass(fn):
    verdict = check_channel_scales(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (one_for_all, "per tensor"),
        (equal_for_all, "equal"),
        (wrong_axis, "along axis 0"),
        (only_the_given_axis, "other axes"),
        (forgets_abs, "absolute"),
        (one_code_too_many, "Off by one"),
        (unsigned_steps, "2**bits - 1"),
        (dead_channel_zero, "all zeros"),
    ],
)
def test_wrong_channel_scales_are_explained(fn, hint):
    verdict = check_channel_scales(fn)
    assert verdict.state == "wrong"
    assert hint in verdict.message


def test_equal_sides_tell_the_axis():
    """On a square kernel the shape does not give a wrong axis away: the values do."""

    def last_axis_when_square(w, bits, axis):
        return channel_scales(w, bits, 3 if w.shape[0] == w.shape[-1] else axis)

    verdict = check_channel_scales(last_axis_when_square)
    assert "Wrong axis" in verdict.message


def packed_bytes(weights, scales, bits):
    return math.ceil(weights * bits / 8) + 4 * scales


@pytest.mark.parametrize(
    "fn",
    [packed_bytes, lambda w, s, b: np.array([(w * b + 7) // 8 + np.float32(4) * s])],
)
def test_right_packed_bytes_pass(fn):
    verdict = check_packed_bytes(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (lambda w, s, b: w * b + 32 * s, "in bits"),
        (lambda w, s, b: math.ceil(w * b / 8), "left out the scales"),
        (lambda w, s, b: math.ceil(w * b / 8) + s, "4 bytes, not 1"),
        (lambda w, s, b: w * b // 8 + 4 * s, "round down"),
        (lambda w, s, b: w * b / 8 + 4 * s, "whole bytes"),
        (lambda w, s, b: 4 * (w + s), "4 bytes a weight"),
        (lambda w, s, b: -1, "not the number"),
    ],
)
def test_wrong_packed_bytes_are_explained(fn, hint):
    verdict = check_packed_bytes(fn)
    assert verdict.state == "wrong"
    assert hint in verdict.message


@pytest.mark.parametrize("check", CHECKS)
def test_a_stub_is_not_yet_an_error(check):
    def my_function(*arguments):
        raise NotImplementedError

    verdict = check(my_function)
    assert verdict.state == "not yet" and not verdict
    assert "my_function" in repr(verdict)


@pytest.mark.parametrize("check", CHECKS)
def test_an_exception_is_named_with_its_arguments(check):
    def broken(*arguments):
        raise ZeroDivisionError("no such luck")

    verdict = check(broken)
    assert verdict.state == "wrong"
    assert "ZeroDivisionError: no such luck" in verdict.message
    assert "called with" in verdict.message


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("answer", [None, "eight", float("nan"), [[1], [2, 3]], {}])
def test_answers_of_the_wrong_kind_are_wrong(check, answer):
    assert check(lambda *arguments: answer).state == "wrong"


@pytest.mark.parametrize("check", CHECKS)
def test_a_value_instead_of_a_function_is_told(check):
    assert "function itself" in check(3.0).message


@pytest.mark.parametrize("check", CHECKS)
def test_too_few_parameters_are_told(check):
    assert "TypeError" in check(lambda only_one: 1).message


def test_predictions_are_scored():
    book = Predictions()
    for question, value in [("a", 10), ("b", "Conv"), ("c", 3), ("d", None), ("e", 1)]:
        book.guess(question, value)
    assert book.settle("a", 10.4, within=0.5).endswith("close")
    assert book.settle("b", "conv").endswith("close")
    assert book.settle("c", 4.0, within=0.5).endswith("off")
    assert "no guess" in book.settle("d", 7)
    assert book.score() == "2 of 3 predictions close, 2 left open"
    assert "e: not measured yet" in book.table()
    assert book["a"] == 10


def test_an_unasked_prediction_raises():
    with pytest.raises(KeyError):
        Predictions().settle("never asked", 1)
