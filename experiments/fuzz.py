"""Damaged model files of both formats, at random but the same for a seed.

Run `python -m experiments.fuzz --inputs 20000 --seed 1` for more of them than the tests
take. A file either opens and is consistent, or ends in one sentence; never in another
error, a dead process or much memory.
"""

import argparse
import hashlib
import json
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from labkit import zoo
from labkit.compress.pruned import pack_zeros
from labkit.compress.quantized import quantize_network
from labkit.model import probe
from labkit.model.graph import NetworkError
from labkit.model.network import Network
from labkit.packed import codec
from labkit.packed.bit_packing import CodecError
from labkit.packed.compressed import opened, pack

HEAD = len(codec.MAGIC) + hashlib.sha256().digest_size
AT_ONCE = 250  # files in one child
Bytes = Callable[[bytes, np.random.Generator], bytes]


def seeds() -> dict[str, bytes]:
    """Small good files to damage: title -> content."""
    small = (
        zoo.load("mlp").remove_units("fc1", range(280)).remove_units("fc2", range(90))
    )
    masked = small.with_weights(
        {f"{k}/kernel": np.where(abs(w) > 0.1, w, 0) for k, w in small.kernels.items()}
    )
    packed = {
        f"{grid} {granularity}": quantize_network(
            small, bits, granularity, grid=grid
        ).packed
        for grid, bits, granularity in (
            ("uniform", 5, "block"),
            ("uniform", 8, "channel"),
            ("kmeans", 3, "channel"),
            ("float4_e2m1", 4, "tensor"),
        )
    }
    files = {f"{name}.packed": content for name, content in packed.items()}
    files["zeros.packed"] = pack_zeros(masked).packed
    files["float.packed"] = pack(small, {})
    return files | {"small.tflite": small.to_bytes()}


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    """One to eight bits changed."""
    changed = bytearray(content)
    for place in rng.integers(8 * len(changed), size=rng.integers(1, 9)):
        changed[place // 8] ^= 1 << int(place % 8)
    return bytes(changed)


def overwritten(content: bytes, rng: np.random.Generator) -> bytes:
    """A stretch of random bytes, of zeros or of ones."""
    start, size = int(rng.integers(len(content))), int(rng.integers(1, 64))
    new = (rng.bytes(size), bytes(size), b"\xff" * size)[rng.integers(3)]
    return (content[:start] + new + content[start + size :])[: len(content)]


def truncated(content: bytes, rng: np.random.Generator) -> bytes:
    """The end cut off."""
    return content[: rng.integers(len(content))]


def swapped(content: bytes, rng: np.random.Generator) -> bytes:
    """Two neighbouring sections in the other order."""
    a, b, c = np.sort(rng.integers(len(content) + 1, size=3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def repeated(content: bytes, rng: np.random.Generator) -> bytes:
    """A section twice."""
    a, b = np.sort(rng.integers(len(content) + 1, size=2))
    return content[:b] + content[a:b] + content[b:]


DAMAGES: tuple[Bytes, ...] = (flipped, overwritten, truncated, swapped, repeated)
NUMBERS = (-1, 0, 1, 2, 3, 7, 8, 31, 255, 4096, 1 << 20, (1 << 31) - 1, 1 << 64, 10**40)
WORDS = ("", "dense", "csr", "rice", "deflated", "ternary", "kmeans", "\n", "é" * 50)


def edited(header: list, rng: np.random.Generator) -> object:
    """A header with one entry, or one number of it, replaced by another."""
    header = json.loads(json.dumps(header))
    entry = header[rng.integers(len(header))]
    new = (*NUMBERS, *WORDS, None, True, 0.5, [], {}, [[[]]], 1e400)
    value = new[rng.integers(len(new))]
    match rng.integers(5):
        case 0:
            entry[rng.integers(len(entry))] = value
        case 1:
            entry[1][rng.integers(len(entry[1]))] = value
        case 2:
            entry.insert(int(rng.integers(len(entry) + 1)), value)
        case 3:
            header.insert(0, header[rng.integers(len(header))])
        case 4:
            rng.shuffle(header)
    return header


def damaged_packed(content: bytes, rng: np.random.Generator) -> bytes:
    """A packed file damaged by accident, or rewritten by a person: then signed anew."""
    if rng.random() < 0.1:
        return DAMAGES[rng.integers(len(DAMAGES))](content, rng)
    header, skeleton, payload = parts(content)
    match rng.integers(4):
        case 0:
            header = json.dumps(edited(json.loads(header), rng)).encode()
        case 1:
            header = DAMAGES[rng.integers(len(DAMAGES))](header, rng)
        case 2:
            skeleton = damaged_graph(skeleton, rng)
        case 3:
            payload = DAMAGES[rng.integers(len(DAMAGES))](payload, rng)
    framed = [
        struct.pack("<I", len(part)) + part
        for part in (zlib.compress(header), zlib.compress(skeleton))
    ]
    body = b"".join([*framed, payload])
    return codec.MAGIC + hashlib.sha256(body).digest() + body


def parts(content: bytes) -> tuple[bytes, bytes, bytes]:
    """Header and skeleton inflated, and the payload behind them."""
    inflated, rest = [], content[HEAD:]
    for _ in range(2):
        (size,) = struct.unpack("<I", rest[:4])
        inflated.append(zlib.decompress(rest[4 : 4 + size]))
        rest = rest[4 + size :]
    return inflated[0], inflated[1], rest


def damaged_graph(content: bytes, rng: np.random.Generator) -> bytes:
    """A .tflite file damaged, mostly where its graph is.

    The weights fill most of it, and any value of them is legal.
    """
    if rng.random() < 0.3:
        return DAMAGES[rng.integers(len(DAMAGES))](content, rng)
    graph = np.ones(len(content), bool)
    for span in Network.from_bytes(content)._graph.spans.values():
        graph[span.offset : span.offset + span.size_bytes] = False
    changed, places = bytearray(content), np.flatnonzero(graph)
    for place in rng.choice(places, rng.integers(1, 8)):
        changed[place] = rng.choice((0, 1, 127, 128, 255, int(rng.integers(256))))
    return bytes(changed)


def inputs(count: int, seed: int) -> Iterator[bytes]:
    """`count` damaged files, the two formats in turns."""
    rng, good = np.random.default_rng(seed), seeds()
    packed = [content for name, content in good.items() if name.endswith("packed")]
    for k in range(count):
        if k % 2:
            yield damaged_graph(good["small.tflite"], rng)
        else:
            yield damaged_packed(packed[rng.integers(len(packed))], rng)


def outcome(content: bytes, verdict: str | None) -> str:
    """What became of a file: how it was refused, or "opened".

    verdict: of the child. Raises AssertionError where the property does not hold.
    """
    if verdict is not None:
        assert 10 < len(verdict) < 600 and "\n" not in verdict, verdict
        for word in ("TypeError", "KeyError", "IndexError", "AttributeError"):
            assert word not in verdict or "decode" in verdict or "graph" in verdict, (
                verdict
            )
    is_packed = content.startswith(codec.MAGIC)
    try:
        if is_packed:
            compressed = opened(content)
            network = compressed.network
        else:
            network = Network.from_bytes(content)
    except (CodecError, NetworkError) as error:
        assert isinstance(error, CodecError if is_packed else NetworkError), error
        assert "\n" not in str(error) and verdict is not None, error
        return "not read"
    if verdict is not None:
        return "not run"
    if is_packed:
        again = opened(pack(network, compressed.quantized)).network
        assert again.to_bytes() == network.to_bytes(), "packed again, it differs"
    else:
        again = Network.from_skeleton(network.skeleton(), network.weights)
        assert again.to_bytes() == content, "its weights are not its own"
    return "opened"


def fuzz(count: int, seed: int) -> Counter:
    """How many of `count` files had each outcome, both formats apart.

    Raises AssertionError with the file's number where the property does not hold.
    """
    found = Counter()
    files = list(inputs(count, seed))
    with TemporaryDirectory() as folder:
        for start in range(0, count, AT_ONCE):
            some = files[start : start + AT_ONCE]
            paths = [Path(folder) / f"{start + k}" for k in range(len(some))]
            for path, content in zip(paths, some, strict=True):
                path.write_bytes(content)
            verdicts = probe.check(paths)
            for path, content, verdict in zip(paths, some, verdicts, strict=True):
                kind = "packed" if content.startswith(codec.MAGIC) else "tflite"
                try:
                    found[kind, outcome(content, verdict)] += 1
                except AssertionError as error:
                    raise AssertionError(f"input {path.name}: {error}") from error
                path.unlink()
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    for (kind, what), n in sorted(fuzz(chosen.inputs, chosen.seed).items()):
        print(f"{kind:8} {what:10} {n:7,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
