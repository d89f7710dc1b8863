"""One colour is one sign in every picture, read from what the pictures draw."""

import ast
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from labkit.panels.rank import plot
from labkit.panels.rank.panel import SPEC
from labkit.panels.rank.plot import Filters, draw_filters, filters_frame
from labkit.plots.base import NEGATIVE, POSITIVE, SIGNS, figure, signed_colours
from labkit.plots.weights import draw_weight_pictures
from labkit.zoo.datasets import ROOT

VALUES = np.linspace(-1, 1, 21)  # whose largest size is 1: each picture's full colour
PICTURES = {}


def draws(picture):
    """Name a function of VALUES -> the drawn colour of each, (n, 3)."""
    PICTURES[picture.__name__] = picture
    return picture


@draws
def weights(values):
    drawn = draw_weight_pictures(figure(4, 2), {"w": values.reshape(1, 1, -1)})
    (image,) = drawn.axes[0].get_images()
    return image.to_rgba(image.get_array())[0, :, :3]


@draws
def filters(values):
    """A filter is one row high; the colours that the artist has are of its cells."""
    axes = figure(4, 2).add_subplot()
    filters_frame(axes)
    one = values.reshape(1, 1, -1, 1)
    draw_filters(axes, one, one)
    (image,) = axes.get_images()
    return np.asarray(image.get_array())[0]


@draws
def rank_panel(values):
    """The lower row of the whole picture, drawn by the panel's own function."""
    result = next(SPEC.positions(network="mlp", parameter_ratio=0.5))
    shown = Filters("fc1", *[values.reshape(1, 1, -1, 1)] * 2, 12)
    picture = figure(8.6, 4.8)
    plot.draw(
        picture,
        SimpleNamespace(
            points=result.points,
            best=result.best,
            costs=result.costs,
            spectrum=result.spectrum,
            filters=shown,
        ),
    )
    before, now = (axes.get_images()[0].get_array() for axes in picture.axes[-2:])
    np.testing.assert_array_equal(before, now)
    return np.asarray(now)[0]


each_picture = pytest.mark.parametrize("name", PICTURES)


@each_picture
def test_a_sign_has_its_colour(name):
    """On the way from white to the one end above 0, to the other below."""
    colours = PICTURES[name](VALUES)
    np.testing.assert_allclose(colours[0], to_rgb(NEGATIVE), atol=0.01)
    np.testing.assert_allclose(colours[-1], to_rgb(POSITIVE), atol=0.01)
    np.testing.assert_allclose(colours[len(VALUES) // 2], 1, atol=0.01)
    for value, colour in zip(VALUES, colours, strict=True):
        end = np.array(to_rgb(POSITIVE if value > 0 else NEGATIVE))
        np.testing.assert_allclose(colour, 1 - abs(value) * (1 - end), atol=0.01)


@each_picture
def test_red_is_above_zero_and_blue_below(name):
    for value, (red, _, blue) in zip(VALUES, PICTURES[name](VALUES), strict=True):
        assert np.sign(round(red - blue, 6)) == np.sign(round(value, 6))


@each_picture
def test_a_turned_sign_is_seen(name):
    turned = PICTURES[name](-VALUES)
    np.testing.assert_allclose(turned, PICTURES[name](VALUES)[::-1], atol=1e-6)
    assert np.abs(turned - PICTURES[name](VALUES)).max() > 0.5


def luminance(colour):
    """Relative luminance of sRGB, WCAG 2.1."""
    c = np.asarray(to_rgb(colour))
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_both_ends_stand_out_from_white():
    for end in (POSITIVE, NEGATIVE):
        assert 1.05 / (luminance(end) + 0.05) > 4.5


# Linear RGB as who lacks one kind of cone sees it: Viénot, Brettel, Mollon 1999.
CONES = np.array(
    [
        [17.8824, 43.5161, 4.11935],
        [3.45565, 27.1554, 3.86714],
        [0.02996, 0.18431, 1.467],
    ]
)
LACKING = {
    "protanopia": [[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]],
    "deuteranopia": [[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]],
}


@pytest.mark.parametrize("kind", LACKING)
def test_colour_blind_readers_tell_the_signs_apart(kind):
    seen = np.linalg.inv(CONES) @ np.array(LACKING[kind]) @ CONES
    ends = np.array([to_rgb(POSITIVE), to_rgb(NEGATIVE)]) ** 2.2
    above, below = ends @ seen.T
    assert np.abs(above - below).max() > 0.25


def test_what_is_beyond_the_scale_has_the_end():
    np.testing.assert_allclose(signed_colours(np.array(7.0)), to_rgb(POSITIVE))
    np.testing.assert_allclose(signed_colours(np.array(-7.0)), to_rgb(NEGATIVE))


def test_the_words_say_the_colours():
    assert SIGNS == "red above 0, blue below"
    picture = draw_weight_pictures(figure(4, 2), {"w": VALUES.reshape(1, 1, -1)})
    assert SIGNS in picture.alt
    grey, three = (Filters("c", *[np.ones((2, 3, 3, n))] * 2, 1) for n in (1, 3))
    assert grey.shades == SIGNS and SIGNS not in three.shades


@pytest.mark.parametrize("name", ["mlp", "resnet8"])
def test_the_rank_panel_says_what_its_colours_are(name):
    result = next(SPEC.positions(network=name, parameter_ratio=0.5))
    picture = figure(8.6, 4.8)
    plot.draw(picture, result)
    assert result.filters.shades in picture.alt
    (title,) = [text.get_text() for text in picture.axes[-2].texts]
    assert title.endswith(result.filters.shades)
    assert (result.filters.shades == SIGNS) == (name == "mlp")


def test_the_lessons_say_the_same_colours():
    """Where a lesson draws weights as pictures it says red for what raises."""
    said = {
        path.stem: " ".join(path.read_text("utf-8").split())
        for path in sorted((ROOT / "notebooks" / "src").glob("*.py"))
    }
    raises = {
        "03_pruning_thresholds": "red where ink raises the unit, blue where it lowers",
        "04b_what_else_to_pass_on": "it is red, more ink would raise the logit",
        "05_low_rank": "red for weights above 0 and blue for those below",
    }
    for lesson, words in raises.items():
        assert words in said[lesson]


# Every picture made of squares, and whether it draws numbers of both signs.
IMAGES = {
    "rank/plot": "signs",
    "plots/weights": "signs",
    "plots/pictures": "grey",
    "pruning/plot": "fractions",
    "plots/sensitivity": "losses",
    "temperature/plot": "grey",
}
TWO_SIDED = {"RdBu", "bwr", "seismic", "coolwarm", "PiYG", "PRGn", "BrBG", "PuOr"}
TWO_SIDED |= {"RdGy", "RdYlBu", "RdYlGn", "Spectral", "berlin", "managua", "vanimo"}


def test_no_other_picture_has_colours_for_signs():
    """A new picture of squares is entered here; no scale of two sides but the one."""
    drawn = {}
    folders = [ROOT / "labkit" / "plots", *(ROOT / "labkit" / "panels").glob("*/")]
    for path in (path for folder in folders for path in folder.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        calls = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
        names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert not {str(w).removesuffix("_r") for w in words} & TWO_SIDED, path
        if calls & {"imshow", "pcolormesh", "matshow", "scatter", "quiver"}:
            drawn[f"{path.parent.name}/{path.stem}"] = "signed_colours" in names
    assert drawn == {stem: kind == "signs" for stem, kind in IMAGES.items()}
