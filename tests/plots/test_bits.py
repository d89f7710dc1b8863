"""Pictures of notebook 01b: files with names, maps of layers, losses that add up."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from labkit.compress.budget.sensitivity import Cell, Score, Sensitivity
from labkit.plots.base import figure
from labkit.plots.labelled import File, apart, columns, draw_files
from labkit.plots.sensitivity import (
    LossMap,
    draw_additivity,
    draw_loss_maps,
    draw_maps,
    points_lost,
)

# Bytes as four networks' widths make them, and accuracies that all but coincide.
FILES = [
    File(f"{kind} {bits}", 4000 + 9000 * bits + 20 * k, 0.99 - 0.2 / bits**3 + k * 1e-4)
    for bits in (1, 2, 3, 4, 8)
    for k, kind in enumerate(("uniform", "pow2", "k-means", "float"))
]


def text_box(annotation, picture):
    """Where the words stand: an annotation's own box has its line in it."""
    renderer = FigureCanvasAgg(picture).get_renderer()
    annotation.update_positions(renderer)
    return Text.get_window_extent(annotation, renderer)


def test_no_name_covers_another_one_or_leaves_the_axes():
    picture = figure(8.6, 3.6)
    draw_files(picture, {"mlp": FILES}, {"mlp": 0.992})
    picture.draw_without_rendering()
    (axes,) = picture.axes
    boxes = [text_box(text, picture) for text in axes.texts]
    assert len(boxes) == len(FILES)
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    assert max(box.x1 for box in boxes) <= picture.bbox.x1


def test_the_alt_text_names_every_file():
    picture = figure(8, 6)
    alt = draw_files(picture, {"a": FILES, "b": FILES[:3]}, {"a": 0.99, "b": 0.99}).alt
    assert alt.count(";") == len(FILES) + 3 - 1
    assert f"a, uniform 8: {100 * FILES[16].accuracy:.2f} %, 76,000 bytes" in alt


@pytest.mark.parametrize("seed", range(5))
def test_apart_keeps_order_distance_and_the_axis(seed):
    y = np.sort(np.random.default_rng(seed).uniform(0, 1, 9))
    found = apart(y, 0.1)
    assert (np.diff(found) >= 0.1 - 1e-9).all()
    assert found[0] >= -1e-9 and found[-1] <= 1 + 1e-9


def test_what_is_apart_already_stays():
    y = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(apart(y, 0.1), y)


def test_columns_hold_every_place_once():
    x = np.array([0.9, 0.1, 0.12, 0.5, 0.11])
    groups = columns(x, 0.05)
    assert sorted(sum(groups, [])) == list(range(5))
    assert groups == [[1, 4, 2], [3], [0]]


def made_up(layers, bits=(2, 4)):
    cells = [
        Cell(layer, width, 10, 0.9 - 0.4 * (k == 1) / width, 0.1)
        for k, layer in enumerate(layers)
        for width in bits
    ]
    return Sensitivity("channel", "minmax", 100, Score(0.9, 0.3), tuple(cells))


def test_maps_have_a_figure_in_every_cell_and_name_the_worst_layer():
    maps = {"a": made_up(["fc1", "fc2"]), "b": made_up([f"conv{k}" for k in range(5)])}
    maps["c"] = made_up(["x", "y", "z"])
    picture = draw_maps(figure(8, 6), maps)
    shown = [axes for axes in picture.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == ["a", "b", "c"]
    assert [len(axes.texts) for axes in shown] == [4, 10, 6]
    assert "a, most for fc2 at 2 bits, 20.0" in picture.alt
    assert shown[0].texts[2].get_text() == "20"


def test_a_map_of_other_levels_names_its_unit_and_its_worst_cell():
    points = np.array([[0.0, 1.5, 30.0], [0.0, 0.2, 4.0]])
    lost = LossMap(["conv1", "fc"], [30, 50, 95], points)
    picture = draw_loss_maps(figure(5, 3), {"net": lost}, "% removed")
    (axes,) = picture.axes
    assert axes.get_xlabel() == "% removed"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["30", "50", "95"]
    assert "net, most for conv1 at 95 % removed, 30.0" in picture.alt


def test_a_gain_counts_as_nothing_lost():
    cells = (Cell("fc", 2, 1, 0.95, -0.1), Cell("fc", 4, 1, 0.85, 0.1))
    found = Sensitivity("channel", "minmax", 10, Score(0.9, 0.3), cells)
    np.testing.assert_allclose(points_lost(found), [[0, 0.05]])


def test_losses_below_the_axis_stand_on_its_edge():
    pairs = {"a": [(0.01, 0.02), (-0.5, 0.3)], "b": [(0.1, 0.05)]}
    picture = draw_additivity(figure(5, 4), pairs)
    (axes,) = picture.axes
    dots = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_allclose(dots["a"], [[0.01, 0.02], [0.001, 0.3]])
    assert "a: 2 of 2 above the line; b: 0 of 1 above the line" in picture.alt
