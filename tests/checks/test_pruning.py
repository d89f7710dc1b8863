"""The checks of notebook 03: right answers pass, wrong ones are told what is wrong."""

from fractions import Fraction

import numpy as np
import pytest
from check_asserts import assert_explained

from labkit import zoo
from labkit.checks.pruning_steps import (
    check_bitmap_break_even,
    check_masked_step,
    check_removed_units,
)


def masked_step(w, mask, velocity, gradient, rate, momentum, decay):
    velocity = momentum * velocity - rate * (gradient + decay * w)
    return (w + velocity) * mask, velocity


def everything_masked(w, mask, velocity, gradient, rate, momentum, decay):
    """Gradient and velocity masked, so that w never leaves 0; as a list."""
    velocity = (momentum * velocity - rate * (gradient + decay * w)) * mask
    return [w + velocity, velocity]


def places(w, mask, velocity, gradient, rate, momentum, decay):
    """Steps only at the places that are kept; removed velocities stay as they are."""
    w, velocity = w.copy(), velocity.copy()
    k = np.flatnonzero(mask)
    slope = gradient.ravel()[k] + decay * w.ravel()[k]
    velocity.flat[k] = momentum * velocity.ravel()[k] - rate * slope
    w.flat[k] += velocity.ravel()[k]
    return w, velocity


def unmasked(w, mask, velocity, gradient, rate, momentum, decay):
    velocity = momentum * velocity - rate * (gradient + decay * w)
    return w + velocity, velocity


def masked_before(w, mask, *rest):
    return unmasked(w * mask, mask, *rest)


def masked_gradient(w, mask, velocity, gradient, *rest):
    return unmasked(w, mask, velocity, gradient * mask, *rest)


def turned_round(w, mask, velocity, gradient, *rest):
    return everything_masked(w, ~mask, velocity, gradient, *rest)


def frozen(w, mask, velocity, gradient, *rest):
    return w * mask, velocity


def without_decay(w, mask, velocity, gradient, rate, momentum, decay):
    return masked_step(w, mask, velocity, gradient, rate, momentum, 0)


def without_momentum(w, mask, velocity, gradient, rate, momentum, decay):
    return masked_step(w, mask, velocity, gradient, rate, 0, decay)


def uphill(w, mask, velocity, gradient, rate, momentum, decay):
    return masked_step(w, mask, velocity, gradient, -rate, momentum, decay)


def forgets_velocity(w, mask, velocity, *rest):
    return masked_step(w, mask, velocity, *rest)[0], np.zeros_like(velocity)


@pytest.mark.parametrize("fn", [masked_step, everything_masked, places])
def test_right_steps_pass(fn):
    verdict = check_masked_step(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (unmasked, "A removed weight came back"),
        (masked_before, "A removed weight came back"),
        (masked_gradient, "the velocity from before the pruning"),
        (turned_round, "A removed weight came back"),
        (frozen, "is the mask turned round?"),
        (without_decay, "weight decay is missing"),
        (without_momentum, "must move as without a mask"),
        (uphill, "against the gradient"),
        (forgets_velocity, "The velocity of the kept weights"),
        (lambda *given: masked_step(*given)[0], "Return the weights and the velocity"),
        (lambda w, *rest: (w[:2], w[:2]), "keep the shape"),
        (lambda w, *rest: (w + 1, w), "is not 0 after the step"),
    ],
)
def test_wrong_steps_are_explained(fn, hint):
    assert_explained(check_masked_step, fn, hint)


def test_the_right_step_is_that_of_keras():
    """With the mask laid on after the step, through momentum and weight decay."""
    keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
    rng = np.random.default_rng(0)
    w, gradients = rng.normal(size=6), rng.normal(size=(4, 6)).astype(np.float32)
    mask = np.array([1, 0, 1, 1, 0, 1], bool)
    w = (w * mask).astype(np.float32)
    variable, velocity, mine = keras.Variable(w), np.zeros(6), w
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    for gradient in gradients:
        decayed = gradient + 0.01 * variable.numpy()
        optimizer.apply([keras.ops.convert_to_tensor(decayed)], [variable])
        variable.assign(variable.numpy() * mask)
        mine, velocity = masked_step(mine, mask, velocity, gradient, 0.1, 0.9, 0.01)
        np.testing.assert_allclose(mine, variable.numpy(), rtol=1e-5, atol=1e-6)


def removed_units(w1, b1, w2, gone):
    return np.delete(w1, gone, 0), np.delete(b1, gone), np.delete(w2, gone, 1)


def reordered(w1, b1, w2, gone):
    """Keeps the units by size, largest first: another order, the same function."""
    stay = [k for k in np.argsort(-np.abs(w1).sum(axis=1)) if k not in gone]
    return w1[stay], b1[stay], w2[:, stay]


def one_after_the_other(w1, b1, w2, gone):
    for unit in gone:
        unit = min(unit, len(w1) - 1)
        w1, b1, w2 = removed_units(w1, b1, w2, [unit])
    return w1, b1, w2


def the_last_ones(w1, b1, w2, gone):
    left = len(b1) - len(gone)
    return w1[:left], b1[:left], w2[:, :left]


def taken_out(name, remove):
    """As `removed_units`, but for one of the three arrays."""

    def fn(w1, b1, w2, gone):
        given = {"w1": w1, "b1": b1, "w2": w2}
        right = dict(zip(given, removed_units(w1, b1, w2, gone), strict=True))
        return tuple((right | {name: remove(given[name], gone)}).values())

    return fn


def masked(w1, b1, w2, gone):
    w1, b1 = w1.copy(), b1.copy()
    w1[gone], b1[gone] = 0, 0
    return w1, b1, w2


@pytest.mark.parametrize("fn", [removed_units, reordered])
def test_right_removals_pass(fn):
    verdict = check_removed_units(fn)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (masked, "a unit set to 0 is masked"),
        (taken_out("b1", lambda b1, u: b1), "b1 should be (4,)"),
        (taken_out("w2", lambda w2, u: w2), "w2 should be (4, 4)"),
        (taken_out("w2", lambda w2, u: np.delete(w2, u, 0)), "a column of w2"),
        (taken_out("w1", lambda w1, u: np.delete(w1, u, 1)), "a unit is a row of w1"),
        (taken_out("w2", lambda w2, u: w2[:, len(u) :]), "Other columns of w2"),
        (taken_out("b1", lambda b1, u: b1[len(u) :]), "Other entries of b1"),
        (the_last_ones, "Are other units gone?"),
        (one_after_the_other, "the later ones move up"),
        (lambda w1, b1, w2, u: (w1, b1), "Return three arrays"),
    ],
)
def test_wrong_removals_are_explained(fn, hint):
    assert_explained(check_removed_units, fn, hint)


def test_the_right_removal_is_that_of_the_model_file():
    network, gone = zoo.load("mlp"), [3, 41, 299]
    names = ("fc1/kernel", "fc1/bias", "fc2/kernel")
    right = removed_units(*(network.weights[name] for name in names), gone)
    smaller = network.remove_units("fc1", gone)
    for name, array in zip(names, right, strict=True):
        np.testing.assert_array_equal(smaller.weights[name], array)


@pytest.mark.parametrize("fn", [lambda bits: 1 / bits, lambda bits: Fraction(1, bits)])
def test_right_break_even_points_pass(fn):
    verdict = check_bitmap_break_even(fn)
    assert verdict, verdict


def test_a_break_even_point_found_by_search_passes():
    def search(bits):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            shorter = 1 + bits * (1 - middle) < bits
            low, high = (low, middle) if shorter else (middle, high)
        return np.array([high])

    assert check_bitmap_break_even(search)


@pytest.mark.parametrize(
    ("fn", "hint"),
    [
        (lambda bits: 1 - 1 / bits, "the fraction that may stay"),
        (lambda bits: 100 / bits, "in percent"),
        (lambda bits: 1 / (bits + 1), "stored or not"),
        (lambda bits: 8 / bits, "not a byte"),
        (lambda bits: 0.5, "That is CSR"),
        (lambda bits: 1 / 32, "they are equal elsewhere"),
        (lambda bits: [0.1, 0.2], "one sparsity"),
        (lambda bits: None, "returns None"),
    ],
)
def test_wrong_break_even_points_are_explained(fn, hint):
    assert_explained(check_bitmap_break_even, fn, hint)
