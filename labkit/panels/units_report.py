"""What the panel of removed units says of a position: readout, ledger, files, code."""

from labkit.panels.controls import Settings
from labkit.panels.words import (
    AS_THEY_ARE,
    beside_float,
    chosen_layers,
    fraction_text,
    measured,
    progress,
    smaller_costs,
    smaller_rows,
)

CRITERION_TEXTS = {
    "norm": "weight norm",
    "activation": "activation",
    "taylor": "Taylor",
    "random": "random",
}
SCOPE_TEXTS = {"layer": "per layer", "global": "global"}


def name(settings: Settings) -> str:
    """A position in words.

    >>> shared = {"layers": ("fc1",), "blocks": None, "channels": "as they are"}
    >>> name({"criterion": "norm", "fraction": 0.5, "scope": "layer", **shared})
    'weight norm, per layer, 50 % of the units removed, only fc1'
    """
    parts = [
        CRITERION_TEXTS[settings["criterion"]],
        SCOPE_TEXTS[settings["scope"]],
        f"{fraction_text(settings['fraction'])} of the units removed",
    ]
    if settings["layers"] is not None:
        parts.append(chosen_layers(settings["layers"]))
    if settings["blocks"] is not None:
        parts.append(f"branches left: {len(settings['blocks'])}")
    if settings["channels"] != AS_THEY_ARE:
        parts.append("channels re-estimated")
    return ", ".join(parts)


def lines(position) -> list[str]:
    """The readout: accuracy and bytes, the paired test, MACs and latency."""
    size, full = len(position.small), len(position.network)
    return [
        f"{position.settings['network']}, {name(position.settings)}: "
        f"{measured(position.accuracy)}, {size:,} bytes, {full / size:.2f}× smaller",
        beside_float(position),
        smaller_costs(position),
    ]


def state(position) -> str:
    """How far the measurement is."""
    return progress(position.accuracy.n, position.total, position.latency is not None)


def rows(position) -> tuple[list, list[str]]:
    """The ledger: float32 and the smaller file, and why columns disagree."""
    return smaller_rows(position, "units removed")


def files(position) -> dict[str, bytes]:
    """The smaller file."""
    now = position.settings
    part = "" if now["layers"] is None else f"-{len(now['layers'])}layers"
    part += "" if now["blocks"] is None else f"-{len(now['blocks'])}branches"
    part += "" if now["channels"] == AS_THEY_ARE else "-channels"
    start = f"{now['network']}-units-{now['criterion']}-{now['scope']}"
    file = f"{start}-{100 * now['fraction']:.3g}{part}.tflite"
    return {file: position.small.to_bytes()}


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    return f"""\
from labkit import measure, zoo
from labkit.unit_choice import smaller

test = zoo.dataset({settings["network"]!r}).test
network = smaller(
    {settings["network"]!r}, {settings["criterion"]!r}, {settings["fraction"]}, \
{settings["scope"]!r},
    layers={settings["layers"]!r}, blocks={settings["blocks"]!r},
    repaired={settings["channels"] != AS_THEY_ARE},
).network
accuracy = measure.accuracy(network, test)
print(f"{{accuracy.value:.2%}}, {{len(network):,}} bytes, {{network.macs:,}} MACs")
"""
