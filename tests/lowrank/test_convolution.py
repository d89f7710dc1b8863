"""Convolutions of low rank: the parts, what they cost, what they multiply back to."""

import numpy as np
import pytest

from labkit.lowrank import convolution, cp_als, parts, truncated_svd, tucker2
from labkit.lowrank.covariance import moments
from labkit.lowrank.parts import FactorLayer, reconstruct_kernel


def kernel(out=6, height=3, width=3, inputs=4, seed=0):
    return np.random.default_rng(seed).normal(size=(out, height, width, inputs))


SHAPES = [(6, 3, 3, 4), (3, 5, 5, 1), (4, 1, 1, 7), (2, 3, 5, 3)]


def left_out(w, found):
    return np.square(w - reconstruct_kernel(found)).sum()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [convolution.channel, convolution.spatial])
def test_matrix_forms_leave_out_the_later_squares(make, shape):
    w, bias = kernel(*shape), np.arange(shape[0])
    found = make(w, bias)
    for rank in (1, found.full_rank // 2 + 1, found.full_rank):
        cut = found.parts(rank)
        assert left_out(w, cut) == pytest.approx(found.energies[rank:].sum(), abs=1e-5)
        np.testing.assert_array_equal(cut[-1].bias, bias)
        assert cut[0].bias is None and cut[0].outputs == cut[1].inputs == rank
    assert found.energies.sum() == pytest.approx(np.square(w).sum())


def test_the_shapes_of_the_parts():
    w = kernel()
    shapes = {
        "channel": [(2, 3, 3, 4), (6, 1, 1, 2)],
        "spatial": [(2, 3, 1, 4), (6, 1, 3, 2)],
    }
    for name, expected in shapes.items():
        found = getattr(convolution, name)(w).parts(2)
        assert [part.kernel.shape for part in found] == expected
    three = tucker2.tucker(w, (3, 2)).parts()
    assert [p.kernel.shape for p in three] == [(2, 1, 1, 4), (3, 3, 3, 2), (6, 1, 1, 3)]
    four = cp_als.cp(w, 5).parts()
    assert [(p.kernel.shape, p.depthwise) for p in four] == [
        ((5, 1, 1, 4), False),
        ((1, 3, 1, 5), True),
        ((1, 1, 3, 5), True),
        ((6, 1, 1, 5), False),
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_break_even_is_where_weights_are_as_many(shape):
    out, height, width, inputs = shape
    w = kernel(*shape)
    taps = height * width
    channel, spatial = convolution.channel(w), convolution.spatial(w)
    assert channel.break_even == pytest.approx(
        truncated_svd.break_even(out, taps * inputs)
    )
    assert spatial.break_even == pytest.approx(
        truncated_svd.break_even(height * inputs, width * out)
    )
    for found in (channel, spatial):
        for rank in range(1, found.full_rank + 1):
            saves = parts.parameters(found.parts(rank)) < w.size
            assert saves == (rank < found.break_even)


def test_projected_inputs_read_through_their_main_directions():
    w = kernel()
    rng = np.random.default_rng(1)
    pixels = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 4))  # of rank 2
    found = convolution.projected_inputs(w, None, moments(pixels))
    assert found.energies[2:].max() < 1e-9 * found.energies[0]
    first, second = found.parts(2)
    rows = np.random.default_rng(2).permutation(pixels)[:9].reshape(3, 3, 4)
    y = np.tensordot(w, rows, 3)
    np.testing.assert_allclose(
        np.tensordot(reconstruct_kernel([first, second]), rows, 3), y, atol=1e-5
    )
    assert second.bias is None


def test_channel_of_responses_is_pca_of_the_filters_answers():
    """Against whitening by the covariance of whole windows."""
    w, b = kernel(), np.arange(6.0)
    rng = np.random.default_rng(3)
    windows = rng.normal(size=(400, 36)) @ rng.normal(size=(36, 36)) + 1
    flat = w.reshape(6, -1)
    seen = moments(windows @ flat.T + b)
    found = convolution.channel_of_responses(w, b, seen)
    root = np.linalg.cholesky(np.cov(windows.T, bias=True))
    u, s, vt = np.linalg.svd(flat @ root, full_matrices=False)
    aware = np.linalg.solve(root.T, ((u[:, :2] * s[:2]) @ vt[:2]).T).T
    back = found.second[:, 0, 0, :2] @ found.first[:2].reshape(2, -1)
    np.testing.assert_allclose(back, aware, atol=1e-9)


@pytest.mark.parametrize("ranks", [(1, 1), (3, 2), (6, 4), (2, 4)])
def test_tucker_against_tensorly(ranks):
    from tensorly.decomposition import partial_tucker

    w = kernel()
    (core, factors), _ = partial_tucker(w, rank=ranks, modes=[0, 3], n_iter_max=50)
    theirs = np.einsum("pijq,op,cq->oijc", core, factors[0], factors[1])
    ours = tucker2.tucker(w, ranks, rounds=50)
    assert left_out(w, ours.parts()) == pytest.approx(
        np.square(w - theirs).sum(), rel=1e-3, abs=1e-9
    )
    for side, rank in ((ours.outputs, ranks[0]), (ours.inputs, ranks[1])):
        np.testing.assert_allclose(side.T @ side, np.eye(rank), atol=1e-9)


def test_tuckers_rounds_only_help():
    w = kernel(12, 3, 3, 10)
    errors = [
        left_out(w, tucker2.tucker(w, (4, 3), rounds=n).parts()) for n in range(6)
    ]
    assert errors == sorted(errors, reverse=True) and errors[0] > errors[-1]
    outputs, inputs = tucker2.mode_energies(w)
    assert errors[0] <= outputs[4:].sum() + inputs[3:].sum()  # the HOSVD's bound
    assert outputs.sum() == pytest.approx(np.square(w).sum())


def test_cp_finds_terms_that_are_there():
    rng = np.random.default_rng(4)
    terms = [rng.normal(size=(side, 3)) for side in (6, 3, 3, 5)]
    w = np.einsum("or,ir,jr,cr->oijc", *terms)
    found = cp_als.cp(w, 3, rounds=500)
    assert left_out(w, found.parts()) < 1e-3 * np.square(w).sum()
    sides = (found.outputs, found.down, found.across, found.inputs)
    lengths = [np.linalg.norm(v, axis=0) for v in sides]
    np.testing.assert_allclose(lengths, [lengths[0]] * 4)


def test_cp_against_tensorly():
    from tensorly.decomposition import parafac

    w = kernel(8, 3, 3, 6)
    weights, factors = parafac(w, 6, n_iter_max=60, init="random", random_state=0)
    theirs = np.einsum("r,or,ir,jr,cr->oijc", weights, *factors)
    ours = left_out(w, cp_als.cp(w, 6, rounds=60).parts())
    assert ours <= 1.1 * np.square(w - theirs).sum()


def test_cp_is_the_same_from_the_same_seed():
    w = kernel()
    one, again, other = (
        cp_als.cp(w, 3, seed=1),
        cp_als.cp(w, 3, seed=1),
        cp_als.cp(w, 3, seed=2),
    )
    np.testing.assert_array_equal(one.down, again.down)
    assert not np.allclose(one.down, other.down)


def test_a_depthwise_part_multiplies_channel_by_channel():
    one = FactorLayer(np.ones((2, 1, 1, 3)))
    each = FactorLayer(np.arange(6.0).reshape(1, 3, 1, 2), depthwise=True)
    found = reconstruct_kernel([one, each])
    assert found.shape == (2, 3, 1, 3)
    assert found[:, :, 0, 0].tolist() == [[0, 2, 4], [1, 3, 5]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tucker2.tucker(kernel(), (7, 1)), "from 1 to 6"),
        (lambda: tucker2.tucker(kernel(4, 1, 1, 4), (3, 2)), "more than 1 times"),
        (lambda: tucker2.tucker(np.eye(3), (1, 1)), "one of a convolution"),
        (lambda: cp_als.cp(kernel(), 0), "rank is 0"),
        (lambda: cp_als.cp(kernel(), 2, rounds=0), "at least 1"),
        (lambda: convolution.spatial(np.eye(3)), "one of a convolution"),
    ],
)
def test_what_does_not_fit_is_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()
