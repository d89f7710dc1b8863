"""What the quantization panel says of a position: readout, ledger, files, code."""

from labkit import measure
from labkit.compress.quantized import UNIFORM, grids
from labkit.measure import ledger
from labkit.panels.controls import Settings
from labkit.panels.words import (
    beside_float_time,
    change,
    chosen_layers,
    file_line,
    filled,
    layers_part,
    measured,
)
from labkit.plots.base import percent
from labkit.quantize.granularity import BLOCK
from labkit.quantize.range_rules import RANGES

OWN_RULE = "own"
RULE_TEXTS = {name: row.text for name, row in RANGES.items()}
RULE_TEXTS[OWN_RULE] = "the grid's own"
EVERY_LAYER = "The lab's deployable files quantize every layer: choose all layers."
NO_KERNELS = "No runtime here has kernels for such levels: they are decoded to float32."
NO_BLOCKS_OF_64 = "The lab's deployable files have blocks of 32: choose these."


def name(settings: Settings) -> str:
    """A position in words.

    >>> even = {"bits": 4, "granularity": "block", "rule": "minmax", "layers": None}
    >>> name({**even, "grid": "uniform", "block": 32})
    '4 bits, block of 32, min–max'
    >>> name({**even, "granularity": "tensor", "grid": "kmeans"})
    '4 bits, tensor, k-means'
    """
    grid, granularity = settings["grid"], settings["granularity"]
    length = f" of {settings['block']}" if granularity == "block" else ""
    levels = RANGES[settings["rule"]].text if grid == UNIFORM else grid_text(grid)
    text = f"{settings['bits']} bits, {granularity}{length}, {levels}"
    if settings["layers"] is None:
        return text
    return f"{text}, {chosen_layers(settings['layers'])}"


def grid_text(grid: str) -> str:
    """What the panel calls a grid."""
    return grids()[grid].text


def rule(settings: Settings) -> str:
    """The range rule as `compress.quantize_network` takes it."""
    return settings["rule"] if settings["grid"] == UNIFORM else "minmax"


def not_deployable(settings: Settings) -> str | None:
    """Why the lab has no deployable file for such a setting, whatever the network."""
    if settings["layers"] is not None:
        return EVERY_LAYER
    if settings["grid"] != UNIFORM:
        return NO_KERNELS
    if settings["granularity"] == "block" and settings["block"] != BLOCK:
        return NO_BLOCKS_OF_64
    return None


def lines(position) -> list[str]:
    """The readout: accuracy and bytes, the paired test, the deployable file."""
    size = position.compressed.size_bytes
    paired = measure.compare(position.base_accuracy, position.accuracy)
    return [
        file_line(position, name(position.settings), size),
        f"float32: {percent(position.base_accuracy.value)}; same images: "
        f"{change(paired)}",
        _deployed_line(position),
    ]


def _deployed_line(position) -> str:
    if position.unavailable:
        return f"no deployable file: {position.unavailable}"
    if position.deployed is None:
        return "deployable file: …"
    text = (
        f"deployable file, {_kind(position.deployed)}: "
        f"{measured(position.deployed_accuracy)}, "
        f"{position.deployed.size_bytes:,} bytes"
    )
    if position.latency is None:
        return text
    return f"{text}, {beside_float_time(position, 'deployable')}"


def _kind(deployed) -> str:
    """How the file runs; its range rule is the quantizer's own."""
    return f"{deployed.mode.replace('_', '-')}, min–max"


def rows(position) -> tuple[list, list[str]]:
    """The ledger: float32, packed and deployable file, and why columns disagree."""
    packed = f"packed, {position.settings['bits']} bits"
    found = {
        "float32": ledger.network_row(position.network),
        "packed": ledger.compressed_row(position.compressed, packed),
    }
    if position.deployed is not None:
        stage = f"deployable, {position.deployed.mode.replace('_', '-')}"
        found["deployable"] = ledger.deployed_row(
            position.deployed, position.network, stage
        )
    table = filled(found, position)
    notes = ledger.explain(table)
    if "deployable" not in found:
        table.append(("deployable", position.unavailable or "…"))
    return table, notes


def files(position) -> dict[str, bytes]:
    """The packed file, and the deployable one where there is one."""
    now = position.settings
    block = str(now["block"]) if now["granularity"] == "block" else ""
    start = f"{now['network']}-{now['bits']}bit-{now['granularity']}{block}"
    part = layers_part(now["layers"])
    levels = now["rule"] if now["grid"] == UNIFORM else now["grid"]
    found = {f"{start}-{levels}{part}.packed": position.compressed.packed}
    if position.deployed is not None:
        name = f"{start}-{position.deployed.mode}.tflite"
        found[name] = position.deployed.to_bytes()
    return found


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    text = f"""\
from labkit import compress, measure, zoo

network = zoo.load({settings["network"]!r})
test = zoo.dataset({settings["network"]!r}).test
compressed = compress.quantize_network(
    network, bits={settings["bits"]}, granularity={settings["granularity"]!r},
    rule={rule(settings)!r}, layers={settings["layers"]!r},
    grid={settings["grid"]!r}, block={settings["block"]},
)
accuracy = measure.accuracy(compressed.network, test)
print(f"packed: {{accuracy.value:.2%}}, {{compressed.size_bytes:,}} bytes")
"""
    if not_deployable(settings):
        return text
    return (
        text
        + f"""
from labkit import compress

deployed = compress.deployable(
    network, bits={settings["bits"]}, mode={settings["mode"]!r},
    granularity={settings["granularity"]!r},
)
if isinstance(deployed, compress.Deployed):
    accuracy = measure.accuracy(deployed, test)
    print(f"deployable: {{accuracy.value:.2%}}, {{deployed.size_bytes:,}} bytes")
"""
    )
