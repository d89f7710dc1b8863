"""What the panel of removed units says of a position: readout, ledger, files, code."""

from labkit.compress.budget.units import IMAGES, block_names
from labkit.panels.controls import Settings
from labkit.panels.words import (
    AS_THEY_ARE,
    beside_float,
    chosen_layers,
    file_line,
    fraction_text,
    layers_part,
    smaller_costs,
    smaller_rows,
)
from labkit.prune.masking import SCOPES
from labkit.prune.units import UNIT_CRITERIA

_REPAIR_IMPORTS = """\
from labkit.compress import left_units, reestimate_channels
"""
_REPAIR_BEFORE = "left = left_units(small, channel_groups, kept)\n"
_REPAIR = "small = reestimate_channels(network, small, images, left)\n"


def name(settings: Settings) -> str:
    """A position in words.

    >>> shared = {"layers": ("fc1",), "blocks": None, "channels": "as they are"}
    >>> name({"criterion": "norm", "fraction": 0.5, "scope": "layer", **shared})
    'weight norm, per layer, 50 % of the units removed, only fc1'
    """
    parts = [
        UNIT_CRITERIA[settings["criterion"]].text,
        SCOPES[settings["scope"]].text,
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
    return [
        file_line(position, name(position.settings), len(position.small), packed=""),
        beside_float(position),
        smaller_costs(position),
    ]


def rows(position) -> tuple[list, list[str]]:
    """The ledger: float32 and the smaller file, and why columns disagree."""
    return smaller_rows(position, "units removed")


def files(position) -> dict[str, bytes]:
    """The smaller file."""
    now = position.settings
    part = layers_part(now["layers"])
    part += "" if now["blocks"] is None else f"-{len(now['blocks'])}branches"
    part += "" if now["channels"] == AS_THEY_ARE else "-channels"
    start = f"{now['network']}-units-{now['criterion']}-{now['scope']}"
    file = f"{start}-{100 * now['fraction']:.3g}{part}.tflite"
    return {file: position.small.to_bytes()}


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    repaired = settings["channels"] != AS_THEY_ARE
    images = f"images = data.calibration.images[:{IMAGES}]\n"
    row = UNIT_CRITERIA[settings["criterion"]]
    looks = repaired or row.needs == "outputs"
    return f"""\
import numpy as np

from labkit import compress, measure, prune, zoo
{_REPAIR_IMPORTS if repaired else ""}
network = zoo.load({settings["network"]!r})
data = zoo.dataset({settings["network"]!r})
{images if looks else ""}{_by_unit(settings)}
small = network
{_without_branches(settings)}channel_groups = compress.channel_groups(small)
scores = compress.group_scores(channel_groups, by_unit)
{_ranked(settings)}kept = prune.choose(scores, {settings["fraction"]}, \
{settings["scope"]!r})
for name, stay in kept.items():
    print(name, "without", np.flatnonzero(~stay).tolist())
{_REPAIR_BEFORE if repaired else ""}small = compress.remove_units(small, kept)
{_REPAIR if repaired else ""}accuracy = measure.accuracy(small, data.test)
print(f"{{accuracy.value:.2%}}, {{len(small):,}} bytes, {{small.macs:,}} MACs")
"""


def _by_unit(settings: Settings) -> str:
    """The lines that give each layer's units their scores."""
    row = UNIT_CRITERIA[settings["criterion"]]
    score = f"prune.{row.compute.__name__}"
    return {
        "": f"by_unit = compress.kernel_scores(network, {score})",
        "outputs": f"by_unit = compress.mean_activations(network, images, {score})",
        "changes": f"by_unit = zoo.gradients({settings['network']!r}).units",
        "rng": f"""\
rng = np.random.default_rng(0)
by_unit = compress.kernel_scores(network, lambda kernel: {score}(kernel, rng))""",
    }[row.needs]


def _without_branches(settings: Settings) -> str:
    if settings["blocks"] is None:
        return ""
    gone = [
        block
        for block in block_names(settings["network"])
        if block not in settings["blocks"]
    ]
    return f"for block in {gone}:\n    small = small.remove_branch(block)\n"


def _ranked(settings: Settings) -> str:
    """Which channel groups are ranked, and in which unit, before any are chosen."""
    layers, text = settings["layers"], ""
    if layers is not None:
        text += f"scores = {{name: scores[name] for name in {layers!r}}}\n"
    one_loss = UNIT_CRITERIA[settings["criterion"]].one_loss
    if settings["scope"] == "global" and not one_loss:
        text += "scores = {name: prune.normalized(s) for name, s in scores.items()}\n"
    return text
