"""The optimal brain surgeon against trying every weight and fitting the rest anew."""

import numpy as np
import pytest

from labkit import zoo
from labkit.compress.repair.error_feedback import output_error
from labkit.prune.brain_surgeon import obs_scores, obs_update
from labkit.prune.curvature import damped, hessian
from labkit.prune.masking import mask

DAMPING = 0.01


def layer(seed, outputs=3, inputs=9, n=30):
    """A kernel, and inputs that go up and down together."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) @ rng.normal(size=(4, inputs))
    return rng.normal(size=(outputs, inputs)), np.maximum(x, 0)


def with_damping(x):
    """The inputs with more rows that make least squares damped, as `hessian` is."""
    rows = np.sqrt(DAMPING * np.diag(x.T @ x).mean()) * np.eye(x.shape[1])
    return np.vstack([x, rows])


def fitted(w, x, kept):
    """The best weights where `kept`, 0 elsewhere, by numpy's least squares on x."""
    best = np.zeros(w.size)
    best[kept] = np.linalg.lstsq(x[:, kept], x @ w, rcond=None)[0]
    return best, np.sum((x @ (w - best)) ** 2)


def scores_by_trying(w, x):
    """One output: remove each weight left for a try, keep the cheapest removal."""
    scores, kept, before = np.zeros(w.size), np.ones(w.size, bool), 0.0
    dearest = 0.0
    for _ in range(w.size):
        tries = {}
        for p in np.flatnonzero(kept):
            less = kept.copy()
            less[p] = False
            tries[p] = fitted(w, x, less)[1]
        p = min(tries, key=tries.get)
        dearest = max(dearest, tries[p] - before)
        scores[p], before, kept[p] = dearest, tries[p], False
    return scores


def scores_with_the_whole_inverse(w, h):
    """One output, by the formulas as they are written, up to date in every step."""
    scores, left, inverse = np.zeros(w.size), np.arange(w.size), np.linalg.inv(h)
    w, dearest = w.copy(), 0.0
    while left.size:
        added = w**2 / (2 * np.diag(inverse))
        p = int(added.argmin())
        scores[left[p]] = dearest = max(dearest, added[p])
        w = np.delete(w - w[p] / inverse[p, p] * inverse[p], p)
        inverse = inverse - np.outer(inverse[p], inverse[p]) / inverse[p, p]
        inverse = np.delete(np.delete(inverse, p, 0), p, 1)
        left = np.delete(left, p)
    return scores


@pytest.mark.parametrize("seed", range(5))
def test_the_scores_are_those_of_trying_every_weight(seed):
    w, x = layer(seed)
    found = obs_scores(w, hessian(x, DAMPING))
    expected = [scores_by_trying(row, with_damping(x)) for row in w]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("inputs", [1, 63, 64, 65, 150])
def test_late_updates_change_nothing(inputs):
    """More weights than go before the inverse is brought up to date, and fewer."""
    w, x = layer(1, outputs=2, inputs=inputs, n=200)
    h = hessian(x, DAMPING)
    expected = [scores_with_the_whole_inverse(row, h) for row in w]
    np.testing.assert_allclose(obs_scores(w, h), expected, rtol=1e-6)


@pytest.mark.parametrize("dark", [[], [0], [2, 5, 8], range(9)])
def test_inputs_that_are_always_zero_stand_alone(dark):
    """Scores and weights are those of the whole H, also where it falls apart."""
    w, x = layer(3)
    x[:, list(dark)] = 0
    h = damped(2 * x.T @ x, DAMPING) if x.any() else np.eye(9)
    expected = [scores_with_the_whole_inverse(row, h) for row in w]
    np.testing.assert_allclose(obs_scores(w, h), expected, rtol=1e-6)
    for sparsity in (0.2, 0.7):
        kept = mask(obs_scores(w, h), sparsity)
        found = obs_update(w, h, kept)
        for row, old, k in zip(found, w, kept, strict=True):
            change = np.linalg.solve(h[np.ix_(k, k)], h[np.ix_(k, ~k)] @ old[~k])
            np.testing.assert_allclose(row[k], old[k] + change, rtol=1e-6)
            assert not row[~k].any()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sparsity", [0, 0.1, 0.3, 0.8, 1])
def test_compensated_weights_are_least_squares(seed, sparsity):
    w, x = layer(seed)
    kept = mask(np.abs(w), sparsity)
    found = obs_update(w, hessian(x, DAMPING), kept)
    expected = [
        fitted(row, with_damping(x), k)[0] for row, k in zip(w, kept, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert not found[~kept].any()


def test_the_scores_add_up_to_the_error_of_the_compensated_weights():
    """Where no score was raised to one before it, as here, checked by their order."""
    w, x = np.array([[1.0, 2.0, -3.0]]), np.diag([1.0, 2.0, 4.0])
    h = damped(2 * x.T @ x, 1e-12)
    found = obs_scores(w, h)
    np.testing.assert_allclose(found, [[1.0, 16.0, 144.0]], rtol=1e-6)
    less = obs_update(w, h, np.array([[False, False, True]]))
    assert np.sum((x @ (w - less).T) ** 2) == pytest.approx(17)


def test_a_weight_whose_input_another_one_has_costs_nothing():
    x = np.random.default_rng(0).normal(size=(50, 3))[:, [0, 1, 2, 2]]
    w = np.array([[1.0, 1.0, 5.0, 1.0]])
    h = damped(2 * x.T @ x, 1e-9)
    kept = mask(obs_scores(w, h), 0.25)
    assert kept[0, :2].all() and np.count_nonzero(kept[0, 2:]) == 1
    repaired = obs_update(w, h, kept)
    assert output_error(w, repaired, x) < 1e-9
    assert repaired[0, 2:].sum() == pytest.approx(6, rel=1e-6)


def test_it_beats_magnitude_on_images_it_has_not_seen():
    network, data = zoo.load("mlp"), zoo.dataset("mlp")
    x, new = (
        network.activations(split.images[:1000], "fc2").astype(np.float64)
        for split in (data.calibration, data.validation)
    )
    w, h = network.kernels["fc2"][:12].astype(np.float64), hessian(x)
    by_size, by_surgeon = mask(np.abs(w), 0.9), mask(obs_scores(w, h), 0.9)
    assert np.count_nonzero(by_size) == np.count_nonzero(by_surgeon) == 360
    errors = [
        output_error(w, w_hat, new)
        for w_hat in (
            w * by_size,
            obs_update(w, h, by_size),
            obs_update(w, h, by_surgeon),
        )
    ]
    assert errors[2] < 0.6 * errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize("fn", [obs_scores, lambda w, h: obs_update(w, h, w > 0)])
def test_shapes_that_do_not_fit(fn):
    for w, h in [
        (np.ones((2, 3)), np.eye(2)),
        (np.ones(3), np.eye(3)),
        (np.ones((2, 3, 3, 1)), np.eye(9)),
    ]:
        with pytest.raises(ValueError, match="do not fit: give"):
            fn(w, h)
    with pytest.raises(ValueError, match="the mask is"):
        obs_update(np.ones((2, 3)), np.eye(3), np.ones(3, bool))
    assert obs_scores(np.empty((0, 3)), np.eye(3)).shape == (0, 3)
