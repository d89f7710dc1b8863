"""The checks of notebook 02b: right answers pass, wrong ones are told what is wrong."""

import numpy as np
import pytest

from labkit.checks import check_quantized_copy, check_rounding_gradients

CHECKS = [check_rounding_gradients, check_quantized_copy]


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


def true_slope(x, scale, low, high, upstream):
    return np.zeros_like(x), rounding_gradients(x, scale, low, high, upstream)[1]


def passes_everything(x, scale, low, high, upstream):
    return upstream, rounding_gradients(x, scale, low, high, upstream)[1]


def forgets_upstream_for_x(x, scale, low, high, upstream):
    _, inside, _ = parts(x, scale, low, high)
    return inside * 1.0, rounding_gradients(x, scale, low, high, upstream)[1]


def inside_out(x, scale, low, high, upstream):
    _, inside, _ = parts(x, scale, low, high)
    return upstream * ~inside, rounding_gradients(x, scale, low, high, upstream)[1]


def scale_part(function):
    """Right for x, and `function` of ratio, inside, q, upstream for the scale."""

    def gradients(x, scale, low, high, upstream):
        to_x, _ = rounding_gradients(x, scale, low, high, upstream)
        return to_x, function(*parts(x, scale, low, high), upstream)

    return gradients


sign_turned = scale_part(lambda r, i, q, up: np.sum(up * (r * i - q)))
without_clipped = scale_part(lambda r, i, q, up: np.sum(up * (q - r) * i))
codes_held = scale_part(lambda r, i, q, up: np.sum(up * q))
never_inside = scale_part(lambda r, i, q, up: np.sum(up * (q - r)))
without_upstream = scale_part(lambda r, i, q, up: np.sum(q - r * i))
averaged = scale_part(lambda r, i, q, up: np.mean(up * (q - r * i)))
not_summed = scale_part(lambda r, i, q, up: up * (q - r * i))
another = scale_part(lambda r, i, q, up: 17.0)


@pytest.mark.parametrize("fn", [rounding_gradients, unusual_gradients])
def test_right_gradients_pass(fn):
    verdict = check_rounding_gradients(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (true_slope, "0 everywhere"),
        (passes_everything, "Outside the grid x_hat stays"),
        (forgets_upstream_for_x, "multiply the slope by `upstream`"),
        (inside_out, "wrong way round"),
        (sign_turned, "sign"),
        (without_clipped, "leave out the clipped"),
        (codes_held, "hold the codes fixed"),
        (never_inside, "does not move with the scale"),
        (without_upstream, "by its `upstream`, then sum"),
        (averaged, "don't average"),
        (not_summed, "one number"),
        (another, "to_scale is 17, it should be"),
        (lambda x, scale, low, high, upstream: upstream, "two gradients"),
        (lambda x, scale, low, high, upstream: (upstream.sum(), 1.0), "for each x"),
    ],
)
def test_wrong_gradients_are_explained(fn, hint):
    verdict = check_rounding_gradients(fn)
    assert verdict.state == "wrong"
    assert hint in verdict.message


def test_the_right_gradients_are_those_that_train():
    """The notebook's exercise is what `labkit.train` computes, up to its factor."""
    tf = pytest.importorskip("tensorflow", reason="the extra `train` is not installed")
    from labkit.train.fake_quant import Codes, fake_quantize

    rng = np.random.default_rng(0)
    x, upstream = rng.normal(size=(2, 40)).astype(np.float32)
    codes = Codes(-3, 3)
    variables = tf.Variable(x), tf.Variable(0.3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(fake_quantize(*variables, codes, members=12) * upstream)
    to_x, to_scale = (g.numpy() for g in tape.gradient(loss, variables))
    right = rounding_gradients(x, np.float32(0.3), codes.low, codes.high, upstream)
    np.testing.assert_allclose(to_x, right[0])
    np.testing.assert_allclose(to_scale, right[1] / np.sqrt(12 * codes.high), rtol=1e-4)


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


@pytest.mark.parametrize("fn", [quantized_copy, unusual_copy])
def test_right_copies_pass(fn):
    verdict = check_quantized_copy(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (article_clone, "not new ones of the same shape"),
        (zero_biases_new_kernels, "not new ones of the same shape"),
        (drops_biases, "The biases are gone (fc1/bias, fc2/bias)"),
        (rounds_biases, "fc1/bias has changed"),
        (in_place, "changes the array"),
        (into_the_arrays, "changes the array"),
        (flattened, "keep the shape"),
        (lambda weights, quantize: dict(weights), "is not quantized"),
        (lambda weights, quantize: list(weights.values()), "yours is a list"),
        (lambda weights, quantize: {"fc1": 1}, "Return the same names"),
    ],
)
def test_wrong_copies_are_explained(fn, hint):
    verdict = check_quantized_copy(fn)
    assert verdict.state == "wrong"
    assert hint in verdict.message


@pytest.mark.parametrize("check", CHECKS)
def test_a_stub_is_not_yet_an_error(check):
    def my_function(*arguments):
        raise NotImplementedError

    verdict = check(my_function)
    assert verdict.state == "not yet" and "my_function" in repr(verdict)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("answer", [None, "eight", float("nan"), [[1], [2, 3]], {}])
def test_answers_of_the_wrong_kind_are_wrong(check, answer):
    assert check(lambda *arguments: answer).state == "wrong"


@pytest.mark.parametrize("check", CHECKS)
def test_an_exception_and_a_missing_function_are_told(check):
    assert "TypeError" in check(lambda only_one: 1).message
    assert "function itself" in check(3.0).message
