"""Calibration as the panel needs it.

Calibrated ranges come from training images. What a layer reads is shown for validation
images, which no range was made from, so that clipping is to be seen.
"""

import numpy as np

from labkit import zoo
from labkit.common.cache import cached
from labkit.common.split import Split
from labkit.compress import post_training
from labkit.compress.activations import inner_layers
from labkit.model.fake_quant import inserted_grids
from labkit.model.network import Network
from labkit.packed.compressed import Compressed
from labkit.panels.activations.plot import Reading
from labkit.plots.histogram import Grid
from labkit.quantize.affine import affine_params, fake_quantize, sqnr_db

FLOAT_BITS = 32
SHOWN_IMAGES = 50
BINS = 100


def rounded(
    name: str, bits: int, activation_bits: int, images: int, rule: str, kept: bool
) -> Compressed:
    """A network of the zoo with weights and activations rounded in the graph.

    bits: of the weights, FLOAT_BITS for float32. images: how many calibration images.
    kept: whether the first and the last layer have 8 bits.
    """
    seen = zoo.dataset(name).calibration.take(images)
    return _rounded(zoo.load(name), seen, bits, activation_bits, rule, kept)


@cached
def _rounded(
    network: Network,
    images: Split,
    bits: int,
    activation_bits: int,
    rule: str,
    kept: bool,
) -> Compressed:
    return post_training.round_in_graph(
        network,
        images.images,
        None if bits == FLOAT_BITS else bits,
        activation_bits,
        rule,
        kept=post_training.kept_layers(network) if kept else (),
    )


def reading(name: str, network: Network, layer: str) -> Reading:
    """What a layer of a rounded network reads, before it is rounded.

    Raises ValueError for a layer that reads the pixels, or none at all.
    """
    known = inner_layers(zoo.load(name))
    if layer not in known:
        raise ValueError(
            f"there is no inner layer {layer!r}: choose from {', '.join(known)}"
        )
    rounding = f"{layer}_grid"
    grid = inserted_grids(network.to_bytes())[rounding]
    values = _read(network, zoo.dataset(name).validation.take(SHOWN_IMAGES), rounding)
    counts, edges = np.histogram(values, BINS)
    scale, zero_point = affine_params(grid.lo, grid.hi, grid.bits)
    lowest = scale * (-(2 ** (grid.bits - 1)) - zero_point)
    highest = lowest + scale * (2**grid.bits - 1)
    outside = (values < lowest - scale / 2) | (values > highest + scale / 2)
    return Reading(
        layer,
        SHOWN_IMAGES,
        edges,
        counts,
        Grid("", lowest, highest, 2**grid.bits),
        float(outside.mean()),
        sqnr_db(values, fake_quantize(values, scale, zero_point, grid.bits)),
    )


@cached
def _read(network: Network, images: Split, tensor: str) -> np.ndarray:
    return network.activations(images.images, tensor)
