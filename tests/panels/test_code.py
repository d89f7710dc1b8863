"""The code that every panel shows: the methods' own calls, run, with the same files.

Trainings take no time here: made-up ones stand in their place.
"""

import ast
from importlib import import_module

import pytest
from drive_controls import few_images
from fake_trainings import fake_distillation, fake_quantized_training

from labkit import measure, panels
from labkit.compress.deploy import Deployed
from labkit.measure.timing import Latency
from labkit.model.network import Network
from labkit.packed.compressed import Compressed
from labkit.panels.controls import complete
from labkit.panels.words import RE_ESTIMATED

# Panel -> settings that are run; those left out are the panel's defaults.
RUN = {
    "activations_panel": [
        {"network": "mlp", "bits": 8, "activation_bits": 8, "images": 10},
        {"network": "lenet5", "bits": 4, "ends": "kept", "rule": "least_squares"},
    ],
    "budget_panel": [
        {"network": "mlp", "budget": 8.0, "method": "greedy"},
        {"network": "lenet5", "budget": 12.0, "free": ("fc1",)},
    ],
    "clipping_panel": [
        {"network": "mlp", "bits": 3, "clip": 40},
        {"network": "lenet5", "scope": "one", "layer": "fc1"},
    ],
    "distillation_panel": [
        {"network": "mlp", "images": 0},
        {"network": "mlp", "images": 100, "seed": 2},
    ],
    "pruning_panel": [
        {"network": "mlp", "criterion": "taylor", "scope": "global"},
        {"network": "lenet5", "criterion": "random", "seed": 3, "storage": "rice"},
        {"network": "resnet8", "sparsity": 0.5, "channels": RE_ESTIMATED},
        {"network": "mlp", "criterion": "activation_aware", "layers": ("fc1",)},
        {"network": "mlp", "criterion": "random", "layers": ("fc2", "fc3")},
        {"network": "mlp", "criterion": "fisher", "storage": "rice"},
        {"network": "mlp", "criterion": "surgeon", "layers": ("fc3",)},
        {
            "network": "lenet5",
            "criterion": "surgeon",
            "layers": ("conv1", "fc2"),
            "scope": "global",
            "channels": RE_ESTIMATED,
        },
    ],
    "qat_panel": [
        {"network": "lenet5", "weights": 3, "steps": 0},
        {"network": "lenet5", "steps": 50, "seed": 2},
    ],
    "quantization_panel": [
        {"network": "mlp", "bits": 4, "granularity": "block"},
        {"network": "lenet5", "bits": 8, "mode": "weight_only"},
        {"network": "mlp", "bits": 8, "mode": "static"},
        {"network": "mlp", "bits": 3, "grid": "kmeans", "layers": ("fc2",)},
    ],
    "rank_panel": [
        {"network": "mlp"},
        {"network": "mlp", "method": "responses", "by": "product", "images": 100},
        {
            "network": "mlp",
            "method": "inputs",
            "parameter_ratio": 0.2,
            "layers": ("fc2",),
            "images": 100,
        },
        {"network": "lenet5", "method": "tucker", "by": "energy"},
        {"network": "lenet5", "method": "spatial", "by": "loss", "unit": "bytes"},
        {"network": "mlp", "method": "inputs", "by": "loss", "images": 100},
        {"network": "resnet8", "parameter_ratio": 1.2},
    ],
    "temperature_panel": [{"network": "mlp", "digit": 3, "temperature": 8}],
    "units_panel": [
        {"network": "mlp"},
        {"network": "lenet5", "criterion": "taylor", "scope": "global"},
        {"network": "mlp", "criterion": "random", "layers": ("fc1",)},
        {
            "network": "resnet8",
            "criterion": "activation",
            "scope": "global",
            "fraction": 0.25,
            "blocks": ("stage1_block1_add",),
            "channels": RE_ESTIMATED,
        },
    ],
}
CASES = [(panel, settings) for panel in RUN for settings in RUN[panel]]


def label(value):
    if isinstance(value, str):
        return value.removesuffix("_panel")
    return "-".join(str(part) for part in value.values())


def spec(panel):
    """What the panel shows, from the module that it stands in."""
    return import_module(getattr(panels, panel).__module__).SPEC


def chosen(panel, settings):
    return complete(spec(panel).controls, settings, {})


def test_every_panel_has_its_code_run():
    assert sorted(RUN) == [name for name in panels.__all__ if name.endswith("_panel")]


@pytest.mark.parametrize(("panel", "settings"), CASES, ids=label)
def test_the_code_uses_no_panel_and_nothing_private(panel, settings):
    for node in ast.walk(ast.parse(spec(panel).code(chosen(panel, settings)))):
        names = [getattr(node, "attr", ""), getattr(node, "id", "")]
        if isinstance(node, ast.Import):
            names += [part for a in node.names for part in a.name.split(".")]
        if isinstance(node, ast.ImportFrom):
            names += node.module.split(".") + [alias.name for alias in node.names]
        assert "panels" not in names, ast.unparse(node)
        assert not [name for name in names if name.startswith("_")], ast.unparse(node)


@pytest.mark.parametrize(("panel", "settings"), CASES, ids=label)
def test_every_import_is_used(panel, settings):
    tree = ast.parse(spec(panel).code(chosen(panel, settings)))
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {alias.asname or alias.name for node in imports for alias in node.names}
    assert names <= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}


@pytest.fixture
def small_test_set(monkeypatch):
    few_images(monkeypatch, 200, "test", "validation")
    fake_quantized_training(monkeypatch)
    fake_distillation(monkeypatch)
    monkeypatch.setattr(
        "labkit.measure.timing.latency",
        lambda models: {name: Latency(1, 1, 1, 30, 1, "cpu") for name in models},
    )


@pytest.fixture
def measured(monkeypatch):
    """What `measure.accuracy` is called with, in order."""
    seen, accuracy = [], measure.accuracy

    def spied(model, *more):
        seen.append(model)
        return accuracy(model, *more)

    monkeypatch.setattr("labkit.measure.correctness.accuracy", spied)
    return seen


def files(value) -> set[bytes]:
    """The model files that a variable of the code is, or holds."""
    if isinstance(value, Compressed):
        return {value.packed, value.network.to_bytes()}
    if isinstance(value, Network | Deployed):
        return {value.to_bytes()}
    if hasattr(value, "compressed"):
        return files(value.compressed)
    return {value} if isinstance(value, bytes) else set()


def run(panel, settings, capsys):
    """The panel's last position, the code's variables and what it printed."""
    *_, position = spec(panel).positions(**settings)
    capsys.readouterr()
    scope = {"__name__": "copied"}
    exec(spec(panel).code(position.settings), scope)
    return position, scope, capsys.readouterr().out


WITH_FILES = [case for case in CASES if case[0] != "temperature_panel"]


@pytest.mark.parametrize(("panel", "settings"), WITH_FILES, ids=label)
def test_run_it_has_the_panels_files_and_figures(
    panel, settings, capsys, small_test_set, measured
):
    position, scope, said = run(panel, settings, capsys)
    found = set().union(*map(files, [*scope.values(), *measured]))
    for name, content in spec(panel).files(position).items():
        assert content in found, name
    for point in spec(panel).points(position):
        if point.kind not in ("float", "zeros"):
            assert f"{point.accuracy:.2%}" in said and f"{point.size_bytes:,}" in said


def test_run_the_temperature_panels_code_says_what_it_says(capsys, small_test_set):
    (settings,) = RUN["temperature_panel"]
    position, _, said = run("temperature_panel", settings, capsys)
    soft = position.soft
    assert f"image {soft.number}: nearest wrong class {soft.nearest}, " in said
    assert f"{soft.probabilities[soft.nearest]:.2%}" in said
    assert f"entropy {soft.entropy():.3f} nats" in said


@pytest.mark.parametrize("settings", RUN["rank_panel"], ids=label)
def test_the_rank_panels_code_has_the_ranks_and_the_factors(
    settings, capsys, small_test_set
):
    position, scope, said = run("rank_panel", settings, capsys)
    assert scope["ranks"] == position.low.ranks
    for layer, rank in position.low.ranks.items():
        shapes = [part.kernel.shape for part in position.low.parts.get(layer, ())]
        assert f"{layer} rank {rank} {shapes}" in said


@pytest.mark.parametrize("settings", RUN["units_panel"], ids=label)
def test_the_units_panels_code_has_the_scores_and_the_units(
    settings, capsys, small_test_set
):
    position, scope, said = run("units_panel", settings, capsys)
    for group, kept in position.smaller.kept.items():
        assert (scope["kept"][group] == kept).all()
        scores = scope["scores"][group]
        assert scores.shape == kept.shape
        gone = [unit for unit, left in enumerate(kept) if not left]
        assert f"{group} without {gone}\n" in said


def test_code_by_loss_says_whether_the_losses_are_committed():
    known, unknown = (
        spec("rank_panel").code(
            chosen("rank_panel", {"network": "mlp", "by": "loss", **more})
        )
        for more in ({"method": "svd"}, {"method": "inputs"})
    )
    assert "committed_rank_losses(network, 'svd', 'macs')" in known
    assert "rank_losses(network, some, 'inputs', unit='macs', " in unknown
