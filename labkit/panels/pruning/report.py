"""What the pruning panel says of a position: readout, ledger, files, code."""

import numpy as np

from labkit.compress.criteria import IMAGES, SURGEON
from labkit.measure import ledger
from labkit.packed.storages import STORAGES
from labkit.panels.controls import Settings
from labkit.panels.words import (
    AS_THEY_ARE,
    beside_float,
    beside_float_time,
    chosen_layers,
    file_line,
    filled,
    fraction_text,
    layers_part,
)
from labkit.prune.masking import SCOPES
from labkit.prune.scores import CRITERIA

# What a criterion needs -> what is imported for it, what comes before its call, and the
# argument beside the kernel.
_NEEDS = {
    "": ("", "", ""),
    "rng": (
        "import numpy as np\n\n",
        "rng = np.random.default_rng({seed})\n",
        ", rng",
    ),
    "input_norms": (
        "from labkit.compress import input_norms\n",
        "norms = input_norms(network, images)\n",
        ", norms[layer]",
    ),
    "gradient": (
        "",
        "gradients = zoo.gradients({network!r}).mean\n",
        ", gradients[layer]",
    ),
    "squared_gradient": (
        "",
        "squared = zoo.gradients({network!r}).squared\n",
        ", squared[layer]",
    ),
}
COMPENSATED = (
    "Surgeon: in both pruned files the weights left are compensated, each dense layer "
    f"and each convolution by least squares on what it reads of {IMAGES} calibration "
    "images."
)


def name(settings: Settings) -> str:
    """A position in words.

    >>> shared = {"scope": "global", "layers": None, "channels": "as they are"}
    >>> name({"criterion": "magnitude", "sparsity": 0.9, "storage": "csr", **shared})
    'magnitude, global, 90 % removed, CSR'
    """
    parts = [
        CRITERIA[settings["criterion"]].text,
        SCOPES[settings["scope"]].text,
        f"{fraction_text(settings['sparsity'])} removed",
        str(STORAGES.get(settings["storage"], settings["storage"])),
    ]
    if settings["layers"] is not None:
        parts.append(chosen_layers(settings["layers"]))
    if settings["channels"] != AS_THEY_ARE:
        parts.append("channels re-estimated")
    return ", ".join(parts)


def lines(position) -> list[str]:
    """The readout: accuracy and bytes, the paired test, weights left and latency."""
    size = position.compressed.size_bytes
    return [
        file_line(position, name(position.settings), size),
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


def rows(position) -> tuple[list, list[str]]:
    """The ledger: float32, pruned with zeros, packed, and why columns disagree."""
    storage = position.settings["storage"]
    packed = f"packed, {STORAGES.get(storage, storage)}"
    found = {
        "float32": ledger.network_row(position.network),
        "zeros": ledger.network_row(position.compressed.network, "zeros in it"),
        "packed": ledger.compressed_row(position.compressed, packed),
    }
    table = filled(found, position)
    notes = [COMPENSATED] if position.settings["criterion"] == SURGEON else []
    return table, [*notes, *ledger.explain(table)]


def files(position) -> dict[str, bytes]:
    """The packed file, and the one with zeros in it."""
    now = position.settings
    part = layers_part(now["layers"])
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
    criterion, storage = settings["criterion"], settings["storage"]
    repaired = settings["channels"] != AS_THEY_ARE
    looks = repaired or CRITERIA[criterion].needs in ("input_norms", "hessian")
    images = f"images = data.calibration.images[:{IMAGES}]\n" if looks else ""
    small = "network"
    if criterion == SURGEON:
        small = "compress.compensate(network, kept, h)"
    if repaired:
        masked = "compress.apply_masks(network, kept)" if small == "network" else small
        small = f"reestimate_channels(network, {masked}, images)"
    return f"""\
{_imports(criterion, repaired)}
network = zoo.load({settings["network"]!r})
data = zoo.dataset({settings["network"]!r})
{images}{_by_surgeon(settings) if criterion == SURGEON else _by_scores(settings)}\
kept = prune.masks(ranked, {settings["sparsity"]}, {settings["scope"]!r})
small = {small}
compressed = compress.prune_network(small, kept, {storage!r})
accuracy = measure.accuracy(compressed.network, data.test)
print(f"packed: {{accuracy.value:.2%}}, {{compressed.size_bytes:,}} bytes")
"""


def _imports(criterion: str, repaired: bool) -> str:
    own = "" if criterion == SURGEON else _NEEDS[CRITERIA[criterion].needs][0]
    first = own if own.startswith("import") else ""
    text = f"{first}from labkit import compress, measure, zoo\n"
    if criterion == SURGEON:
        text += "from labkit.compress import layer_hessian\n"
        text += "from labkit import prune\n"
        text += "from labkit.prune import obs_scores\n"
    else:
        text += f"{own.removeprefix(first)}from labkit import prune\n"
    if repaired:
        text += "from labkit.compress import reestimate_channels\n"
    return text


def _by_scores(settings: Settings) -> str:
    """The lines that score every weight by itself."""
    row = CRITERIA[settings["criterion"]]
    _, before, beside = _NEEDS[row.needs]
    text = f"""\
{before.format(**settings)}ranked = {{
    layer: prune.{row.compute.__name__}(w{beside})
    for layer, w in network.kernels.items()
}}
"""
    if settings["layers"] is None:
        return text
    return f"{text}ranked = {{k: ranked[k] for k in {settings['layers']!r}}}\n"


def _by_surgeon(settings: Settings) -> str:
    """The lines that score the weights of each layer with what the others can do."""
    layers = settings["layers"]
    return f"""\
h, ranked = {{}}, {{}}
for layer in {"network.kernels" if layers is None else repr(layers)}:
    w = network.kernels[layer]
    h[layer] = layer_hessian(network, images, layer)
    ranked[layer] = obs_scores(w.reshape(len(w), -1), h[layer]).reshape(w.shape)
"""
