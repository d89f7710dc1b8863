"""Low rank that looks at data: PCA of what a layer reads, and of what it answers."""

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.compress.responses import answers, observe
from labkit.lowrank import convolution, data_aware
from labkit.lowrank.covariance import Moments, Sums, moments
from labkit.lowrank.data_aware import pca_of_inputs, pca_of_responses
from labkit.lowrank.decomposition import from_svd
from labkit.lowrank.truncated_svd import svd


def layer(out=7, inputs=10, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(out, inputs)), rng.normal(size=out)


def correlated(n=300, d=10, seed=1):
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return mixed * np.linspace(3, 0.1, d) + rng.normal(size=d)


def whitened(w, covariance, rank):
    """Data-aware SVD by the textbook: SVD of W C^(1/2), times C^(-1/2) on the right."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors @ np.diag(np.sqrt(values)) @ vectors.T
    u, s, vt = np.linalg.svd(w @ root, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vt[:rank] @ np.linalg.inv(root)


@pytest.mark.parametrize("rank", range(1, 8))
def test_pca_of_responses_is_data_aware_svd(rank):
    """The equality, to rounding error, with an inverse on one side only."""
    w, b = layer()
    x = correlated()
    seen = moments(x)
    first, second = pca_of_responses(w, b, seen.through(w, b)).parts(rank)
    together = second.kernel.astype(float) @ first.kernel.astype(float)
    np.testing.assert_allclose(
        together, whitened(w, seen.covariance, rank), atol=2e-6 * np.abs(w).max()
    )
    found = pca_of_responses(w, b, seen.through(w, b))
    exact = found.second[:, :rank] @ found.first[:rank]
    np.testing.assert_allclose(exact, whitened(w, seen.covariance, rank), atol=1e-9)


def test_a_triangular_root_gives_the_same():
    """Any root of C will do: SVD-LLM's Cholesky, L L^T = C."""
    w, b = layer()
    seen = moments(correlated())
    root = np.linalg.cholesky(seen.covariance)
    u, s, vt = np.linalg.svd(w @ root, full_matrices=False)
    by_cholesky = (u[:, :3] * s[:3]) @ np.linalg.solve(root.T, vt[:3].T).T
    found = pca_of_responses(w, b, seen.through(w, b))
    np.testing.assert_allclose(
        found.second[:, :3] @ found.first[:3], by_cholesky, atol=1e-9
    )


def test_a_singular_covariance_needs_no_inverse():
    """An input that never changes: C has no inverse, the responses do not mind."""
    w, b = layer()
    x = correlated()
    x[:, [0, 4]] = 0.0
    x[:, 5] = 1.0
    seen = moments(x)
    assert np.linalg.matrix_rank(seen.covariance) == 7
    for rank in range(1, 8):
        parts = pca_of_responses(w, b, seen.through(w, b)).parts(rank)
        values = np.linalg.eigvalsh(seen.through(w, b).covariance)[::-1]
        error = data_aware.output_error(w, parts, b, x)
        assert error == pytest.approx(values[rank:].sum(), abs=1e-9, rel=1e-5)


def test_each_minimises_what_it_says():
    w, b = layer()
    x = correlated()
    seen = moments(x)
    plain = from_svd(svd(w), b)
    answered = pca_of_responses(w, b, seen.through(w, b))
    read = pca_of_inputs(w, b, seen)
    for rank in range(1, 7):
        error = {
            name: data_aware.output_error(w, found.parts(rank), b, x)
            for name, found in [("svd", plain), ("y", answered), ("x", read)]
        }
        assert error["y"] <= min(error["svd"], error["x"]) + 1e-9
        change = {
            name: np.square(w - found.second[:, :rank] @ found.first[:rank]).sum()
            for name, found in [("svd", plain), ("y", answered), ("x", read)]
        }
        assert change["svd"] <= min(change["y"], change["x"]) + 1e-9
        v = read.first[:rank]
        lost = np.square((x - seen.mean) @ (np.eye(10) - v.T @ v)).sum(axis=1).mean()
        assert lost == pytest.approx(read.energies[rank:].sum())


def test_no_other_layer_of_the_rank_answers_better():
    w, b = layer()
    x = correlated()
    parts = pca_of_responses(w, b, moments(x).through(w, b)).parts(2)
    best = data_aware.output_error(w, parts, b, x)
    y = x @ w.T
    rng = np.random.default_rng(4)
    for _ in range(20):
        low = rng.normal(size=(7, 2)) @ rng.normal(size=(2, 10))
        rest = y - x @ low.T
        assert np.square(rest - rest.mean(axis=0)).sum(axis=1).mean() > best


def test_all_ranks_keep_the_mean_answer():
    w, b = layer()
    x = correlated()
    seen = moments(x)
    for found in (
        pca_of_responses(w, b, seen.through(w, b)),
        pca_of_inputs(w, b, seen),
    ):
        for rank in (1, 4, found.full_rank):
            first, second = found.parts(rank)
            y = x @ first.kernel.T @ second.kernel.T + second.bias
            np.testing.assert_allclose(y.mean(0), (x @ w.T + b).mean(0), atol=2e-5)


def test_a_layer_without_bias_gets_one_for_the_mean():
    w, _ = layer()
    seen = moments(correlated())
    found = pca_of_inputs(w, None, seen)
    np.testing.assert_allclose(found.parts(10)[1].bias, 0, atol=1e-6)
    assert np.abs(found.parts(2)[1].bias).max() > 0.1


def test_moments_in_batches_and_far_from_0():
    rows = correlated(200) + 1e6
    sums = Sums()
    for batch in np.split(rows, [1, 50, 50, 120]):
        sums.add(batch.reshape(len(batch), 1, 10))
    found = sums.moments()
    np.testing.assert_allclose(found.mean, rows.mean(0))
    np.testing.assert_allclose(
        found.covariance, np.cov(rows.T, bias=True), rtol=1e-6, atol=1e-6
    )
    assert found.n == 200
    np.testing.assert_allclose(found.second, rows.T @ rows / 200)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: moments(np.zeros((0, 3))), "is empty: give numbers"),
        (lambda: observe(zoo.load("mlp"), np.zeros((0, 28, 28))), "at least one"),
        (lambda: observe(zoo.load("mlp"), np.zeros((1, 28, 28)), "x"), "choose one"),
        (lambda: pca_of_responses(np.eye(2), None, moments(np.eye(3))), "3 channels"),
        (lambda: pca_of_inputs(np.eye(2), None, moments(np.eye(3))), "reads 2"),
        (
            lambda: convolution.projected_inputs(
                np.ones((1, 3, 3, 2)), None, moments(np.eye(3))
            ),
            "reads 2",
        ),
        (lambda: convolution.channel(np.eye(2)), "one of a convolution"),
    ],
)
def test_what_does_not_fit_is_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("name", quick(zoo.NAMES, "mlp", "lenet5"))
def test_observed_moments_are_those_of_the_arrays(name):
    network = zoo.load(name)
    images = zoo.dataset(name).calibration.images[:70]
    read = observe(network, images, "inputs").moments
    answered = observe(network, images).moments
    assert set(read) == set(answered) == set(network.kernels)
    for layer in list(network.kernels)[:3] + list(network.kernels)[-1:]:
        w, b = (network.weights[f"{layer}/{part}"] for part in ("kernel", "bias"))
        inputs = network.activations(images, layer).reshape(-1, w.shape[-1])
        np.testing.assert_allclose(read[layer].mean, inputs.mean(0), atol=1e-4)
        y = answers(network, images, layer)
        if w.ndim == 2:
            np.testing.assert_allclose(y, inputs @ w.T + b, rtol=1e-3, atol=1e-3)
            through = read[layer].through(w, b)
            scale = np.abs(through.covariance).max()
            np.testing.assert_allclose(
                answered[layer].covariance, through.covariance, atol=1e-4 * scale
            )
        after = network.outputs(images, [layer])[layer]
        if network.layer(layer).activation == "RELU":
            assert y.min() < 0
            y = np.maximum(y, 0)
        np.testing.assert_allclose(after, y, atol=1e-5)
        assert answered[layer].n == y[..., 0].size


def test_mnists_black_pixels_make_the_covariance_singular():
    network = zoo.load("mlp")
    images = zoo.dataset("mlp").calibration.images[:500]
    covariance = observe(network, images, "inputs").moments["fc1"].covariance
    assert (np.diag(covariance) == 0).sum() > 100
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.inv(covariance)


@pytest.mark.long
def test_held_out_answers_are_never_worse_than_plain_svds():
    """At every tenth rank of every layer of the mlp, on images that it did not see."""
    network, data = zoo.load("mlp"), zoo.dataset("mlp")
    seen = observe(network, data.calibration.images[:2000])
    held_out = data.validation.images[:1000]
    for layer in network.kernels:
        w, b = (network.weights[f"{layer}/{part}"] for part in ("kernel", "bias"))
        w = w.astype(float)
        x = network.activations(held_out, layer).reshape(-1, w.shape[1]).astype(float)
        plain, aware = (
            from_svd(svd(w), b),
            pca_of_responses(w, b, seen.moments[layer]),
        )
        step = max(1, len(w) // 10)
        for rank in range(1, len(w), step):
            errors = [
                data_aware.output_error(w, found.parts(rank), b, x)
                for found in (plain, aware)
            ]
            assert errors[1] <= errors[0]


def test_moments_through_a_layer_without_bias():
    seen = Moments(np.array([1.0, 2.0]), np.eye(2), 5).through(np.array([[1.0, 1.0]]))
    assert (seen.mean.tolist(), seen.covariance.tolist(), seen.n) == ([3], [[2]], 5)
