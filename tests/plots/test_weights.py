"""Weights as pictures: one colour is one weight, and the alt text counts them."""

import numpy as np
import pytest

from labkit.plots.base import figure
from labkit.plots.weights import draw_weight_pictures

ROWS = {
    "dense": np.linspace(-0.2, 0.2, 2 * 28 * 28).reshape(2, 28, 28),
    "pruned": np.zeros((2, 28, 28)),
}
ROWS["pruned"][1, 5, 7] = 0.4


def images(picture):
    return [axes.get_images()[0] for axes in picture.axes]


def test_each_unit_has_a_picture_of_its_weights():
    picture = draw_weight_pictures(figure(4, 4), ROWS)
    wanted = [*ROWS["dense"], *ROWS["pruned"]]
    for image, weights in zip(images(picture), wanted, strict=True):
        np.testing.assert_array_equal(image.get_array(), weights)
    titles = [axes.get_title(loc="left") for axes in picture.axes]
    assert titles == ["dense", "", "pruned", ""]


def test_zero_is_white_and_the_scale_is_the_same_everywhere():
    shown = images(draw_weight_pictures(figure(4, 4), ROWS))
    assert len({image.get_clim() for image in shown}) == 1
    low, high = shown[0].get_clim()
    assert low == -high and 0.19 < high < 0.4
    red, green, blue, _ = shown[0].cmap(shown[0].norm(0.0))
    assert min(red, green, blue) > 0.95
    red, _, blue, _ = shown[0].cmap(shown[0].norm(high))
    assert red > blue


def test_the_alt_text_counts_what_is_left():
    alt = draw_weight_pictures(figure(4, 4), ROWS).alt
    assert "pruned, 1 of 1,568 weights not 0, from 0 to 0.4" in alt
    assert "dense, 1,568 of 1,568 weights not 0, from -0.2 to 0.2" in alt


def test_nothing_but_zeros_is_told():
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_weight_pictures(figure(4, 4), {"gone": np.zeros((2, 28, 28))})
