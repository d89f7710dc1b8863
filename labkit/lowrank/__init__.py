"""A layer as several smaller ones: the arithmetic, numpy only.

Singular values, principal directions of what a layer reads or answers, Tucker-2 and CP
for kernels, what a rank costs and loses, and which ranks a budget buys. Kernels lie as
LiteRT has them: dense (out, in), convolution (out, height, width, in).
`labkit.compress.quantized` puts the smaller layers into model files, where they run one
after the other. They are never multiplied back: that gives the old size and the old
cost.
"""

from labkit.lowrank.convolution import (
    channel,
    channel_of_responses,
    projected_inputs,
    spatial,
)
from labkit.lowrank.covariance import Moments, Sums, moments
from labkit.lowrank.cp_als import cp
from labkit.lowrank.data_aware import output_error, pca_of_inputs, pca_of_responses
from labkit.lowrank.decomposition import Decomposition, from_svd
from labkit.lowrank.parts import (
    Part,
    Sides,
    macs,
    multiplied_back,
    places,
    shared_strides,
)
from labkit.lowrank.randomized import randomized_svd
from labkit.lowrank.ranks import (
    RankOptions,
    by_energy,
    by_loss,
    by_product,
    rank_options,
    thinned,
)
from labkit.lowrank.truncated_svd import (
    break_even,
    energy,
    error,
    factors,
    largest_paying_rank,
    rank_for_energy,
    spectrum,
    svd,
)
from labkit.lowrank.tucker2 import mode_energies, tucker

__all__ = [
    "Decomposition",
    "Moments",
    "Part",
    "RankOptions",
    "Sides",
    "Sums",
    "break_even",
    "by_energy",
    "by_loss",
    "by_product",
    "channel",
    "channel_of_responses",
    "cp",
    "energy",
    "error",
    "factors",
    "from_svd",
    "largest_paying_rank",
    "macs",
    "mode_energies",
    "moments",
    "multiplied_back",
    "output_error",
    "pca_of_inputs",
    "pca_of_responses",
    "places",
    "projected_inputs",
    "randomized_svd",
    "rank_for_energy",
    "rank_options",
    "shared_strides",
    "spatial",
    "spectrum",
    "svd",
    "thinned",
    "tucker",
]
