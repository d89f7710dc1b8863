"""Granularity: every weight lies in one group, and rows are put back as they were."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from labkit.quantize.granularity import BLOCKS, GRANULARITIES, Granularity


@st.composite
def groups(draw):
    shape = draw(array_shapes(max_dims=4, max_side=9))
    granularity = draw(st.sampled_from(list(GRANULARITIES)))
    axis = draw(st.integers(0, len(shape) - 1))
    return Granularity(shape, granularity, axis, draw(st.sampled_from(BLOCKS)))


@given(groups())
def test_rows_and_back(groups):
    array = np.arange(math.prod(groups.shape)).reshape(groups.shape)
    again = groups.tensor(groups.rows(array))
    assert np.array_equal(again, array)
    assert again.flags.c_contiguous


@given(groups())
def test_each_weight_is_in_one_group_and_has_its_scale(groups):
    array = np.arange(math.prod(groups.shape), dtype=np.float32).reshape(groups.shape)
    count = math.prod(groups.scale_shape)
    members = [groups.members(array, group) for group in range(count)]
    assert sorted(np.concatenate(members).tolist()) == array.ravel().tolist()
    if groups.granularity == "block":
        assert max(len(part) for part in members) <= groups.block
    # A rule that gives each group its largest number, spread over the weights again.
    scale = groups.scales(array, lambda part: part.max(axis=2))
    assert scale.shape == groups.scale_shape and scale.dtype == np.float32
    assert scale.ravel().tolist() == [part.max() for part in members]
    spread = np.broadcast_to(groups.spread(scale), groups.rows(array).shape)
    for group, part in enumerate(members):
        same = groups.members(groups.tensor(spread), group)
        assert same.tolist() == [part.max()] * len(part)


def test_the_axis_of_a_channel():
    w = np.arange(24).reshape(2, 3, 4)
    assert Granularity(w.shape, "channel", axis=1).members(w, 2).tolist() == (
        w[:, 2].ravel().tolist()
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((3,), "layer"), "tensor, channel, block"),
        (((3,), "channel", 1), "axis is 1: w has axes 0 to 0"),
        (((3,), "channel", -1), "axis is -1"),
        (((3,), "tensor", 0, 128), "choose 32 or 64"),
    ],
)
def test_what_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Granularity(*arguments)
