"""Every panel as the contract of all panels drives it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

from recomputed import (
    activations,
    budget,
    clipping,
    distillation,
    pruning,
    qat,
    quantization,
    rank,
    temperature,
    units,
)

from labkit import panels, zoo
from labkit.quantize.affine import sqnr_db


def _nothing_more(result) -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class Case:
    """A panel, how its figures are recomputed, and what only this panel has.

    direct: settings -> kind -> (accuracy, bytes). start: settings of every test.
    refused: the start of a sentence -> the setting that it refuses. saved: settings
    and the names of the files that they save. moves: settings to begin with before
    the network changes, and the other network. timed: what has a latency. words:
    result -> what the readout says beside accuracies and bytes. plane: whether the
    panel draws files.
    """

    direct: Callable[[dict], dict]
    start: dict
    refused: dict[str, dict]
    saved: tuple[dict, tuple[str, ...]]
    moves: tuple[dict, str]
    timed: tuple[str, ...]
    words: Callable[[object], Iterable[str]] = _nothing_more
    plane: bool = True


def panel_of(name: str, case: Case, **settings):
    """The panel at its start, or elsewhere."""
    make = getattr(panels, f"{name}_panel")
    return make(**{"network": "mlp", **case.start, **settings})


def spec_of(name: str):
    """What the panel shows."""
    return import_module(f"labkit.panels.{name}.panel").SPEC


def _clipping_words(result):
    layer = result.settings["layer"]
    w = zoo.load(result.settings["network"]).kernels[layer]
    w_hat = result.compressed.network.kernels[layer]
    return [f"SQNR {sqnr_db(w, w_hat):.1f} dB"]


def _budget_words(result):
    wanted = budget.direct(result.settings)
    assert result.chosen.bits == wanted["bits"]
    assert result.chosen.predicted_loss == wanted["predicted"]
    assert abs(result.loss - wanted["loss"]) < 1e-6
    size = wanted["packed"][1]
    assert size <= result.budget_bytes
    predicted = f"{wanted['predicted']:+.4f}".replace("-", "−")
    measured = f"{result.loss:+.4f}".replace("-", "−")
    return [
        f"{size:,} of {result.budget_bytes:,} bytes",
        f"{predicted} predicted",
        f"{measured} measured",
    ]


CASES = {
    "activations": Case(
        activations.direct,
        {"images": 10},
        {
            "activation_bits is 9: choose one of 2": {"activation_bits": 9},
            "images is 3: choose one of 1, 2, 5": {"images": 3},
            "shown is 'fc1': choose one of 'fc2'": {"shown": "fc1"},
        },
        (
            {"activation_bits": 8},
            (
                "mlp-W8A8-10images-minmax.packed",
                "mlp-W8A8-10images-static.tflite",
                "mlp-W8A8-10images-dynamic.tflite",
            ),
        ),
        ({"shown": "fc2", "activation_bits": 4}, "resnet8"),
        ("float32", "static", "dynamic"),
        lambda result: ["in the graph, no kernel"],
    ),
    "budget": Case(
        budget.figures,
        {},
        {
            "budget is 3: choose one of": {"budget": 3},
            "budget is '10': choose one of": {"budget": "10"},
            "method is 'best': choose one of 'exact', 'greedy'": {"method": "best"},
            "free is ('conv9',): give a tuple of 'fc1'": {"free": ("conv9",)},
            "granularity is 'row': choose one of 'tensor'": {"granularity": "row"},
            "there is no setting 'bits': network, granularity, free": {"bits": 3},
        },
        (
            {"budget": 10, "free": ("fc1",)},
            ("mlp-10percent-exact-channel-1free.packed",),
        ),
        ({"free": ("fc1",)}, "resnet8"),
        ("float32",),
        _budget_words,
    ),
    "clipping": Case(
        clipping.direct,
        {"clip": 60},
        {
            "bits is 9: give a whole number from 2 to 8": {"bits": 9},
            "clip is 0: give a whole number from 1 to 100": {"clip": 0},
            "clip is 101: give a whole number from 1 to 100": {"clip": 101},
            "clip is 0.5: give a whole number": {"clip": 0.5},
            "layer is 'conv9': choose one of 'fc1'": {"layer": "conv9"},
            "scope is 'two': choose one of 'all', 'one'": {"scope": "two"},
            "there is no setting 'rule': network, bits, clip": {"rule": "kl"},
        },
        (
            {"clip": 45, "layer": "fc2", "scope": "one"},
            ("mlp-4bit-clip45-fc2.packed",),
        ),
        ({"scope": "one", "layer": "fc2"}, "resnet8"),
        ("float32", "packed"),
        _clipping_words,
    ),
    "distillation": Case(
        distillation.direct,
        {"images": 100},
        {
            "width is 50: choose one of 10, 30, 100, 300": {"width": 50},
            "alpha is 2: choose one of 0.25": {"alpha": 2},
            "network is 'resnet8': choose one of 'lenet5'": {"network": "resnet8"},
        },
        (
            {},
            (
                "student30-100images-seed0-alone.tflite",
                "student30-100images-seed0-T4-alpha0.9-from-mlp.tflite",
            ),
        ),
        ({}, "lenet5"),
        ("teacher", "alone", "distilled"),
    ),
    "pruning": Case(
        pruning.direct,
        {"sparsity": 0.4, "layers": ("fc3",)},
        {
            "sparsity is 0.999: choose one of 0.0, 0.1": {"sparsity": 0.999},
            "criterion is 'size': choose one of 'magnitude'": {"criterion": "size"},
            "scope is 'row': choose one of 'layer', 'global'": {"scope": "row"},
            "storage is 'zip': choose one of 'bitmap'": {"storage": "zip"},
            "layers is ('fc9',): give a tuple of 'fc1'": {"layers": ("fc9",)},
            "there is no setting 'bits': network, criterion, sparsity": {"bits": 4},
        },
        (
            {"sparsity": 0.985, "layers": ("fc1",)},
            (
                "mlp-magnitude-layer-98.5-1layers-bitmap.packed",
                "mlp-magnitude-layer-98.5-1layers.tflite",
            ),
        ),
        ({"shown": "fc2"}, "resnet8"),
        ("float32", "zeros"),
    ),
    "qat": Case(
        qat.direct,
        {"steps": 50},
        {
            "weights is 1: give a whole number from 2 to 8": {"weights": 1},
            "activations is 16: give a whole number": {"activations": 16},
            "steps is 7: choose one of 0, 50, 100, 200": {"steps": 7},
            "network is 'vgg': choose one of 'mlp'": {"network": "vgg"},
        },
        (
            {"weights": 3},
            ("mlp-W3A4-rounded.packed", "mlp-W3A4-50steps-seed0.packed"),
        ),
        ({"steps": 200}, "resnet8"),
        ("float32", "rounded", "trained"),
    ),
    "quantization": Case(
        quantization.direct,
        {},
        {
            "bits is 1: give a whole number from 2 to 16": {"bits": 1},
            "bits is 40: give a whole number from 2 to 16": {"bits": 40},
            "bits is 4.0: give a whole number": {"bits": 4.0},
            "bits is True: give a whole number": {"bits": True},
            "granularity is 'row': choose one of 'tensor', ": {"granularity": "row"},
            "rule is None: choose one of": {"rule": None},
            "network is 'vgg': choose one of 'mlp'": {"network": "vgg"},
            "layers is ('conv9',): give a tuple of 'fc1'": {"layers": ("conv9",)},
            "layers is 'fc1': give a tuple of 'fc1'": {"layers": "fc1"},
            "shown is 'conv9': choose one of 'fc1'": {"shown": "conv9"},
            "there is no setting 'speed': network, grid, bits": {"speed": 3},
        },
        ({}, ("mlp-4bit-channel-minmax.packed", "mlp-4bit-channel-dynamic.tflite")),
        ({"layers": ("fc1",)}, "resnet8"),
        ("float32", "deployable"),
    ),
    "rank": Case(
        rank.direct,
        {"parameter_ratio": 0.3, "images": 100},
        {
            "parameter_ratio is 0.5001: choose one of 0.02, 0.05": {
                "parameter_ratio": 0.5001
            },
            "method is 'cp': choose one of 'svd', 'responses'": {"method": "cp"},
            "by is 'size': choose one of 'same', 'energy'": {"by": "size"},
            "layers is ('fc9',): give a tuple of 'fc1', 'fc2'": {"layers": ("fc9",)},
            "unit is 'kB': choose one of 'macs', 'bytes'": {"unit": "kB"},
        },
        (
            {"parameter_ratio": 0.25, "layers": ("fc1",)},
            ("mlp-rank-svd-same-25-1layers.tflite",),
        ),
        ({"layers": ("fc1",), "shown": "fc2"}, "resnet8"),
        ("float32", "low rank"),
        lambda result: [f"{result.low.network.macs:,} MACs"],
    ),
    "temperature": Case(
        temperature.direct,
        {"digit": 7},
        {
            "digit is 10: give a whole number from 0 to 9": {"digit": 10},
            "temperature is 0: choose one of 1, 1.5": {"temperature": 0},
            "network is 'resnet8': choose one of 'mlp'": {"network": "resnet8"},
        },
        ({}, ("mlp.tflite",)),
        ({}, "lenet5"),
        ("float32",),
        temperature.words,
        plane=False,
    ),
    "units": Case(
        units.direct,
        {"fraction": 0.2},
        {
            "fraction is 1.0: choose one of 0.0, 0.05": {"fraction": 1.0},
            "criterion is 'size': choose one of 'norm'": {"criterion": "size"},
            "scope is 'output': choose one of 'layer'": {"scope": "output"},
            "layers is ('fc3',): give a tuple of 'fc1', 'fc2'": {"layers": ("fc3",)},
            "blocks is ('add',): give a tuple of , or None": {"blocks": ("add",)},
        },
        (
            {"fraction": 0.75, "layers": ("fc1",)},
            ("mlp-units-norm-layer-75-1layers.tflite",),
        ),
        ({"layers": ("fc1",)}, "resnet8"),
        ("float32", "smaller"),
        lambda result: [f"{result.smaller.network.macs:,} MACs"],
    ),
}
