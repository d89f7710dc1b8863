"""Answers to the exercises of notebook 02, written from its text alone."""

import numpy as np

from labkit.integer.fixed_point import rescale


def quantize_multiplier(multiplier):
    fraction, exponent = np.frexp(multiplier)
    m0, n = round(fraction * 2**31), -exponent
    return (m0 // 2, n - 1) if m0 == 2**31 else (m0, n)


def unusual_quantize_multiplier(multiplier):
    """Doubles and halves until the fraction fits; answers a list of numpy scalars."""
    n = 0
    while multiplier < 0.5:
        multiplier, n = multiplier * 2, n + 1
    while multiplier >= 1 - 2.0**-32:
        multiplier, n = multiplier / 2, n - 1
    return [np.float64(np.floor(multiplier * 2**31 + 0.5)), np.int8(n)]


def a_fraction(multiplier):
    fraction, exponent = np.frexp(multiplier)
    return fraction, -exponent


def not_rounded(multiplier):
    fraction, exponent = np.frexp(multiplier)
    return fraction * 2**31, -exponent


def cut_off(multiplier):
    fraction, exponent = np.frexp(multiplier)
    return int(fraction * 2**31), -exponent


def sign_of_n(multiplier):
    m0, n = quantize_multiplier(multiplier)
    return m0, -n


def no_carry(multiplier):
    fraction, exponent = np.frexp(multiplier)
    return round(fraction * 2**31), -exponent


def never_normalized(multiplier):
    return round(multiplier * 2**31), 0


def largest_instead(multiplier):
    m0, n = no_carry(multiplier)
    return min(m0, 2**31 - 1), n


def by_logarithm(multiplier):
    """A fraction from 1 to 2, so that m0 has a bit too many."""
    n = -int(np.floor(np.log2(multiplier)))
    return round(multiplier * 2.0**n * 2**31), n


def from_the_doc(multiplier):
    """In single precision."""
    return quantize_multiplier(np.float32(multiplier))


def one_shift_too_many(multiplier):
    m0, n = quantize_multiplier(multiplier)
    return m0, n + 1


def accumulators(q, kernel, bias, zero_in):
    return (q.astype(np.int32) - zero_in) @ kernel.astype(np.int32).T + bias


def high(sums, m0):
    return (sums.astype(np.int64) * m0 + 2**30) >> 31


def to_codes(rescaled, zero_out):
    return np.clip(rescaled + zero_out, -128, 127).astype(np.int8)


def integer_dense(q, kernel, bias, zero_in, m0, n, zero_out):
    product = high(accumulators(q, kernel, bias, zero_in), m0)
    half = (1 << n) >> 1
    rounded = np.sign(product) * ((np.abs(product) + half) >> n)
    return to_codes(rounded, zero_out)


def with_objects(q, kernel, bias, zero_in, m0, n, zero_out):
    """einsum over Python's own integers."""
    steps = q.astype(object) - zero_in
    sums = np.einsum("ki,ji->kj", steps, kernel.astype(object)) + bias.astype(object)
    rescaled = (sums * m0.astype(object) + 2**30) // 2**31
    halves = 2 ** n.astype(object) // 2
    signs = (rescaled > 0) * 2 - 1
    rounded = signs * ((abs(rescaled) + halves) // 2 ** n.astype(object))
    codes = [[min(max(code + zero_out, -128), 127) for code in row] for row in rounded]
    return np.array(codes, np.int8)


def with_loops(q, kernel, bias, zero_in, m0, n, zero_out):
    """One code after another, from the last input to the first."""
    codes = np.zeros((len(q), len(kernel)), np.int8)
    for image, j in np.ndindex(codes.shape):
        total = int(bias[j])
        for i in reversed(range(kernel.shape[1])):
            total += (int(q[image, i]) - zero_in) * int(kernel[j, i])
        rescaled = (total * int(m0[j]) + 2**30) >> 31
        half, shift = (1 << int(n[j])) >> 1, int(n[j])
        sign = -1 if rescaled < 0 else 1
        code = sign * ((abs(rescaled) + half) >> shift) + zero_out
        codes[image, j] = max(-128, min(127, code))
    return codes


def forgets_zero_in(q, kernel, bias, zero_in, m0, n, zero_out):
    return integer_dense(q, kernel, bias, 0, m0, n, zero_out)


def forgets_bias(q, kernel, bias, zero_in, m0, n, zero_out):
    return integer_dense(q, kernel, 0 * bias, zero_in, m0, n, zero_out)


def forgets_zero_out(q, kernel, bias, zero_in, m0, n, zero_out):
    return integer_dense(q, kernel, bias, zero_in, m0, n, 0)


def wraps_around(q, kernel, bias, zero_in, m0, n, zero_out):
    rescaled = rescale(accumulators(q, kernel, bias, zero_in), m0, n)
    return (rescaled + zero_out).astype(np.int8)


def never_clips(q, kernel, bias, zero_in, m0, n, zero_out):
    return rescale(accumulators(q, kernel, bias, zero_in), m0, n) + zero_out


def clips_early(q, kernel, bias, zero_in, m0, n, zero_out):
    rescaled = rescale(accumulators(q, kernel, bias, zero_in), m0, n)
    return to_codes(np.clip(rescaled, -128, 127), zero_out)


def sums_in_int8(q, kernel, bias, zero_in, m0, n, zero_out):
    steps = q.astype(np.int32) - zero_in
    sums = (steps @ kernel.astype(np.int32).T).astype(np.int8).astype(np.int32) + bias
    return to_codes(rescale(sums, m0, n), zero_out)


def subtracts_in_int8(q, kernel, bias, zero_in, m0, n, zero_out):
    steps = q - np.int8(zero_in)
    sums = steps.astype(np.int32) @ kernel.astype(np.int32).T + bias
    return to_codes(rescale(sums, m0, n), zero_out)


def product_in_int32(q, kernel, bias, zero_in, m0, n, zero_out):
    sums = accumulators(q, kernel, bias, zero_in).astype(np.int32)
    return to_codes((sums * m0.astype(np.int32)) >> 31 >> n, zero_out)


def cuts_digits_off(q, kernel, bias, zero_in, m0, n, zero_out):
    sums = accumulators(q, kernel, bias, zero_in).astype(np.int64)
    return to_codes((sums * m0) >> (31 + n), zero_out)


def cuts_the_last_digits_off(q, kernel, bias, zero_in, m0, n, zero_out):
    sums = accumulators(q, kernel, bias, zero_in)
    return to_codes(high(sums, m0) >> n, zero_out)


def halves_up(q, kernel, bias, zero_in, m0, n, zero_out):
    product = high(accumulators(q, kernel, bias, zero_in), m0)
    return to_codes((product + ((1 << n) >> 1)) >> n, zero_out)


def halves_to_even(q, kernel, bias, zero_in, m0, n, zero_out):
    product = high(accumulators(q, kernel, bias, zero_in), m0)
    return to_codes(np.rint(product / 2**n).astype(np.int64), zero_out)


def one_rounding(q, kernel, bias, zero_in, m0, n, zero_out):
    sums = accumulators(q, kernel, bias, zero_in).astype(np.int64)
    half = np.int64(1) << (30 + n)
    rounded = np.sign(sums) * ((np.abs(sums) * m0 + half) >> (31 + n))
    return to_codes(rounded, zero_out)


def in_float(q, kernel, bias, zero_in, m0, n, zero_out):
    sums = accumulators(q, kernel, bias, zero_in)
    return to_codes(np.rint(sums * (m0 / 2**31 / 2**n)).astype(np.int64), zero_out)


def float_sums(q, kernel, bias, zero_in, m0, n, zero_out):
    sums = (q.astype(np.float64) - zero_in) @ kernel.T + bias
    return to_codes(rescale(sums.astype(np.int64), m0, n), zero_out)


def float_codes(*arguments):
    return integer_dense(*arguments).astype(np.float32)


def floats_by_array(q, kernel, bias, zero_in, m0, n, zero_out):
    """No astype, and no array of integers meets one of floats."""
    q, kernel, bias, m0 = (np.array(x, dtype=float) for x in (q, kernel, bias, m0))
    high = np.floor(((q - zero_in) @ kernel.T + bias) * m0 / 2**31 + 0.5)
    high = np.array(high, dtype=np.int64)
    half = (1 << n) >> 1
    return to_codes(np.sign(high) * ((np.abs(high) + half) >> n), zero_out)


def floats_of_everything(q, kernel, bias, zero_in, m0, n, zero_out):
    """As `floats_by_array`, and the integers become Python's own."""
    return floats_by_array(q, kernel, bias, int(zero_in), m0, n, int(zero_out))


def float_sums_by_array(q, kernel, bias, zero_in, m0, n, zero_out):
    q, kernel = np.array(q, dtype=float), np.array(kernel, dtype=float)
    sums = np.array((q - zero_in) @ kernel.T, dtype=np.int64) + bias
    return to_codes(rescale(sums, m0, n), zero_out)


def float_zero(q, kernel, bias, zero_in, *others):
    return integer_dense(q, kernel, bias, round(float(zero_in)), *others)


def sums_in_int16(q, kernel, bias, zero_in, m0, n, zero_out):
    steps = q.astype(np.int16) - np.int16(zero_in)
    sums = (steps @ kernel.astype(np.int16).T).astype(np.int64) + bias
    return to_codes(rescale(sums, m0, n), zero_out)


def one_m_for_all(q, kernel, bias, zero_in, m0, n, zero_out):
    return integer_dense(q, kernel, bias, zero_in, m0[0], n[0], zero_out)


def with_relu(q, kernel, bias, zero_in, m0, n, zero_out):
    codes = integer_dense(q, kernel, bias, zero_in, m0, n, zero_out)
    return np.maximum(codes, np.int8(zero_out))


def not_int8(*arguments):
    return integer_dense(*arguments).astype(np.int64)


def fractions(q, kernel, bias, zero_in, m0, n, zero_out):
    sums = accumulators(q, kernel, bias, zero_in)
    return np.clip(sums * (m0 / 2**31 / 2**n) + zero_out + 0.1, -128, 127)


def other_way_round(*arguments):
    return integer_dense(*arguments).T


def in_place(q, *others):
    q -= 1
    return integer_dense(q, *others)


RIGHT = {
    "quantize_multiplier": [quantize_multiplier, unusual_quantize_multiplier],
    "integer_dense": [integer_dense, with_objects, with_loops],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "quantize_multiplier": [
        (a_fraction, "only integers"),
        (not_rounded, "whole numbers"),
        (cut_off, "cut m0 off"),
        (sign_of_n, "sign of your n"),
        (no_carry, "an int32 cannot hold"),
        (largest_instead, "the largest m0 instead"),
        (never_normalized, "never shift"),
        (by_logarithm, "Your m0 is 3221225472: it must be from 2**30"),
        (one_shift_too_many, "half of the multiplier"),
        (from_the_doc, ""),
        (lambda multiplier: (2**30, 0), ""),
        (lambda multiplier: quantize_multiplier(multiplier)[::-1], "from 2**30"),
        (lambda multiplier: tuple(map(str, quantize_multiplier(1))), "two integers"),
        (lambda multiplier: 2**30, "two integers"),
        (lambda multiplier: ([1, 2], 3), "not arrays"),
    ],
    "integer_dense": [
        (forgets_zero_in, "input's zero point"),
        (forgets_bias, "Add the bias"),
        (forgets_zero_out, "Add zero_out"),
        (wraps_around, "wrap around"),
        (never_clips, "lie outside"),
        (clips_early, "too early"),
        (sums_in_int8, "sum in int8"),
        (subtracts_in_int8, "more than 8 bits"),
        (product_in_int32, "62 bits"),
        (cuts_digits_off, "cut the digits off"),
        (cuts_the_last_digits_off, "last shift"),
        (halves_up, "negative half"),
        (halves_to_even, "halves to the even number"),
        (one_rounding, "round once"),
        (in_float, "that is the float product"),
        (float_sums, "a float in your integer path"),
        (float_codes, "a float in your integer path"),
        (floats_by_array, "a float64 holds 53"),
        (floats_of_everything, ""),
        (float_sums_by_array, "a float in your integer path"),
        (float_zero, "a float in your integer path"),
        (fractions, "a float in your integer path"),
        (not_int8, "Return int8 codes, an array of np.int8: yours are int64"),
        (lambda *arguments: integer_dense(*arguments).tolist(), "yours are int64"),
        (sums_in_int16, ""),
        (one_m_for_all, ""),
        (with_relu, ""),
        (other_way_round, "one code for each image"),
        (in_place, "changes the array"),
        (lambda *arguments: integer_dense(*arguments) - np.int8(1), ""),
    ],
}
