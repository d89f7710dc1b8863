"""What the pruning panel says of a position: readout, ledger, files, code."""

import numpy as np

from labkit import ledger
from labkit.panels.controls import Settings
from labkit.panels.pruning_scores import IMAGES
from labkit.panels.words import (
    AS_THEY_ARE,
    beside_float,
    beside_float_time,
    chosen_layers,
    filled,
    fraction_text,
    measured,
    progress,
)

CRITERION_TEXTS = {
    "magnitude": "magnitude",
    "random": "random",
    "activation_aware": "activation-aware",
    "taylor": "Taylor",
    "fisher": "Fisher",
}
SCOPE_TEXTS = {"layer": "per layer", "global": "global", "output": "per output"}
STORAGE_TEXTS = {
    "dense": "with zeros",
    "csr": "CSR",
    "relative": "relative index",
    "rice": "Rice code",
}
# Criterion -> what comes before its call, and the arguments of the call.
_CALLS = {
    "magnitude": ("", "w"),
    "random": ("rng = np.random.default_rng({seed})\n", "w, rng"),
    "activation_aware": (
        "norms = input_norms(network, data.calibration.images[:{images}])\n",
        "w, norms[layer]",
    ),
    "taylor": ("gradients = zoo.gradients({network!r}).mean\n", "w, gradients[layer]"),
    "fisher": ("squared = zoo.gradients({network!r}).squared\n", "w, squared[layer]"),
}


def name(settings: Settings) -> str:
    """A position in words.

    >>> shared = {"scope": "global", "layers": None, "channels": "as they are"}
    >>> name({"criterion": "magnitude", "sparsity": 0.9, "storage": "csr", **shared})
    'magnitude, global, 90 % removed, CSR'
    """
    parts = [
        CRITERION_TEXTS[settings["criterion"]],
        SCOPE_TEXTS[settings["scope"]],
        f"{fraction_text(settings['sparsity'])} removed",
        STORAGE_TEXTS.get(settings["storage"], settings["storage"]),
    ]
    if settings["layers"] is not None:
        parts.append(chosen_layers(settings["layers"]))
    if settings["channels"] != AS_THEY_ARE:
        parts.append("channels re-estimated")
    return ", ".join(parts)


def lines(position) -> list[str]:
    """The readout: accuracy and bytes, the paired test, weights left and latency."""
    size, full = position.compressed.size_bytes, len(position.network)
    return [
        f"{position.settings['network']}, {name(position.settings)}: "
        f"{measured(position.accuracy)}, packed in {size:,} bytes, "
        f"{full / size:.2f}× smaller",
        beside_float(position),
        f"{_left(position)}; {_with_zeros(position)}",
    ]


def _left(position) -> str:
    """How many weights are left, of the kernels of all layers."""
    total = sum(w.size for w in position.network.kernels.values())
    removed = sum(int(np.sum(~kept)) for kept in position.masks.values())
    text = f"{total - removed:,} of {total:,} weights left"
    return (
        f"{text}, {total / (total - removed):.2f}× fewer" if removed < total else text
    )


def _with_zeros(position) -> str:
    """What the file is like in which the zeros are stored."""
    text = f"the file with zeros in it: {len(position.compressed.network):,} bytes"
    if position.latency is None:
        return text
    return f"{text}, {beside_float_time(position, 'zeros')}"


def state(position) -> str:
    """How far the measurement is."""
    return progress(position.accuracy.n, position.total, position.latency is not None)


def rows(position) -> tuple[list, list[str]]:
    """The ledger: float32, pruned with zeros, packed, and why columns disagree."""
    storage = position.settings["storage"]
    packed = f"packed, {STORAGE_TEXTS.get(storage, storage)}"
    found = {
        "float32": ledger.network_row(position.network),
        "zeros": ledger.network_row(position.compressed.network, "zeros in it"),
        "packed": ledger.compressed_row(position.compressed, packed),
    }
    table = filled(found, position)
    return table, ledger.explain(table)


def files(position) -> dict[str, bytes]:
    """The packed file, and the one with zeros in it."""
    now = position.settings
    part = "" if now["layers"] is None else f"-{len(now['layers'])}layers"
    channels = "" if now["channels"] == AS_THEY_ARE else "-channels"
    start = (
        f"{now['network']}-{now['criterion']}-{now['scope']}"
        f"-{100 * now['sparsity']:.3g}{part}{channels}"
    )
    return {
        f"{start}-{now['storage']}.packed": position.compressed.packed,
        f"{start}.tflite": position.compressed.network.to_bytes(),
    }


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    criterion, layers = settings["criterion"], settings["layers"]
    before, arguments = _CALLS[criterion]
    chosen = "network.kernels" if layers is None else repr(layers)
    return f"""\
import numpy as np

from labkit import measure, pruned, zoo
from labkit.layer_inputs import input_norms
from labkit.prune import masking, scores
from labkit.repair.batch_norm import reestimate_channels

network, data = (f({settings["network"]!r}) for f in (zoo.load, zoo.dataset))
{before.format(images=IMAGES, **settings)}ranked = {{
    layer: scores.{criterion}({arguments}) for layer, w in network.kernels.items()
}}
ranked = {{layer: ranked[layer] for layer in {chosen}}}
kept = masking.masks(ranked, {settings["sparsity"]}, {settings["scope"]!r})
compressed = pruned.prune_network(network, kept, {settings["storage"]!r})
{_repair(settings)}accuracy = measure.accuracy(compressed.network, data.test)
print(f"packed: {{accuracy.value:.2%}}, {{compressed.size_bytes:,}} bytes")
"""


def _repair(settings: Settings) -> str:
    if settings["channels"] == AS_THEY_ARE:
        return ""
    return f"""\
repaired = reestimate_channels(
    network, compressed.network, data.calibration.images[:{IMAGES}]
)
compressed = pruned.prune_network(repaired, kept, {settings["storage"]!r})
"""
