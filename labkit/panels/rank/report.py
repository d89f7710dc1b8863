"""What the rank panel says of a position: readout, ledger, files, code."""

from labkit import zoo
from labkit.compress import factorized
from labkit.compress.budget.low_rank import LOSS_IMAGES
from labkit.compress.budget.rank_sensitivity import is_committed
from labkit.compress.budget.ranks import RANK_CHOICES
from labkit.panels.controls import Settings
from labkit.panels.rank.plot import rank_text
from labkit.panels.words import (
    beside_float,
    chosen_layers,
    fraction_text,
    layers_part,
    measured,
    smaller_costs,
    smaller_rows,
)

UNIT_TEXTS = {"macs": "MACs", "bytes": "bytes"}


def ratio_text(parameter_ratio: float) -> str:
    """A parameter ratio as the slider shows it.

    >>> ratio_text(0.5), ratio_text(1.0), ratio_text(1.2)
    ('50 %', '100 %: break-even', '120 %: larger')
    """
    note = (
        ": break-even"
        if parameter_ratio == 1
        else ": larger"
        if parameter_ratio > 1
        else ""
    )
    return fraction_text(parameter_ratio) + note


def name(settings: Settings) -> str:
    """A position in words.

    >>> shared = {"layers": ("fc1",), "unit": "macs"}
    >>> name({"method": "svd", "parameter_ratio": 0.5, "by": "same", **shared})
    'SVD, 50 % of the weights, same ratio, only fc1'
    """
    unit = "weights" if settings["by"] == "same" else UNIT_TEXTS[settings["unit"]]
    parts = [
        factorized.FACTORIZATIONS[settings["method"]].text,
        f"{fraction_text(settings['parameter_ratio'])} of the {unit}",
        RANK_CHOICES[settings["by"]].text,
    ]
    if settings["layers"] is not None:
        parts.append(chosen_layers(settings["layers"]))
    return ", ".join(parts)


def lines(position) -> list[str]:
    """The readout: accuracy and bytes, the paired test, MACs, latency and a rank."""
    size, full = len(position.small), len(position.network)
    size_text = f"{full / size:.2f}× smaller"
    if size > full:
        size_text = f"{size / full:.2f}× LARGER: above break-even"
    layer = position.spectrum.layer
    rank = rank_text(position.low.ranks.get(layer))
    return [
        f"{position.settings['network']}, {name(position.settings)}: "
        f"{measured(position.accuracy)}, {size:,} bytes, {size_text}",
        beside_float(position),
        f"{smaller_costs(position)}; {layer}: {rank}",
    ]


def rows(position) -> tuple[list, list[str]]:
    """The ledger: float32 and the factorized file, and why columns disagree."""
    return smaller_rows(position, "low rank")


def files(position) -> dict[str, bytes]:
    """The factorized file."""
    now = position.settings
    part = layers_part(now["layers"])
    start = f"{now['network']}-rank-{now['method']}-{now['by']}"
    file = f"{start}-{100 * now['parameter_ratio']:.3g}{part}.tflite"
    return {file: position.small.to_bytes()}


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    method, unit = settings["method"], settings["unit"]
    seen = ", observed=observed" if method in factorized.DATA_AWARE else ""
    loss = ", loss=losses.layers" if settings["by"] == "loss" else ""
    return f"""\
from labkit import compress, measure, zoo
{_imports(settings)}
network = zoo.load({settings["network"]!r})
data = zoo.dataset({settings["network"]!r})
{_looks(settings, seen)}ranks = compress.plan_ranks(
    network, {method!r}, {settings["parameter_ratio"]}, {settings["by"]!r},
    layers={settings["layers"]!r}, unit={unit!r}{seen}{loss},
)
parts = compress.factorize_layers(network, ranks, {method!r}{seen})
for layer, rank in ranks.items():
    print(layer, "rank", rank, [part.kernel.shape for part in parts.get(layer, ())])
low = compress.factorize(network, parts)
accuracy = measure.accuracy(low, data.test)
print(f"{{accuracy.value:.2%}}, {{len(low):,}} bytes, {{low.macs:,}} MACs")
"""


def _imports(settings: Settings) -> str:
    text = ""
    if settings["by"] == "loss":
        text += f"from labkit.compress import {_losses(settings)}\n"
    if settings["method"] in factorized.DATA_AWARE:
        text += "from labkit.compress import observe\n"
    return text


def _looks(settings: Settings, seen: str) -> str:
    """What a method or a choice of ranks looks at first: images, measured losses."""
    method, unit, text = settings["method"], settings["unit"], ""
    if seen:
        text += (
            f"images = data.calibration.images[:{settings['images']}]\n"
            f"observed = observe(network, images, {method!r})\n"
        )
    if settings["by"] != "loss":
        return text
    if _losses(settings) == "committed_rank_losses":
        return f"{text}losses = committed_rank_losses(network, {method!r}, {unit!r})\n"
    return text + (
        f"some = data.validation.take({LOSS_IMAGES})\n"
        f"losses = rank_losses(network, some, {method!r}, unit={unit!r}{seen})\n"
    )


def _losses(settings: Settings) -> str:
    """The call that has the losses by rank."""
    network = zoo.load(settings["network"])
    known = is_committed(network, settings["method"], settings["unit"])
    return "committed_rank_losses" if known else "rank_losses"
