"""What the activations panel says of a position: readout, ledger, files, code."""

from labkit import measure
from labkit.compress.activations import RULES
from labkit.measure import ledger
from labkit.panels.activations.readings import FLOAT_BITS
from labkit.panels.controls import Settings
from labkit.panels.words import change, filled, measured
from labkit.plots.base import percent

BITS_TEXTS = {FLOAT_BITS: "float32"}
ENDS_TEXTS = {"rounded": "like the others", "kept": "8 bits"}
FILES = ("static", "dynamic")


def setting(settings: Settings) -> str:
    """Bits of weights and activations, in the field's short form.

    >>> setting({"bits": 4, "activation_bits": 8})
    'W4A8'
    """
    return f"W{settings['bits']}A{settings['activation_bits']}"


def mixed(settings: Settings) -> bool:
    """Whether some layers have other bits than the rest.

    >>> mixed({"bits": 8, "activation_bits": 8, "ends": "kept"})
    False
    """
    return settings["ends"] == "kept" and setting(settings) != "W8A8"


def name(settings: Settings) -> str:
    """A position in words.

    >>> now = {"bits": 4, "activation_bits": 4, "images": 1, "rule": "minmax"}
    >>> name({**now, "ends": "kept"})
    'W4A4, min–max of 1 image, first and last layer 8 bits'
    """
    images = f"{settings['images']} image{'' if settings['images'] == 1 else 's'}"
    text = f"{setting(settings)}, {RULES[settings['rule']]} of {images}"
    kept = settings["ends"] == "kept"
    return f"{text}, first and last layer 8 bits" if kept else text


def lines(position) -> list[str]:
    """The readout: in the graph, the paired test, the deployable files."""
    size, full = position.graph.size_bytes, len(position.network)
    base, now = (position.accuracies[kind] for kind in ("float32", "graph"))
    return [
        f"{position.settings['network']}, {name(position.settings)}: in the graph, no "
        f"kernel: {measured(now)}, packed in {size:,} bytes, {full / size:.2f}× "
        "smaller",
        f"float32: {percent(base.value)}; on the same images "
        f"{change(measure.compare(base, now))}",
        _files_line(position),
    ]


def _files_line(position) -> str:
    reasons = set(position.unavailable.values())
    if len(position.unavailable) == 2 and len(reasons) == 1:
        return f"no static and no dynamic file: {reasons.pop()}"
    return "; ".join(_file_line(position, kind) for kind in FILES)


def _file_line(position, kind: str) -> str:
    if kind in position.unavailable:
        return f"no {kind} file: {position.unavailable[kind]}"
    if kind not in position.accuracies:
        return f"{kind} file: …"
    accuracy = position.accuracies[kind]
    text = f"{kind} file: {percent(accuracy.value)}"
    if accuracy.n < position.accuracies["graph"].n and kind in position.latency:
        text += f" of only {accuracy.n:,} images"
    text += f", {position.files[kind].size_bytes:,} bytes"
    if kind not in position.latency or "float32" not in position.latency:
        return text
    now, before = (position.latency[k].median_us for k in (kind, "float32"))
    return f"{text}, {now:,.1f} µs (float32: {before:,.1f} µs)"


def state(position) -> str:
    """How far the measurement is."""
    n, total = position.accuracies["graph"].n, position.total
    if n < total:
        return f"estimate on the first {n:,} of {total:,} test images, refining…"
    if position.deflated is None:
        return f"exact on all {total:,} test images; the other columns follow…"
    return f"exact on all {total:,} test images"


def rows(position) -> tuple[list, list[str]]:
    """The ledger: float32, in the graph, the two files, and why columns disagree."""
    short = setting(position.settings)
    found = {
        "float32": ledger.network_row(position.network),
        "graph": ledger.compressed_row(position.graph, f"in the graph, {short}"),
    }
    for kind, file in position.files.items():
        stage = f"{kind} file, {short}"
        found[kind] = ledger.deployed_row(file, position.network, stage)
    missing = [(f"{k} file", why) for k, why in position.unavailable.items()]
    if not position.files and not position.unavailable:
        missing = [("static file", "…"), ("dynamic file", "…")]
    note = (
        f"{found['graph'].stage}: FAKE_QUANT operators round what the layers read and "
        "the layers multiply floats. It shows the accuracy; a latency it has none, for "
        "no kernel does this arithmetic."
    )
    stages = filled(found, position)
    return [*stages, *missing], [note, *ledger.explain(stages)]


def files(position) -> dict[str, bytes]:
    """The packed file, and the deployable ones where there are some."""
    now = position.settings
    start = f"{now['network']}-{setting(now)}-{now['images']}images"
    part = "-ends8" if now["ends"] == "kept" else ""
    found = {f"{start}-{now['rule']}{part}.packed": position.graph.packed}
    for kind, file in position.files.items():
        found[f"{start}-{kind}.tflite"] = file.to_bytes()
    return found


def code(settings: Settings) -> str:
    """Python text that reproduces a setting's figures."""
    weights = None if settings["bits"] == FLOAT_BITS else settings["bits"]
    kept = "compress.kept_layers(network)" if settings["ends"] == "kept" else "()"
    text = f"""\
from labkit import compress, measure, zoo

network = zoo.load({settings["network"]!r})
data = zoo.dataset({settings["network"]!r})
images = data.calibration.images[:{settings["images"]}]
graph = compress.round_in_graph(
    network, images, weights={weights}, activations={settings["activation_bits"]},
    rule={settings["rule"]!r}, kept={kept},
)
accuracy = measure.accuracy(graph.network, data.test)
print(f"in the graph: {{accuracy.value:.2%}}, {{graph.size_bytes:,}} bytes")
"""
    if mixed(settings):
        return text
    return (
        text
        + f"""
from labkit import compress

for mode in ("static", "dynamic"):
    made = compress.deployable(
        network, bits={settings["bits"]}, mode=mode, images=images,
        count={settings["images"]}, activation_bits={settings["activation_bits"]},
    )
    if isinstance(made, compress.Deployed):
        accuracy = measure.accuracy(made, data.test)
        print(f"{{mode}} file: {{accuracy.value:.2%}}, {{made.size_bytes:,}} bytes")
"""
    )
