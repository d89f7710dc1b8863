"""Packed files that a person made to harm: small, rightly signed, and they say much."""

import hashlib
import json
import struct
import zlib

import numpy as np

from labkit.packed import codec

MILLION = 1 << 20


def signed(body: bytes) -> bytes:
    """A file whose checksum is right, whatever its content."""
    return codec.MAGIC + hashlib.sha256(body).digest() + body


def framed(content: bytes) -> bytes:
    return struct.pack("<I", len(content)) + content


def bomb(size: int, start: bytes = b"") -> bytes:
    """`start` and zeros, `size` bytes in all, deflated a thousandfold."""
    stream, zeros = zlib.compressobj(9), bytes(MILLION)
    parts = [stream.compress(start)]
    for left in range(size - len(start), 0, -MILLION):
        parts.append(stream.compress(zeros[: min(left, MILLION)]))
    return b"".join([*parts, stream.flush()])


def packed(header: object, payload: bytes = b"", skeleton: bytes = b"") -> bytes:
    """A file of a header (JSON, or the text itself), a skeleton and tensors."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return signed(
        framed(zlib.compress(text, 9)) + framed(zlib.compress(skeleton, 9)) + payload
    )


def relative(entries: int) -> bytes:
    """So many gaps of one bit."""
    return struct.pack("<IB", entries, 1) + bytes(-(-entries // 8))


def rice_of_ones(size: int) -> bytes:
    """Eight gaps of no zeros in each of `size` bytes."""
    return struct.pack("<IIB", 8 * size, 8 * size, 0) + b"\xff" * size


def hostile_files() -> dict[str, bytes]:
    """What each one tries -> the file."""
    empty_rice, huge = struct.pack("<IIB", 0, 0, 0), [16 * MILLION]
    many = [[f"t{k}", huge, "rice"] for k in range(60)]
    text = {"skeleton": zlib.compress(b"[]"), "header": bomb(250 * MILLION, b"[")}
    deflated = framed(bomb(64 * MILLION))
    return {
        "sixty huge tensors of no bytes": packed(many, framed(empty_rice) * 60),
        "one tensor more than there is room for": packed(
            [["t", [4 * MILLION + 100_000], "rice"]], framed(empty_rice)
        ),
        "one tensor that just fits": packed(
            [["t", [4 * MILLION], "rice"]], framed(empty_rice)
        ),
        "huge sides beside a zero": packed(
            [["t", [2_000_000_000, 0], "rice"]], framed(empty_rice)
        ),
        "sides beyond 64 bits": packed([["t", [10**30], "rice"]], framed(empty_rice)),
        "a hundred axes": packed([["t", [1] * 100]], bytes(4)),
        "a skeleton bomb": signed(
            framed(text["skeleton"]) + framed(bomb(250 * MILLION))
        ),
        "a header bomb": signed(framed(text["header"]) + framed(text["skeleton"])),
        "a header of many lists": packed(b"[" + b"[]," * 80_000 + b"[]]"),
        "a header of many entries": packed(
            [[f"t{k}", [0]] for k in range(16_000)], b""
        ),
        "a deep header": packed(b"[" * 100_000 + b"]" * 100_000),
        "a number of many digits": packed(b'[["t",[' + b"9" * 200_000 + b"]]]"),
        "a name of many letters": packed([["t" * 200_000, [1]]], bytes(4)),
        "a kind of many letters": packed(
            [["t", [1], 2, 0, 0, 32, "k" * 200_000]], bytes(5)
        ),
        "two tensors of one name": packed([["t", [1]], ["t", [1]]], bytes(8)),
        "a deflated tensor that is a bomb": packed([["t", [4], "deflated"]], deflated),
        "more gaps than places": packed(
            [["t", [100], "relative"]], framed(relative(2 * MILLION))
        ),
        "more rice gaps than places": packed(
            [["t", [100], "rice"]],
            framed(
                struct.pack("<IIB", 8 * MILLION, 8 * MILLION, 0) + b"\xff" * MILLION
            ),
        ),
        "codes of one bit": packed(
            [["t", [8 * MILLION], 1, 0, 0, 32, "binary"]],
            bytes(MILLION) + np.ones(1, "<f4").tobytes(),
        ),
        "codes of nine bits": packed(
            [["t", [4 * MILLION], 9, 0, 0]], bytes(4 * MILLION * 9 // 8 + 4)
        ),
    }
