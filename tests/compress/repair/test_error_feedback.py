"""Rounding with error feedback: three ways to the same codes, and what they save."""

import numpy as np
import pytest
from long import quick

from labkit import zoo
from labkit.compress.quantized import quantize_network
from labkit.compress.repair.error_feedback import (
    feed_back_errors,
    feedback_cholesky,
    output_error,
    round_with_feedback,
)
from labkit.packed.codec import payload_bytes
from labkit.packed.compressed import unpack
from labkit.prune.curvature import hessian
from labkit.quantize.granularity import GRANULARITIES
from labkit.quantize.symmetric import quantize


def layer(seed, outputs=6, inputs=12, n=40):
    """A kernel, and inputs that go up and down together."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) @ rng.normal(size=(4, inputs))
    return rng.normal(size=(outputs, inputs)), np.maximum(x, 0)


def feedback_least_squares(w, x, damping, scale, qmax):
    """The definition: after each rounding fit the later weights to what is wrong.

    numpy's least squares on the inputs themselves, with damping as more rows.
    """
    rows = np.sqrt(damping * np.diag(x.T @ x).mean()) * np.eye(x.shape[1])
    x, w, q = np.vstack([x, rows]), w.copy(), np.zeros(w.shape)
    for k in range(w.shape[1]):
        q[:, k] = np.clip(np.rint(w[:, k] / scale[:, 0]), -qmax, qmax)
        wrong = np.outer(x[:, k], w[:, k] - scale[:, 0] * q[:, k])
        w[:, k + 1 :] += np.linalg.lstsq(x[:, k + 1 :], wrong, rcond=None)[0].T
    return q


def feedback_plain(
    w: np.ndarray, h: np.ndarray, scale: np.ndarray, qmax: int
) -> np.ndarray:
    """As `feedback_cholesky`, with an inverse that shrinks by one column a step.

    In step k it is that of H without its first k rows and columns: one step of Gaussian
    elimination.
    """
    w, q = np.array(w, np.float64), np.zeros(np.shape(w))
    scale = np.broadcast_to(scale, w.shape)
    inverse = np.linalg.inv(h)
    for k in range(w.shape[1]):
        q[:, k] = np.clip(np.rint(w[:, k] / scale[:, k]), -qmax, qmax)
        error = (w[:, k] - scale[:, k] * q[:, k]) / inverse[0, 0]
        w[:, k + 1 :] -= np.outer(error, inverse[0, 1:])
        inverse -= np.outer(inverse[:, 0], inverse[0]) / inverse[0, 0]
        inverse = inverse[1:, 1:]
    return q


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_plain_cholesky_and_least_squares_agree(seed, bits):
    w, x = layer(seed)
    scale = quantize(w, bits, "channel").scale[:, None].astype(float)
    qmax, h = 2 ** (bits - 1) - 1, hessian(x, 0.01)
    plain = feedback_plain(w, h, scale, qmax)
    np.testing.assert_array_equal(plain, feedback_cholesky(w, h, scale, qmax))
    expected = feedback_least_squares(w, x, 0.01, scale, qmax)
    np.testing.assert_array_equal(plain, expected)
    assert np.abs(plain).max() <= qmax


def test_plain_and_cholesky_agree_on_a_real_layer():
    network, images = zoo.load("mlp"), zoo.dataset("mlp").calibration.images[:300]
    w, x = network.kernels["fc2"], network.activations(images, "fc2")
    scale = quantize(w, 3, "channel").scale[:, None].astype(float)
    h = hessian(x)
    plain, cholesky = (f(w, h, scale, 3) for f in (feedback_plain, feedback_cholesky))
    assert np.mean(plain != cholesky) < 1e-3  # halves can fall to either side


def test_uncorrelated_inputs_are_rounded_to_nearest():
    w, _ = layer(0)
    nearest = quantize(w, 3, "channel")
    np.testing.assert_array_equal(
        round_with_feedback(w, np.eye(12), nearest).q, nearest.q
    )


def test_a_pixel_that_is_always_black_is_rounded_to_nearest():
    w, x = layer(1)
    x[:, [0, 7]] = 0
    nearest = quantize(w, 3, "channel")
    fed = round_with_feedback(w, x, nearest)
    np.testing.assert_array_equal(fed.q[:, [0, 7]], nearest.q[:, [0, 7]])
    assert not np.array_equal(fed.q, nearest.q)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_scales_bits_and_bytes_stay_for_every_granularity(granularity):
    w, x = layer(2, inputs=80, n=200)
    nearest = quantize(w, 2, granularity)
    fed = round_with_feedback(w, x, nearest)
    np.testing.assert_array_equal(fed.scale, nearest.scale)
    assert (fed.bits, fed.granularity) == (2, granularity)
    assert fed.q.dtype == nearest.q.dtype
    assert payload_bytes(fed) == payload_bytes(nearest)
    assert output_error(w, fed.decode(), x) < output_error(w, nearest.decode(), x)


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("name", quick(["fc1", "fc2"], "fc2"))
def test_it_saves_output_error_on_images_it_has_not_seen(name, bits):
    network, dataset = zoo.load("mlp"), zoo.dataset("mlp")
    w = network.kernels[name]
    x, new = (
        network.activations(split.images[:1000], name).reshape(1000, -1)
        for split in (dataset.calibration, dataset.validation)
    )
    nearest = quantize(w, bits, "channel")
    fed = round_with_feedback(w, x, nearest).decode()
    assert output_error(w, fed, new) < 0.4 * output_error(w, nearest.decode(), new)
    wrong, right = np.abs(fed - w), np.abs(nearest.decode() - w)
    assert wrong.mean() > right.mean()  # the weights themselves are further off


@pytest.mark.long
def test_a_whole_network():
    network, dataset = zoo.load("mlp"), zoo.dataset("mlp")
    compressed = quantize_network(network, 2, "channel")
    fed = feed_back_errors(network, compressed, dataset.calibration.images[:500])
    assert unpack(fed.packed).to_bytes() == fed.network.to_bytes()
    split = dataset.validation.take(1000)
    before, after = (
        (made.network.predict(split.images).argmax(axis=1) == split.labels).mean()
        for made in (compressed, fed)
    )
    assert after > before + 0.3


@pytest.mark.long
def test_later_layers_see_the_rounded_earlier_ones():
    network, images = zoo.load("mlp"), zoo.dataset("mlp").calibration.images[:400]
    compressed = quantize_network(network, 2, "channel")
    both = feed_back_errors(network, compressed, images, layers=["fc2", "fc1"])
    first = feed_back_errors(network, compressed, images, layers=["fc1"])
    np.testing.assert_array_equal(both.quantized["fc1"].q, first.quantized["fc1"].q)
    x = first.network.activations(images, "fc2")
    expected = round_with_feedback(
        network.kernels["fc2"], x, compressed.quantized["fc2"]
    )
    np.testing.assert_array_equal(both.quantized["fc2"].q, expected.q)
    np.testing.assert_array_equal(
        both.quantized["fc3"].q, compressed.quantized["fc3"].q
    )


def test_convolutions_stay():
    network, images = zoo.load("lenet5"), zoo.dataset("lenet5").calibration.images
    compressed = quantize_network(network, {"conv1": 4, "conv2": 4, "fc2": 2})
    fed = feed_back_errors(network, compressed, images[:100])
    assert list(fed.quantized) == ["conv1", "conv2", "fc2"]
    changed = [
        name
        for name, tensor in fed.quantized.items()
        if not np.array_equal(tensor.q, compressed.quantized[name].q)
    ]
    assert changed == ["fc2"]


def test_what_is_refused():
    w, x = layer(0)
    with pytest.raises(ValueError, match="do not fit"):
        round_with_feedback(w, x[:, :5], quantize(w, 3))
    with pytest.raises(ValueError, match="do not fit"):
        round_with_feedback(w.reshape(6, 12, 1), x, quantize(w, 3))
    with pytest.raises(ValueError, match="not all 0"):
        hessian(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="damping is 0: give a finite number above 0"):
        hessian(x, damping=0)
    network, images = zoo.load("lenet5"), zoo.dataset("lenet5").calibration.images
    compressed = quantize_network(network, {"conv1": 4, "fc2": 2})
    for name in ("conv1", "fc1", "fc9"):
        with pytest.raises(
            ValueError, match=f"{name} is no dense layer on .* from fc2"
        ):
            feed_back_errors(network, compressed, images[:10], layers=[name])
    ternary = quantize_network(network, {"fc1": 2}, grid="ternary")
    with pytest.raises(ValueError, match="fc1 is no dense layer on a uniform grid"):
        feed_back_errors(network, ternary, images[:10], layers=["fc1"])
