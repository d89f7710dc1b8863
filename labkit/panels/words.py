"""Figures as the readouts of panels write them."""

from dataclasses import replace

from labkit.measure import ledger
from labkit.measure.correctness import Accuracy, Paired, compare
from labkit.measure.ledger import Row
from labkit.plots.base import percent
from labkit.train import child

# What pruning leaves of a channel's mean and deviation: a panel's choices.
AS_THEY_ARE, RE_ESTIMATED = CHANNELS = ("as they are", "re-estimated")
THIS_MACHINE = (
    "The trained figures are this machine's: another one adds in another order, takes "
    "another number of steps if it is slow, and ends with another network."
)


def measured(accuracy: Accuracy) -> str:
    """An accuracy with its interval.

    >>> measured(Accuracy([True] * 90 + [False] * 10))
    '90.00 % (82.56 to 94.48 %)'
    """
    low, high = accuracy.interval
    return f"{percent(accuracy.value)} ({100 * low:.2f} to {100 * high:.2f} %)"


def change(paired: Paired) -> str:
    """How one network differs from another on the same images."""
    low, high = paired.interval
    return (
        f"newly wrong {paired.newly_wrong:,}, newly right {paired.newly_right:,}, "
        f"{points(paired.difference)} points ({points(low)} to {points(high)}), "
        f"{chance(paired.p_value)}"
    )


def points(difference: float) -> str:
    """A difference of accuracies in percentage points, with its sign.

    >>> points(-0.0125)
    '−1.25'
    """
    return f"{100 * difference:+.2f}".replace("-", "−")


def chance(p_value: float) -> str:
    """A p-value in words.

    >>> chance(0.74), chance(3e-20)
    ('p = 0.74', 'p < 0.0001')
    """
    return f"p = {p_value:.2g}" if p_value >= 1e-4 else "p < 0.0001"


def progress(n: int, total: int, complete: bool) -> str:
    """How far a measurement is. complete: whether bytes and latency are there, too.

    >>> progress(250, 10_000, complete=False)
    'estimate on the first 250 of 10,000 test images, refining…'
    >>> progress(10_000, 10_000, complete=True)
    'exact on all 10,000 test images'
    """
    if n < total:
        return f"estimate on the first {n:,} of {total:,} test images, refining…"
    exact = f"exact on all {total:,} test images"
    return exact if complete else f"{exact}; the other columns follow…"


def state(position) -> str:
    """How far the measurement of a position is, where a report says nothing else."""
    return progress(position.accuracy.n, position.total, position.latency is not None)


def file_line(position, name: str, size_bytes: int, packed: str = "packed in ") -> str:
    """The first line of a readout: a setting's accuracy, its file, how much smaller.

    name: the position in words. packed: "" for a file that runs as it is.
    """
    full = len(position.network)
    return (
        f"{position.settings['network']}, {name}: {measured(position.accuracy)}, "
        f"{packed}{size_bytes:,} bytes, {full / size_bytes:.2f}× smaller"
    )


def packed_rows(position, compressed, stage: str) -> tuple[list[Row], list[str]]:
    """The ledger of a float32 and a packed file, and why columns disagree."""
    found = {
        "float32": ledger.network_row(position.network),
        "packed": ledger.compressed_row(compressed, stage),
    }
    table = filled(found, position)
    return table, ledger.explain(table)


def layers_part(layers: tuple[str, ...] | None) -> str:
    """What a file's name says of the chosen layers; nothing where it is all of them.

    >>> layers_part(None), layers_part(("fc1",))
    ('', '-1layers')
    """
    return "" if layers is None else f"-{len(layers)}layers"


def of_asked(steps: int, asked: int) -> str:
    """Why a live training took fewer steps than were asked for; nothing if it did not.

    >>> of_asked(80, 80), of_asked(37, 80)  # doctest: +ELLIPSIS
    ('', ' (37 of 80 steps: what this machine takes in ... s)')
    """
    if steps == asked:
        return ""
    return (
        f" ({steps} of {asked} steps: what this machine takes in {child.SECONDS:g} s)"
    )


def filled(rows: dict[str, Row], position) -> list[Row]:
    """The ledger's rows with the figures that come last, as far as they are there.

    rows: name -> row. position: its `deflated` and `latency` have these names; None
    before they are measured. A row without a latency of its own keeps that cell empty.
    """
    if position.deflated is None:
        return list(rows.values())
    return [
        replace(
            row,
            deflated_bytes=position.deflated[name],
            latency=position.latency.get(name),
        )
        for name, row in rows.items()
    ]


def beside_float(position) -> str:
    """The line of a readout that compares with the float network, image by image."""
    paired = compare(position.base_accuracy, position.accuracy)
    before = percent(position.base_accuracy.value)
    return f"float32: {before}; on the same images {change(paired)}"


def beside_float_time(position, name: str) -> str:
    """The latency of a position's file beside the float network's: both measured."""
    now, before = (position.latency[k].median_us for k in (name, "float32"))
    return f"{now:,.1f} µs an image (float32: {before:,.1f} µs)"


def smaller_costs(position) -> str:
    """MACs and, once measured, latency of a `SmallerPosition`, beside float32's."""
    macs = f"{position.small.macs:,} MACs (float32: {position.network.macs:,})"
    if position.latency is None:
        return macs
    return f"{macs}; {beside_float_time(position, position.NAME)}"


def smaller_rows(position, stage: str) -> tuple[list[Row], list[str]]:
    """The ledger of a `SmallerPosition`: two rows, and why columns disagree."""
    found = {
        "float32": ledger.network_row(position.network),
        position.NAME: ledger.network_row(position.small, stage),
    }
    table = filled(found, position)
    return table, ledger.explain(table)


def chosen_layers(layers: tuple[str, ...]) -> str:
    """Which layers, in at most a name.

    >>> chosen_layers(()), chosen_layers(("fc1",)), chosen_layers(("fc1", "fc2"))
    ('no layer', 'only fc1', '2 layers')
    """
    if len(layers) > 1:
        return f"{len(layers)} layers"
    return f"only {layers[0]}" if layers else "no layer"


def fraction_text(fraction: float) -> str:
    """A fraction as a slider shows it.

    >>> fraction_text(0.985), fraction_text(0.35)
    ('98.5 %', '35 %')
    """
    return f"{100 * fraction:.3g} %"
