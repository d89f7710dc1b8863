"""A layer as several smaller ones: the arithmetic, numpy only.

Singular values, principal directions of what a layer reads or answers, Tucker-2 and CP
for kernels, what a rank costs and loses, and which ranks a budget buys. Kernels lie as
LiteRT has them: dense (out, in), convolution (out, height, width, in).
`labkit.compress.factorized` puts the smaller layers into model files, where they run
one after the other. They are never multiplied back: that gives the old size and the old
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
    ConvGeometry,
    FactorLayer,
    assign_strides,
    macs,
    output_length,
    reconstruct_kernel,
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
    "ConvGeometry",
    "Decomposition",
    "FactorLayer",
    "Moments",
    "RankOptions",
    "Sums",
    "assign_strides",
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
    "output_error",
    "pca_of_inputs",
    "pca_of_responses",
    "output_length",
    "projected_inputs",
    "randomized_svd",
    "rank_for_energy",
    "rank_options",
    "reconstruct_kernel",
    "spatial",
    "spectrum",
    "svd",
    "thinned",
    "tucker",
]
