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

from labkit import codec
from labkit.codec import CodecError, decode, encode, pack_bits, unpack_bits
from labkit.quantize import GRANULARITIES, RANGES, Quantized, quantize

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


def test_bytes_of_the_wrong_length():
    with pytest.raises(CodecError, match="3 5-bit codes are 2 bytes, not 3"):
        unpack_bits(bytes(3), 5, 3)


@st.composite
def tensors(draw):
    w = draw(FLOATS)
    if draw(st.booleans()):
        return w
    granularity = draw(st.sampled_from(GRANULARITIES))
    axis = draw(st.integers(0, w.ndim - 1))
    bits, rule = draw(st.integers(2, 16)), draw(st.sampled_from(RANGES))
    return quantize(w, bits, granularity, rule, axis)


def assert_same(a, b):
    assert type(a) is type(b)
    if not isinstance(a, Quantized):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        return
    assert (a.bits, a.granularity, a.axis) == (b.bits, b.granularity, b.axis)
    assert_same(a.q, b.q)
    assert_same(a.scale, b.scale)
    assert_same(a.decode(), b.decode())


@settings(deadline=None)
@given(st.binary(max_size=300), st.dictionaries(st.text(), tensors(), max_size=4))
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


@pytest.fixture(scope="module")
def file():
    w = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    return encode(b"graph" * 20, {"a": quantize(w, 5, "block"), "b": w[0]})


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
