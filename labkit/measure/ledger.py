"""The cost ledger: what each stage of a model costs, column by column.

The columns do not move together: a pruned file is not smaller by itself, a quantized
one not faster by itself. `explain` says so in sentences made from the figures.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from labkit.measure.file_contents import StoredArray, stored_weights
from labkit.measure.timing import Latency
from labkit.packed import codec

FLOAT_BITS = 32


@dataclass(frozen=True)
class Row:
    """One stage of a model.

    parameters: kernels and biases, counted in numbers. nonzeros: those that are not 0.
    bits: nominal, what one kernel weight takes (a mean, where layers differ).
    payload_bytes: all that the weights need: codes, scales, zero points, biases, …
    size_bytes: the whole file's length. deflated_bytes: the file's after zlib, level 9.
    macs: multiply-accumulates for one image. arithmetic: what the layers multiply in,
    "float32", "integer" or, where they differ, "mixed". The two slow columns,
    deflated_bytes and latency, are None until `dataclasses.replace` fills them.
    """

    stage: str
    parameters: int
    nonzeros: int
    bits: float
    payload_bytes: int
    size_bytes: int
    deflated_bytes: int | None
    macs: int
    latency: Latency | None = None
    arithmetic: str = "float32"


def network_row(network, stage: str = "float32") -> Row:
    """The row of a float `Network`, its slow columns empty."""
    return _file_row(network.to_bytes(), network.macs, stage)


def deployed_row(deployed, network, stage: str) -> Row:
    """The row of a `deploy.Deployed` made from `network`, its slow columns empty."""
    return _file_row(deployed.to_bytes(), network.macs, stage)


def _file_row(content: bytes, macs: int, stage: str) -> Row:
    weights = stored_weights(content)
    kernels = [weight for weight in weights if weight.role == "kernel"]
    size = sum(kernel.count for kernel in kernels)
    return Row(
        stage=stage,
        parameters=sum(weight.count for weight in weights),
        nonzeros=sum(weight.nonzeros for weight in weights),
        bits=sum(kernel.bits * kernel.count for kernel in kernels) / size,
        payload_bytes=_payload_bytes(weights),
        size_bytes=len(content),
        deflated_bytes=None,
        macs=macs,
        arithmetic=_arithmetic(kernels),
    )


def _payload_bytes(weights: Sequence[StoredArray]) -> int:
    """Their bytes in the file, an array that several layers share counted once."""
    return sum({weight.buffer: weight.payload_bytes for weight in weights}.values())


def _arithmetic(kernels: Sequence[StoredArray]) -> str:
    integer = [k.type.startswith("INT") and not k.decoded for k in kernels]
    if all(integer):
        return "integer"
    return "mixed" if any(integer) else "float32"


def compressed_row(compressed, stage: str) -> Row:
    """The row of a `compressed.Compressed`: the packed file, counted for its bytes.

    Its network runs as a decoded float file: MACs and arithmetic are that file's.
    """
    row = network_row(compressed.network, stage)
    tensors = compressed.quantized.values()
    compact = sum(prod(tensor.shape) for tensor in tensors)
    kernels = sum(kernel.size for kernel in compressed.network.kernels.values())
    bits = sum(tensor.bits * prod(tensor.shape) for tensor in tensors)
    left = row.parameters - compact
    return replace(
        row,
        bits=(bits + FLOAT_BITS * (kernels - compact)) / kernels,
        payload_bytes=sum(map(codec.payload_bytes, tensors)) + left * FLOAT_BITS // 8,
        size_bytes=len(compressed.packed),
    )


def deflated_bytes(content: bytes) -> int:
    """The length of a file after zlib at level 9, the DEFLATE of zip, gzip and PNG.

    >>> deflated_bytes(bytes(1000)) < 20
    True
    """
    return len(zlib.compress(content, 9))


def explain(rows: Sequence[Row]) -> list[str]:
    """Why columns disagree: sentences on each row against the first, the baseline.

    A sentence is there only where the figures show the disagreement, so two columns
    that move together, or a column not yet measured, give none.
    """
    if not rows:
        return []
    base, *others = rows
    found = [reason(base, row) for row in others for reason in _REASONS]
    return [sentence for sentence in found if sentence]


def _larger_than_nominal(base: Row, row: Row) -> str | None:
    nominal, real = base.bits / row.bits, base.size_bytes / row.size_bytes
    codes = round(row.parameters * row.bits / 8)
    if row.bits >= base.bits or real >= 0.995 * nominal or row.payload_bytes < codes:
        return None
    return (
        f"{row.stage}: the file is {real:.3g}x smaller, not {nominal:.3g}x: of its "
        f"{row.size_bytes:,} bytes, {codes:,} would do for {row.bits:.3g} bits a "
        f"parameter; scales, zero points and biases add "
        f"{row.payload_bytes - codes:,}, graph and header "
        f"{row.size_bytes - row.payload_bytes:,}."
    )


def _deflates_further(base: Row, row: Row) -> str | None:
    if row.deflated_bytes is None or row.bits >= base.bits:
        return None
    saved = row.size_bytes - row.deflated_bytes
    # More than the graph could give, so the codes themselves got shorter.
    if saved <= max(row.size_bytes - row.payload_bytes, 0.05 * row.size_bytes):
        return None
    return (
        f"{row.stage}: deflate still takes {saved:,} bytes off the file: some codes "
        "are more frequent than others, and each is stored in as many bits."
    )


def _zeros_not_smaller(base: Row, row: Row) -> str | None:
    if not _sparser(base, row) or row.size_bytes < 0.98 * base.size_bytes:
        return None
    sentence = (
        f"{row.stage}: {_sparsity(row):.0%} of the parameters are zero and the file is "
        "not smaller: a zero is stored in as many bits as any other number."
    )
    if None not in (base.deflated_bytes, row.deflated_bytes) and (
        row.deflated_bytes < base.deflated_bytes
    ):
        sentence += (
            " Deflate, which shortens repeats, finds them: "
            f"{row.deflated_bytes:,} bytes against {base.deflated_bytes:,}."
        )
    return sentence


def _zeros_not_faster(base: Row, row: Row) -> str | None:
    same_work = row.bits == base.bits and row.macs == base.macs
    if not _sparser(base, row) or not same_work or not _not_faster(base, row):
        return None
    return (
        f"{row.stage}: {_sparsity(row):.0%} of the parameters are zero and it is not "
        f"faster ({_times(base, row)}): the kernels multiply by a zero as by any other "
        f"number, all {row.macs:,} MACs of them."
    )


def _quantized_not_faster(base: Row, row: Row) -> str | None:
    if row.bits >= base.bits or not _not_faster(base, row):
        return None
    why = {
        "float32": "the codes are decoded to float32 before the layers multiply, so "
        f"the {row.macs:,} MACs are the same float32 ones",
        "integer": "the layers multiply integers, but the runtime's kernels for this "
        f"format do not beat its float32 ones on this processor ({row.latency.cpu})",
        "mixed": "only some of the layers multiply integers, the others float32",
    }[row.arithmetic]
    return f"{row.stage}: quantized and not faster ({_times(base, row)}): {why}."


def _slower_than_macs(base: Row, row: Row) -> str | None:
    if None in (base.latency, row.latency) or row.macs >= base.macs:
        return None
    fewer = base.macs / row.macs
    faster = base.latency.median_us / row.latency.median_us
    if faster >= 0.9 * fewer:
        return None
    return (
        f"{row.stage}: {fewer:.3g}x fewer MACs and {faster:.3g}x the speed "
        f"({_times(base, row)}): a layer also costs its call, and the reading and "
        "writing of its numbers."
    )


_REASONS = (
    _larger_than_nominal,
    _deflates_further,
    _zeros_not_smaller,
    _zeros_not_faster,
    _quantized_not_faster,
    _slower_than_macs,
)


def _sparsity(row: Row) -> float:
    return 1 - row.nonzeros / row.parameters


def _sparser(base: Row, row: Row) -> bool:
    return _sparsity(row) >= _sparsity(base) + 0.05


def _not_faster(base: Row, row: Row) -> bool:
    """Whether both are measured, and their medians are not clearly apart.

    The quartiles of a busy machine overlap even where one file is twice as fast, so a
    file counts as faster once its median is below the base's lower quartile and the
    base's median above its upper one, or once its median is below two thirds.
    """
    if base.latency is None or row.latency is None:
        return False
    now, before = row.latency, base.latency
    apart = now.median_us < before.q1_us and now.q3_us < before.median_us
    return not (apart or now.median_us < before.median_us * 2 / 3)


def _times(base: Row, row: Row) -> str:
    return f"{row.latency.median_us:.1f} µs against {base.latency.median_us:.1f} µs"
