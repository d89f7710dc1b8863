"""Registries: rows are whole, and a new row is offered and computed with."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labkit import zoo
from labkit.common.knapsack import Frontier
from labkit.common.registries import Row, chosen, markdown, registry
from labkit.compress import activations, factorized
from labkit.compress.budget import bits, ranks
from labkit.compress.criteria import criterion_scores
from labkit.compress.deploy_modes import MODES
from labkit.compress.quantized import grids, quantize_network
from labkit.packed.bitmap_csr import BITMAP
from labkit.packed.storage_sizes import break_even
from labkit.packed.storages import STORAGES, Storage
from labkit.panels.budget import panel as budget
from labkit.panels.pruning import panel as pruning
from labkit.panels.quantization import panel as quantization
from labkit.plots.base import figure
from labkit.prune.masking import SCOPES
from labkit.prune.schedules import SCHEDULES
from labkit.prune.scores import CRITERIA
from labkit.prune.units import UNIT_CRITERIA
from labkit.quantize import symmetric
from labkit.quantize.granularity import GRANULARITIES
from labkit.quantize.range_rules import RANGES, minmax_scale
from labkit.quantize.rounding import ROUNDINGS

REGISTRIES = {
    "criteria of weights": CRITERIA,
    "criteria of units": UNIT_CRITERIA,
    "scopes": SCOPES,
    "schedules": SCHEDULES,
    "range rules": RANGES,
    "range rules of activations": activations.RULES,
    "granularities": GRANULARITIES,
    "level grids": grids(),
    "storages": STORAGES,
    "factorizations": factorized.FACTORIZATIONS,
    "choices of ranks": ranks.RANK_CHOICES,
    "choices of bits": bits.METHODS,
    "roundings": ROUNDINGS,
    "ways to run": MODES,
}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_row_has_its_own_name_text_and_line(kind):
    rows = REGISTRIES[kind]
    assert [row.name for row in rows.values()] == list(rows)
    for words in ("text", "line"):
        found = [getattr(row, words) for row in rows.values()]
        assert all(found) and len(set(found)) == len(rows)
    assert all(row.line.endswith(".") for row in rows.values())
    assert markdown(rows).count("\n") == len(rows) + 1


def test_a_name_is_there_once():
    row = Row("a", "A", "The first.")
    with pytest.raises(ValueError, match="a name is there twice"):
        registry(row, row)
    with pytest.raises(ValueError, match="rule is 'b': choose one of a$"):
        chosen("rule", "b", registry(row))


def control(spec, name: str):
    """A panel's control by its name."""
    return next(control for control in spec.controls if control.name == name)


def cubed(w):
    """A made-up criterion: |w|^3."""
    return np.abs(w) ** 3


def half_scale(groups, qmax):
    """A made-up range rule: the grid ends at half the largest magnitude."""
    return minmax_scale(groups, qmax) / 2


def test_a_new_criterion_is_offered_and_prunes(monkeypatch):
    monkeypatch.setitem(CRITERIA, "cubed", Row("cubed", "cube", "|w|^3.", cubed))
    field = control(pruning.SPEC, "criterion")
    assert "cubed" in field.choices({"network": "resnet8"})
    assert field.text("cubed") == "cube"
    w = zoo.load("mlp").kernels["fc3"]
    np.testing.assert_array_equal(criterion_scores("mlp", "cubed")["fc3"], cubed(w))
    position = next(
        pruning.SPEC.positions(network="mlp", criterion="cubed", sparsity=0.9)
    )
    kept = position.masks["fc3"]
    assert abs(w[kept]).min() >= abs(w[~kept]).max() and kept.sum() == w.size // 10
    assert position.points[1].name.startswith("cube, ")
    assert "prune.cubed(w)" in pruning.report.code(position.settings)


def test_a_new_criterion_of_gradients_needs_no_more(monkeypatch):
    row = Row("slope", "slope", "|g|.", lambda w, g: np.abs(g), needs="gradient")
    monkeypatch.setitem(CRITERIA, "slope", row)
    found, slopes = criterion_scores("mlp", "slope"), zoo.gradients("mlp").mean
    np.testing.assert_array_equal(found["fc1"], abs(slopes["fc1"]))


def test_a_new_range_rule_is_offered_and_quantizes(monkeypatch):
    row = Row("half", "half of it", "Half the largest magnitude.", half_scale)
    monkeypatch.setitem(RANGES, "half", row)
    field = control(quantization.SPEC, "rule")
    assert "half" in field.choices({"grid": "uniform"})
    network = zoo.load("mlp")
    made = quantize_network(network, 4, "tensor", "half").quantized["fc3"]
    widest = quantize_network(network, 4, "tensor").quantized["fc3"]
    np.testing.assert_array_equal(made.scale, widest.scale / 2)
    position = next(
        quantization.SPEC.positions(
            network="mlp", bits=4, granularity="tensor", rule="half"
        )
    )
    assert position.points[1].name == "4 bits, tensor, half of it"
    np.testing.assert_array_equal(
        position.compressed.quantized["fc3"].decode(), made.decode()
    )


def same_in_all(loss, size_bytes):
    """A made-up choice of bits: as many in every layer."""
    layers, bit_widths = loss.shape
    choice = np.tile(np.arange(bit_widths)[:, None], layers)
    return Frontier(choice, size_bytes.sum(axis=0), loss.sum(axis=0))


def test_a_new_choice_of_bits_is_offered_and_drawn(monkeypatch):
    row = Row("all", "all alike", "As many bits in every layer.", same_in_all)
    monkeypatch.setitem(bits.METHODS, "all", row)
    field = control(budget.SPEC, "method")
    assert "all" in field.choices({}) and field.text("all") == "all alike"
    offered = next(budget.SPEC.positions(network="mlp", method="all", budget=13))
    assert offered.chosen.bits == {"fc1": 4, "fc2": 4, "fc3": 4}
    network = zoo.load("mlp")
    wanted = quantize_network(network, 4, "channel", budget.RULE)
    assert offered.chosen.compressed.packed == wanted.packed
    picture = figure(*budget.SPEC.size)
    budget.SPEC.draw(picture, offered)
    lines = {line.get_label(): line for line in picture.axes[1].lines}
    assert list(lines)[:3] == [f"predicted, {name}" for name in bits.METHODS]
    looks = [(line.get_color(), line.get_linestyle()) for line in lines.values()][:3]
    assert len(set(looks)) == 3


def test_a_new_rounding_rounds(monkeypatch):
    row = Row("up", "up", "Every number goes to the integer at or above.", np.ceil)
    monkeypatch.setitem(ROUNDINGS, "up", row)
    made = symmetric.quantize(np.array([0.5, -1.2, 3.0]), 3, rounding="up")
    assert made.q.tolist() == [1, -1, 3]


def test_a_new_storage_has_a_formula_by_its_places(monkeypatch):
    row = Storage(name="again", text="again", line="A bitmap.", places=BITMAP)
    monkeypatch.setitem(STORAGES, "again", row)
    assert break_even("again") == break_even("bitmap")


def test_a_new_factorization_has_ranks_and_costs(monkeypatch):
    row = replace(factorized.FACTORIZATIONS["spatial"], name="again")
    monkeypatch.setitem(factorized.FACTORIZATIONS, "again", row)
    network = zoo.load("lenet5")
    plans = [ranks.plan_ranks(network, how, 0.3) for how in ("spatial", "again")]
    costs = [ranks.budget(network, how, 0.3) for how in ("spatial", "again")]
    assert plans[0] == plans[1] and costs[0] == costs[1]


def names_listed(source: str):
    """The strings of every tuple, list, set and dictionary's keys of a file."""
    for node in ast.walk(ast.parse(source)):
        items = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ())
        yield {item.value for item in items if isinstance(item, ast.Constant)}


def test_no_second_list_of_names():
    folders = ("labkit", "experiments", "bench")
    for path in (path for folder in folders for path in Path(folder).rglob("*.py")):
        if path.name == "__init__.py":  # doors list functions
            continue
        for listed in names_listed(path.read_text("utf-8")):
            for kind, rows in REGISTRIES.items():
                assert len(rows) < 3 or not set(rows) <= listed, (path, kind)
