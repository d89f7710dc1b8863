"""What the clip panel says of a position: readout, ledger, files, code."""

from labkit.panels.clipping.plot import loss
from labkit.panels.controls import Settings
from labkit.panels.words import (
    beside_float,
    file_line,
    packed_rows,
)

SCOPE_TEXTS = {"all": "all layers", "one": "only this layer"}


def series(settings: Settings) -> str:
    """What a position has beside its clip: its bits, and which layers are rounded.

    >>> series({"bits": 4, "scope": "one", "layer": "fc1"})
    '4 bits, only fc1'
    """
    where = "all layers" if settings["scope"] == "all" else f"only {settings['layer']}"
    return f"{settings['bits']} bits, {where}"


def name(settings: Settings) -> str:
    """A position in words.

    >>> name({"bits": 4, "clip": 30, "scope": "all", "layer": "fc1"})
    '4 bits, all layers, clip at 30 %'
    """
    return f"{series(settings)}, clip at {settings['clip']} %"


def lines(position) -> list[str]:
    """The readout: accuracy and bytes, the paired test, the layer's errors."""
    size = position.compressed.size_bytes
    return [
        file_line(position, name(position.settings), size),
        beside_float(position),
        _layer_line(position),
    ]


def _layer_line(position) -> str:
    errors, shown = position.errors, position.histogram
    best = position.curves.choices[0]
    return (
        f"{shown.layer}: SQNR {shown.sqnr_db:.1f} dB, {loss(errors.total)} of the "
        f"weights' energy lost, {loss(errors.roundoff)} by round-off, "
        f"{loss(errors.clipping)} by clipping; {shown.clipped:,} clipped; "
        f"best {best.sqnr_db:.1f} dB at {100 * best.share:.1f} %"
    )


def rows(position) -> tuple[list, list[str]]:
    """The ledger: float32 and packed file, and why columns disagree."""
    packed = f"packed, {position.settings['bits']} bits"
    return packed_rows(position, position.compressed, packed)


def files(position) -> dict[str, bytes]:
    """The packed file."""
    now = position.settings
    part = "" if now["scope"] == "all" else f"-{now['layer']}"
    name = f"{now['network']}-{now['bits']}bit-clip{now['clip']}{part}.packed"
    return {name: position.compressed.packed}


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    layers = None if settings["scope"] == "all" else (settings["layer"],)
    return f"""\
from labkit import measure, quantize, zoo
from labkit.compress import clip_network

network = zoo.load({settings["network"]!r})
test = zoo.dataset({settings["network"]!r}).test
compressed = clip_network(
    network, bits={settings["bits"]}, share={settings["clip"] / 100}, layers={layers!r}
)
accuracy = measure.accuracy(compressed.network, test)
print(f"packed: {{accuracy.value:.2%}}, {{compressed.size_bytes:,}} bytes")
w, w_hat = (n.kernels[{settings["layer"]!r}] for n in (network, compressed.network))
print(f"SQNR of {settings["layer"]}: {{quantize.sqnr_db(w, w_hat):.1f}} dB")
"""
