"""The packed file: every width, exact round trips, and some hundred damages."""

import hashlib
import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from labkit.packed import codec
from labkit.packed.bit_packing import CodecError, pack_bits, unpack_bits
from labkit.packed.codec import decode, encode
from labkit.packed.storages import STORAGES, Sparse, sparse
from labkit.quantize.codebook import CodebookTensor, quantize_to_levels, with_levels
from labkit.quantize.granularity import BLOCKS, GRANULARITIES
from labkit.quantize.level_grids import GRIDS
from labkit.quantize.range_rules import RANGES
from labkit.quantize.symmetric import quantize

FLOATS = arrays(
    np.float32,
    array_shapes(max_dims=4, max_side=9),
    elements=st.floats(-100, 100, width=32),
)


@pytest.mark.parametrize("bits", range(2, 17))
def test_every_code_of_every_width(bits):
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1)
    codes = np.arange(low, high)
    packed = pack_bits(codes, bits)
    assert len(packed) == codec.packed_size(bits, len(codes))
    assert np.array_equal(unpack_bits(packed, bits, len(codes)), codes)
    for wrong in (low - 1, high):
        with pytest.raises(ValueError, match="give more bits"):
            pack_bits(np.array([wrong]), bits)


@pytest.mark.parametrize("bits", range(2, 17))
def test_the_layout_is_one_long_little_endian_number(bits):
    rng = np.random.default_rng(bits)
    codes = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), 37)
    number = sum((int(code) % 2**bits) << (k * bits) for k, code in enumerate(codes))
    size = codec.packed_size(bits, len(codes))
    assert pack_bits(codes, bits) == number.to_bytes(size, "little")


@pytest.mark.parametrize("bits", range(1, 17))
def test_codes_without_a_sign(bits):
    codes = np.arange(2 ** min(bits, 10)) * max(1, 2 ** (bits - 10))
    codes[-1] = 2**bits - 1
    packed = pack_bits(codes, bits, signed=False)
    number = sum(int(code) << (k * bits) for k, code in enumerate(codes))
    assert packed == number.to_bytes(codec.packed_size(bits, len(codes)), "little")
    unpacked = unpack_bits(packed, bits, len(codes), signed=False)
    assert unpacked.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert np.array_equal(unpacked, codes)
    for wrong in (-1, 2**bits):
        with pytest.raises(ValueError, match="give more bits"):
            pack_bits(np.array([wrong]), bits, signed=False)


@pytest.mark.parametrize("bits", [0, 17, 2.5])
def test_widths_that_are_none(bits):
    for signed in (True, False):
        with pytest.raises(ValueError, match="bits is"):
            pack_bits(np.zeros(3, int), bits, signed)
        with pytest.raises(ValueError, match="bits is"):
            unpack_bits(b"abc", bits, 3, signed)


def test_bytes_of_the_wrong_length():
    with pytest.raises(CodecError, match="3 5-bit codes are 2 bytes, not 3"):
        unpack_bits(bytes(3), 5, 3)


@st.composite
def tensors(draw):
    w = draw(FLOATS)
    if draw(st.booleans()):
        return w
    if draw(st.booleans()):
        zeros = np.where(np.abs(w) > draw(st.floats(0, 100)), w, np.float32(0))
        return sparse(zeros, draw(st.sampled_from(list(STORAGES))))
    granularity = draw(st.sampled_from(list(GRANULARITIES)))
    axis = draw(st.integers(0, w.ndim - 1))
    block = draw(st.sampled_from(BLOCKS))
    if draw(st.booleans()):
        bits, rule = draw(st.integers(2, 16)), draw(st.sampled_from(list(RANGES)))
        return quantize(w, bits, granularity, rule, axis, block=block)
    kind = draw(st.sampled_from(list(GRIDS)))
    bits = draw(st.sampled_from(GRIDS[kind].bits))
    return quantize_to_levels(w, kind, bits, granularity, axis, block=block)


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        return
    if isinstance(a, Sparse):
        assert a.storage == b.storage
        assert_same(a.w, b.w)
        return
    assert (a.bits, a.groups) == (b.bits, b.groups)
    if isinstance(a, CodebookTensor):
        assert a.kind == b.kind
        assert_same(a.levels, b.levels)
    assert_same(a.q, b.q)
    assert_same(a.scale, b.scale)
    assert_same(a.decode(), b.decode())


@settings(deadline=None)
@given(
    st.binary(max_size=300),
    st.dictionaries(st.text(max_size=200), tensors(), max_size=4),
)
def test_decode_is_the_inverse_of_encode(skeleton, weights):
    file = encode(skeleton, weights)
    again, decoded = decode(file)
    assert again == skeleton
    assert list(decoded) == list(weights)
    for name, tensor in weights.items():
        assert_same(tensor, decoded[name])
    assert encode(again, decoded) == file


def test_the_size_is_the_payload_and_little_more():
    w = np.random.default_rng(0).normal(size=(300, 784)).astype(np.float32)
    bias = np.ones(300, np.float32)
    quantized = quantize(w, 3, "channel")
    payload = codec.payload_bytes(quantized) + codec.payload_bytes(bias)
    assert payload == 300 * 784 * 3 // 8 + 4 * 300 + 4 * 300
    file = encode(bytes(1000), {"fc1/kernel": quantized, "fc1/bias": bias})
    assert 0 < len(file) - payload < 200


def test_bytes_of_a_pruned_tensor():
    w = np.zeros((30, 100), np.float32)
    w[:, :7] = 1
    pruned = sparse(w, "bitmap")
    assert codec.payload_bytes(pruned) == 3000 // 8 + 4 * 210
    assert 0 < len(encode(b"", {"fc1/kernel": pruned})) - (375 + 840) < 120


@pytest.mark.parametrize(
    ("kind", "bits", "payload"),
    [  # 3,000 weights in 30 channels, one scale each: codes, levels, scales
        ("power_of_two", 4, 1500 + 0 + 120),
        ("kmeans", 5, 1875 + 128 + 120),
        ("ternary", 2, 750 + 0 + 120),
        ("binary", 1, 375 + 0 + 120),
        ("float8_e4m3", 8, 3000 + 0 + 120),
        ("float8_e5m2", 8, 3000 + 0 + 120),
        ("float4_e2m1", 4, 1500 + 0 + 120),
    ],
)
def test_bytes_of_the_grids(kind, bits, payload):
    w = np.random.default_rng(0).normal(size=(30, 100)).astype(np.float32)
    coded = quantize_to_levels(w, kind, bits, "channel")
    assert codec.payload_bytes(coded) == payload
    assert payload < len(encode(b"", {"fc1/kernel": coded})) < payload + 150
    whole = quantize_to_levels(w, kind, bits)
    scales = 0 if kind == "kmeans" else 1  # a codebook for all needs none
    assert codec.payload_bytes(whole) == payload - 120 + 4 * scales


def test_trained_levels_are_kept():
    w = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    coded = quantize_to_levels(w, "kmeans", 2)
    trained = with_levels(coded, coded.levels[::-1] * 1.5)
    (again,) = decode(encode(b"", {"a": trained}))[1].values()
    assert_same(trained, again)


def test_files_of_blocks_of_32_are_as_before():
    w = np.random.default_rng(0).normal(size=(2, 64)).astype(np.float32)
    header = header_of(encode(b"", {"a": quantize(w, 5, "block")}))
    assert header == [["a", [2, 64], 5, 2, 0]]
    header = header_of(encode(b"", {"a": quantize(w, 5, "block", block=64)}))
    assert header == [["a", [2, 64], 5, 2, 0, 64]]


def header_of(file: bytes) -> list:
    body = file[len(codec.MAGIC) + 32 :]
    (size,) = struct.unpack("<I", body[:4])
    return json.loads(zlib.decompress(body[4 : 4 + size]))


@pytest.fixture(scope="module")
def file():
    w = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    tensors = {
        "a": quantize(w, 5, "block"),
        "b": w[0],
        "c": quantize_to_levels(w, "kmeans", 2),
        "d": sparse(np.where(w > 1, w, 0), "relative"),
    }
    return encode(b"graph" * 20, tensors)


def test_every_flipped_bit_is_noticed(file):
    for k in range(8 * len(file)):
        damaged = bytearray(file)
        damaged[k // 8] ^= 1 << k % 8
        with pytest.raises(CodecError):
            decode(bytes(damaged))


def test_every_truncation_is_noticed(file):
    for end in range(len(file)):
        with pytest.raises(CodecError):
            decode(file[:end])
    with pytest.raises(CodecError):
        decode(file + b"\0")


def signed(body: bytes) -> bytes:
    """A file whose checksum is right, whatever its content."""
    return codec.MAGIC + hashlib.sha256(body).digest() + body


def test_random_damage_behind_a_right_checksum(file):
    """No accident but another program's file: an error or tensors, never a crash."""
    rng = np.random.default_rng(0)
    body = file[len(codec.MAGIC) + 32 :]
    for _ in range(500):
        damaged = bytearray(body)
        for _ in range(rng.integers(1, 6)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        try:
            decoded = decode(signed(bytes(damaged)))[1]
        except CodecError as error:
            assert "\n" not in str(error)
        else:
            for tensor in decoded.values():
                assert tensor.shape in ((6, 40), (40,))


def body_of(header, payload=b"", skeleton=b"") -> bytes:
    parts = [zlib.compress(json.dumps(header).encode()), zlib.compress(skeleton)]
    return b"".join(struct.pack("<I", len(p)) + p for p in parts) + payload


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xff\xff\xff",
        body_of([["a", [2]]], bytes(7)),  # a byte too few
        body_of([["a", [2]]], bytes(9)),  # a byte too many
        body_of([["a", [-1]]]),
        body_of([["a", [10**12]]]),
        body_of([["a", ["x"]]]),
        body_of([["a", [2], 1, 0, 0]], bytes(5)),  # 1 bit
        body_of([["a", [2], 4, 7, 0]], bytes(5)),  # no such granularity
        body_of([["a", [2], 4, 1, 3]], bytes(9)),  # no such axis
        body_of([["a", [2], 4, 2, 0, 16]], bytes(9)),  # no such block
        body_of([["a", [2], 4, 0, 0, 32, "septenary"]], bytes(5)),  # no such grid
        body_of([["a", [2], 3, 0, 0, 32, "ternary"]], bytes(5)),  # no such width
        body_of([["a", [2], 2, 0, 0, 32, "ternary"]], b"\x0f" + bytes(4)),  # code 3
        body_of([["a", [2], 8, 0, 0, 32, "float8_e4m3"]], b"\x7f" + bytes(5)),  # NaN
        body_of([["a", [2], "zip"]], bytes(4)),  # no such storage
        body_of([["a", [2], "dense"]], bytes(8)),  # 0 bytes announced, 4 too many
        body_of([["a", [2], "dense", 4]], b"\x08" + bytes(11)),  # bits follow
        body_of([["a", [], "dense"]], bytes(4)),  # no axis
        body_of([["a"]]),
        body_of({"a": 1}),
        body_of(7),
    ],
)
def test_a_right_checksum_over_nonsense(body):
    with pytest.raises(CodecError, match="does not decode"):
        decode(signed(body))


@pytest.mark.parametrize("foreign", [b"", b"TFL3", b"\x89PNG\r\n\x1a\n", bytes(100)])
def test_a_foreign_file(foreign):
    with pytest.raises(CodecError, match="does not start as"):
        decode(foreign)
