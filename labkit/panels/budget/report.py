"""What the budget panel says of a position: readout, ledger, files, code."""

from labkit.panels.controls import Settings
from labkit.panels.words import (
    beside_float,
    measured,
    packed_rows,
)

SAME_BITS = "The lab's deployable files have the same bits in every layer."


def name(settings: Settings) -> str:
    """A position in words.

    >>> where = {"granularity": "channel", "free": None}
    >>> name({"budget": 12.5, "method": "greedy"} | where)
    'budget 12.5 %, greedy, channel'
    """
    text = (
        f"budget {settings['budget']:g} %, {settings['method']}, "
        f"{settings['granularity']}"
    )
    if settings["free"] is None:
        return text
    return f"{text}, {_layers(len(settings['free']))} free"


def _layers(count: int) -> str:
    return f"{count} layer" if count == 1 else f"{count} layers"


def lines(position) -> list[str]:
    """The readout: accuracy and bytes, the paired test, the loss."""
    size, full = position.chosen.compressed.size_bytes, len(position.network)
    return [
        f"{position.settings['network']}, {name(position.settings)}: "
        f"{measured(position.accuracy)}, packed in {size:,} of "
        f"{position.budget_bytes:,} bytes, {full / size:.2f}× smaller",
        beside_float(position),
        _loss_line(position),
    ]


def _loss_line(position) -> str:
    """Predicted by both methods for this budget, and measured."""
    found = "…" if position.loss is None else nats(position.loss)
    text = (
        f"loss on validation images: {nats(position.chosen.predicted_loss)} predicted, "
        f"{found} measured"
    )
    chosen = position.settings["method"]
    other = next(name for name in position.offered if name != chosen)
    offered = position.offered[other]
    index = offered.index_for(position.chosen.compressed.size_bytes)
    text += f"; {other} predicts {nats(float(offered.loss[index]))}"
    if position.settings["granularity"] != offered.found.granularity:
        text += " (predictions for one scale a channel)"
    return text


def nats(increase: float) -> str:
    """A loss increase with its sign.

    >>> nats(0.01234), nats(-0.0002)
    ('+0.0123', '−0.0002')
    """
    return f"{increase:+.4f}".replace("-", "−")


def rows(position) -> tuple[list, list[str]]:
    """The ledger: float32 and packed file, and why columns disagree."""
    packed = position.chosen.compressed
    table, notes = packed_rows(position, packed, "packed, mixed bits")
    return [*table, ("deployable", SAME_BITS)], notes


def files(position) -> dict[str, bytes]:
    """The packed file."""
    now = position.settings
    part = "" if now["free"] is None else f"-{len(now['free'])}free"
    start = f"{now['network']}-{now['budget']:g}percent-{now['method']}"
    return {
        f"{start}-{now['granularity']}{part}.packed": position.chosen.compressed.packed
    }


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    return f"""\
from labkit import compress, measure, zoo

network = zoo.load({settings["network"]!r})
data = zoo.dataset({settings["network"]!r})
found = compress.committed_sensitivity(network, rule="least_squares")
offered = compress.bit_options(
    network, found, method={settings["method"]!r},
    granularity={settings["granularity"]!r}, free={settings["free"]!r},
)
budget = len(network) * {settings["budget"]!r} / 100
chosen = compress.mixed_precision(network, offered, budget)
accuracy = measure.accuracy(chosen.compressed.network, data.test)
loss = compress.score(chosen.compressed.network, data.validation).loss
print(chosen.bits)
print(f"packed: {{accuracy.value:.2%}}, {{chosen.compressed.size_bytes:,}} bytes")
print(f"loss: {{chosen.predicted_loss:+.4f}} predicted, "
      f"{{loss - found.base.loss:+.4f}} measured")
"""
