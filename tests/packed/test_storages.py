"""Storages for zeros: exact round trips, layouts by hand, sizes against formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.sparse import csr_matrix

from labkit.packed.bit_packing import CodecError, unpack_bits
from labkit.packed.gaps import gaps_of, places_after, with_fillers
from labkit.packed.storage_sizes import (
    binary_entropy,
    bits_per_weight,
    break_even,
    formulas,
)
from labkit.packed.storages import STORAGES, body, decode_sparse, encode_sparse, sparse

SHAPES = array_shapes(max_dims=4, max_side=9, min_side=0)
ALL_STORAGES = pytest.mark.parametrize("storage", STORAGES)


@st.composite
def tensors(draw):
    """Float32 with zeros here and there, up to zeros almost everywhere."""
    shape = draw(SHAPES)
    values = draw(arrays(np.float32, shape, elements=st.floats(width=32)))
    density = draw(st.sampled_from([0, 0.02, 0.3, 0.9, 1]))
    kept = np.random.default_rng(draw(st.integers(0, 99))).random(shape) < density
    return np.where(kept, values, np.float32(0))


def sparse_matrix(rows, columns, sparsity, seed=0, bits=32):
    rng = np.random.default_rng(seed)
    if bits == 32:
        values = rng.normal(size=(rows, columns)).astype(np.float32)
    else:
        values = rng.integers(1, 2 ** (bits - 1), (rows, columns), np.int8)
    values[rng.random((rows, columns)) < sparsity] = 0
    return values


@ALL_STORAGES
@settings(deadline=None)
@given(tensors())
def test_floats_come_back_bit_by_bit(storage, w):
    found = decode_sparse(encode_sparse(w, storage))
    assert (found.shape, found.dtype) == (w.shape, np.float32)
    assert found.tobytes() == w.tobytes()  # NaN and -0.0 among them


@ALL_STORAGES
@settings(deadline=None)
@given(SHAPES, st.integers(2, 16), st.integers(0, 99), st.floats(0, 1))
def test_codes_of_every_width_come_back(storage, shape, bits, seed, density):
    rng = np.random.default_rng(seed)
    codes = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape)
    codes[rng.random(shape) > density] = 0
    found = decode_sparse(encode_sparse(codes, storage, bits))
    assert found.dtype == (np.int8 if bits <= 8 else np.int16)
    np.testing.assert_array_equal(found, codes)


@ALL_STORAGES
@pytest.mark.parametrize("sparsity", [0, 0.5, 0.9, 0.999, 1])
def test_layers_as_large_as_the_labs(storage, sparsity):
    w = sparse_matrix(300, 784, sparsity)
    assert decode_sparse(encode_sparse(w, storage)).tobytes() == w.tobytes()
    conv = np.asfortranarray(w[:50, :500].reshape(50, 5, 5, 20))
    np.testing.assert_array_equal(decode_sparse(encode_sparse(conv, storage)), conv)


def test_the_header():
    content = encode_sparse(np.zeros((2, 3), np.float32), "bitmap")
    assert content.hex(" ", 1) == "01 20 02 02 00 00 00 03 00 00 00 00"


def test_a_bitmap_by_hand():
    w = np.array([[0, 1.5, 0, 0, 0], [0, 0, 0, -2.0, 4.0]], np.float32)
    assert body(w, "bitmap").hex() == "0203" + w[w != 0].tobytes().hex()


@pytest.mark.parametrize("sparsity", [0, 0.3, 0.97, 1])
def test_csr_is_that_of_scipy(sparsity):
    w = sparse_matrix(40, 33, sparsity)
    right = csr_matrix(w)
    arrays = (right.indptr, right.indices, right.data)
    assert body(w, "csr") == b"".join(array.tobytes() for array in arrays)


def test_the_gaps_of_deep_compressions_figure():
    """Figure 2: places 1, 4, 15 with 3-bit differences need a filler in between."""
    assert with_fillers(np.array([1, 4, 15]), 8).tolist() == [1, 4, 12, 15]


def test_relative_by_hand():
    """4-bit codes and 2-bit gaps: 20 zeros are bridged by stored zeros."""
    codes = np.zeros((1, 40), np.int8)
    codes[0, [0, 1, 2, 23, 24, 25, 26, 27]] = [1, 2, 3, 4, 5, 6, 7, -8]
    content = body(codes, "relative", bits=4)
    entries, k = int.from_bytes(content[:4], "little"), content[4]
    gaps = unpack_bits(content[5 : 5 + -(-entries * k // 8)], k, entries, signed=False)
    values = unpack_bits(content[5 + -(-entries * k // 8) :], 4, entries)
    assert values[values != 0].tolist() == [1, 2, 3, 4, 5, 6, 7, -8]
    assert np.all(gaps[values == 0] == 2**k - 1)
    assert places_after(gaps)[values != 0].tolist() == np.flatnonzero(codes).tolist()


@settings(deadline=None)
@given(st.sets(st.integers(0, 300), min_size=1), st.integers(0, 5))
def test_fillers_bridge_every_gap_and_no_more(places, k):
    places = np.array(sorted(places))
    stored = with_fillers(places, 2**k)
    assert set(places) <= set(stored) and len(set(stored)) == len(stored)
    gaps = gaps_of(stored)
    assert gaps.max() < 2**k
    fillers = ~np.isin(stored, places)
    assert np.all(gaps[fillers] == 2**k - 1)
    assert fillers.sum() == np.sum(gaps_of(places) // 2**k)


def test_a_rice_code_by_hand():
    """Gaps 0, 5, 1 with r = 1: quotients 0, 2, 0; remainders 0, 1, 1."""
    w = np.zeros(12, np.float32)
    w[[0, 6, 8]] = 1
    head, rest = body(w, "rice")[:9], body(w, "rice")[9:]
    assert head.hex(" ", 1) == "03 00 00 00 05 00 00 00 01"
    assert rest[:2].hex(" ", 1) == f"{0b11001:02x} {0b110:02x}"
    assert rest[2:] == w[w != 0].tobytes()


def test_a_rice_code_turns_to_the_rarer_side():
    """One zero among many takes as few bytes as one non-zero among many."""
    few, many = np.zeros(9999, np.int8), np.ones(9999, np.int8)
    few[7000], many[7000] = 1, 0
    places = [
        len(body(x, "rice", 2)) - -(-np.count_nonzero(x) // 4) for x in (few, many)
    ]
    assert places[0] == places[1] < 15


@pytest.mark.parametrize("storage", ["dense", "bitmap", "csr", "relative", "rice"])
@pytest.mark.parametrize("bits", [32, 4])
@pytest.mark.parametrize("sparsity", [0, 0.1, 0.5, 0.8, 0.95, 0.995])
def test_the_formula_is_the_size_of_zeros_at_random(storage, bits, sparsity):
    x = sparse_matrix(4, 125_000, sparsity, seed=1, bits=bits)
    real = 8 * len(body(x, storage, bits)) / x.size
    share = 1 - np.count_nonzero(x) / x.size
    formula = bits_per_weight(storage, share, bits)
    assert real == pytest.approx(formula, rel=0.01)
    bound = bits_per_weight("entropy", share, bits)
    assert real > 0.999 * bound or storage == "dense"


@pytest.mark.parametrize("sparsity", [0.5, 0.8, 0.9, 0.95, 0.98, 0.99])
def test_a_rice_code_is_near_the_entropy_of_the_places(sparsity):
    h = binary_entropy(sparsity)
    places = bits_per_weight("rice", sparsity, bits=32) - 32 * (1 - sparsity)
    assert h <= places < 1.05 * h


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 16, 32])
def test_break_even_points_in_closed_form(bits):
    assert break_even("bitmap", bits=bits) == pytest.approx(1 / bits, abs=1e-9)
    csr = 32 / (32 + bits)
    assert break_even("csr", bits=bits) == pytest.approx(csr, abs=1e-9)
    against = break_even("csr", than="bitmap", bits=bits)
    assert against == pytest.approx(1 - 1 / 32, abs=1e-9)


def test_a_rice_code_leaves_the_bitmap_at_the_golden_ratio():
    """With r = 1: (1 - s) (2 + s^2 / (1 - s^2)) = 1, so s^2 + s = 1."""
    golden = (np.sqrt(5) - 1) / 2
    assert break_even("rice", than="bitmap") == pytest.approx(golden, abs=1e-9)
    for bits in (4, 8):
        assert break_even("rice", "bitmap", bits) == pytest.approx(golden, abs=1e-9)


@pytest.mark.parametrize(
    ("storage", "than"), [("bitmap", "dense"), ("csr", "dense"), ("csr", "bitmap")]
)
@pytest.mark.parametrize("side", [-0.01, 0.01])
def test_files_change_places_at_the_break_even_point(storage, than, side):
    w = sparse_matrix(200, 3000, break_even(storage, than) + side, seed=2)
    shorter = len(body(w, storage)) < len(body(w, than))
    assert shorter == (side > 0)


def test_one_zero_more_than_a_32nd_pays_for_the_bitmap():
    """Exactly: a bitmap has n / 8 bytes, and each zero saves 4."""
    for zeros, shorter in ((32, False), (33, True)):
        w = np.ones((32, 32), np.float32)
        w.flat[:zeros] = 0
        assert (len(body(w, "bitmap")) < len(body(w, "dense"))) == shorter
        assert len(body(w, "bitmap")) <= len(body(w, "dense"))


def test_break_even_points_there_are_not():
    assert break_even("entropy") == break_even("rice", bits=32) == 0
    assert break_even("entropy", than="rice") == pytest.approx(0.5)  # where they meet
    with pytest.raises(ValueError, match="csr is not shorter than relative"):
        break_even("csr", than="relative")
    with pytest.raises(ValueError, match="no formula for 'deflated'"):
        break_even("deflated")


def test_formulas_at_both_ends():
    for storage in formulas():
        ends = bits_per_weight(storage, np.array([0.0, 1.0]))
        at_one = {"dense": 32, "bitmap": 1}.get(storage, 0)
        assert np.isfinite(ends).all() and ends[1] == at_one
    with pytest.raises(ValueError, match="give fractions from 0 to 1"):
        bits_per_weight("bitmap", [0.5, 90])


@settings(deadline=None)
@given(tensors())
def test_the_smallest_storage(w):
    found = sparse(w, "smallest")
    assert found.storage in STORAGES
    lengths = {name: len(body(w, name)) for name in STORAGES}
    assert lengths[found.storage] == min(lengths.values())
    assert found.decode().tobytes() == w.tobytes()


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match="storage is 'zip': choose one of dense"):
        encode_sparse(np.ones(3, np.float32), "zip")
    with pytest.raises(ValueError, match="storage is 'zip'"):
        sparse(np.ones(3), "zip")
    with pytest.raises(ValueError, match="a single number has no axis"):
        encode_sparse(np.float32(1), "bitmap")
    with pytest.raises(ValueError, match="give more bits"):
        encode_sparse(np.array([8]), "bitmap", bits=4)


@ALL_STORAGES
@pytest.mark.parametrize("bits", [32, 4])
def test_every_cut_is_seen(storage, bits):
    x = sparse_matrix(6, 9, 0.7, bits=bits)
    content = encode_sparse(x, storage, bits)
    for end in range(len(content)):
        with pytest.raises(CodecError):
            decode_sparse(content[:end])
    with pytest.raises(CodecError):
        decode_sparse(content + b"\0")


@ALL_STORAGES
@pytest.mark.parametrize("bits", [32, 4])
def test_no_flipped_bit_ends_in_another_error(storage, bits):
    content = encode_sparse(sparse_matrix(6, 9, 0.7, bits=bits), storage, bits)
    refused = 0
    for place in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        try:
            decode_sparse(bytes(damaged))
        except CodecError:
            refused += 1
    assert refused > 50  # of the header's 88 bits alone


def test_a_body_of_more_weights_than_there_are():
    head = (
        bytes([list(STORAGES).index("rice"), 32, 2])
        + np.full(2, 1 << 20, "<u4").tobytes()
    )
    with pytest.raises(CodecError, match="more weights than 20 bytes may unpack to"):
        decode_sparse(head + bytes(9))
    with pytest.raises(CodecError, match="more weights than"):
        encode_sparse(
            np.zeros((1 << 11, 1 << 12), np.float32), "rice"
        )  # 32 MB of zeros
