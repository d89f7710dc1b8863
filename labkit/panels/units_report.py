"""What the panel of removed units says of a position: readout, ledger, files, code."""

from labkit import ledger, measure
from labkit.panels.controls import Settings
from labkit.panels.words import change, filled, measured, progress
from labkit.plots.base import percent

CRITERION_TEXTS = {
    "norm": "weight norm",
    "activation": "activation",
    "taylor": "Taylor",
    "random": "random",
}
SCOPE_TEXTS = {"layer": "per layer", "global": "global"}


def fraction_text(fraction: float) -> str:
    """A fraction as the slider shows it.

    >>> fraction_text(0.35)
    '35 %'
    """
    return f"{100 * fraction:.3g} %"


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
        parts.append(_chosen(settings["layers"]))
    if settings["blocks"] is not None:
        parts.append(f"branches left: {len(settings['blocks'])}")
    if settings["channels"] != "as they are":
        parts.append("channels re-estimated")
    return ", ".join(parts)


def _chosen(layers: tuple[str, ...]) -> str:
    """Which layers, in at most a name.

    >>> _chosen(()), _chosen(("fc1",)), _chosen(("fc1", "fc2"))
    ('no layer', 'only fc1', '2 layers')
    """
    if len(layers) > 1:
        return f"{len(layers)} layers"
    return f"only {layers[0]}" if layers else "no layer"


def lines(position) -> list[str]:
    """The readout: accuracy and bytes, the paired test, MACs and latency."""
    small = position.smaller.network
    size, full = len(small), len(position.network)
    paired = measure.compare(position.base_accuracy, position.accuracy)
    return [
        f"{position.settings['network']}, {name(position.settings)}: "
        f"{measured(position.accuracy)}, {size:,} bytes, {full / size:.2f}× smaller",
        f"float32: {percent(position.base_accuracy.value)}; on the same images "
        f"{change(paired)}",
        f"{small.macs:,} MACs (float32: {position.network.macs:,}){_time(position)}",
    ]


def _time(position) -> str:
    if position.latency is None:
        return ""
    now, before = (position.latency[k].median_us for k in ("smaller", "float32"))
    return f"; {now:,.1f} µs an image (float32: {before:,.1f} µs)"


def state(position) -> str:
    """How far the measurement is."""
    return progress(position.accuracy.n, position.total, position.latency is not None)


def rows(position) -> tuple[list, list[str]]:
    """The ledger: float32 and the smaller file, and why columns disagree."""
    found = {
        "float32": ledger.network_row(position.network),
        "smaller": ledger.network_row(position.smaller.network, "units removed"),
    }
    table = filled(found, position)
    return table, ledger.explain(table)


def files(position) -> dict[str, bytes]:
    """The smaller file."""
    now = position.settings
    part = "" if now["layers"] is None else f"-{len(now['layers'])}layers"
    part += "" if now["blocks"] is None else f"-{len(now['blocks'])}branches"
    part += "" if now["channels"] == "as they are" else "-channels"
    start = f"{now['network']}-units-{now['criterion']}-{now['scope']}"
    file = f"{start}-{100 * now['fraction']:.3g}{part}.tflite"
    return {file: position.smaller.network.to_bytes()}


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    return f"""\
from labkit import measure, zoo
from labkit.panels.unit_choice import smaller

test = zoo.dataset({settings["network"]!r}).test
network = smaller(
    {settings["network"]!r}, {settings["criterion"]!r}, {settings["fraction"]}, \
{settings["scope"]!r},
    layers={settings["layers"]!r}, blocks={settings["blocks"]!r},
    repaired={settings["channels"] != "as they are"},
).network
accuracy = measure.accuracy(network, test)
print(f"{{accuracy.value:.2%}}, {{len(network):,}} bytes, {{network.macs:,}} MACs")
"""
