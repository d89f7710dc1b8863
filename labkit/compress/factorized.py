"""Factorized networks: the factors are layers of the model file.

A method's parts run one after the other and are never multiplied back, so a rank below
the break-even one makes the file smaller and saves MACs, and one above it does neither.

    method      a dense layer becomes               a convolution becomes
    svd         V^T, then U, s shared out           k x k onto `rank`, then 1 x 1
    responses   the same, by PCA of its answers     the same, by PCA of its answers
    inputs      by PCA of what it reads             1 x 1 by PCA, then k x k
    spatial     as svd                              k x 1, then 1 x k
    tucker      as svd                              1 x 1, k x k, 1 x 1
    cp          as svd                              1 x 1, k x 1, 1 x k, 1 x 1

The two convolutions in the middle of cp's four are depthwise. A 1 x 1 convolution is a
matrix: the last three methods do with it what svd does. Depthwise convolutions stay
whole.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labkit.common.cache import cached
from labkit.common.registries import Row, chosen, registry
from labkit.compress.responses import ObservedMoments
from labkit.lowrank import convolution, data_aware, tucker2
from labkit.lowrank.cp_als import cp, cp_outline
from labkit.lowrank.decomposition import Decomposition, from_svd
from labkit.lowrank.parts import FactorLayer
from labkit.lowrank.truncated_svd import svd
from labkit.model.graph import NetworkError
from labkit.model.network import Network


@dataclass(frozen=True, kw_only=True)
class Factorization(Row):
    """A way to split a layer.

    needs: "responses" or "inputs", the `ObservedMoments` whose moments it takes, or "".
    dense: kernel and bias, with moments where it needs them -> `Decomposition`; None
    where a matrix is split by SVD. convolution: likewise; without nested terms kernel,
    rank and bias -> an object with `parts()`. outline: a convolution's kernel shape and
    a rank -> its parts without their numbers. nested: whether the terms at one rank are
    among those at the next. full_rank: outputs and inputs of the matrix that is split
    -> the largest rank; None where there is none. ranks_for: kernel shape and parameter
    ratio -> the rank, where the weights are not proportional to it. energies: a kernel
    -> the energies by each number of such a rank.
    """

    dense: Callable | None = None
    convolution: Callable
    outline: Callable[[tuple[int, ...], Hashable], tuple[FactorLayer, ...]]
    nested: bool = True
    full_rank: Callable[[int, int], int] | None = min
    ranks_for: Callable[[tuple[int, ...], float], Hashable] | None = None
    energies: Callable[[np.ndarray], tuple[np.ndarray, ...]] | None = None

    @property
    def has_energies(self) -> bool:
        """Whether ranks can be chosen by how much energy they keep."""
        return self.nested or self.energies is not None


def _dense_svd(kernel: np.ndarray, bias: np.ndarray | None) -> Decomposition:
    return from_svd(svd(kernel), bias)


FACTORIZATIONS = registry(
    Factorization(
        name="svd",
        text="SVD",
        line="The matrix of the largest singular values.",
        dense=_dense_svd,
        convolution=convolution.channel,
        outline=convolution.channel_outline,
    ),
    Factorization(
        name="responses",
        text="PCA of responses",
        line="The directions in which the layer's answers vary most.",
        needs="responses",
        dense=data_aware.pca_of_responses,
        convolution=convolution.channel_of_responses,
        outline=convolution.channel_outline,
        full_rank=lambda outputs, inputs: outputs,
    ),
    Factorization(
        name="inputs",
        text="PCA of inputs",
        line="The directions in which what the layer reads varies most.",
        needs="inputs",
        dense=data_aware.pca_of_inputs,
        convolution=convolution.projected_inputs,
        outline=convolution.projected_inputs_outline,
        full_rank=lambda outputs, inputs: inputs,
    ),
    Factorization(
        name="spatial",
        text="k×1, 1×k",
        line="A column of the window, then a row, by SVD.",
        kinds=("CONV_2D",),
        convolution=convolution.spatial,
        outline=convolution.spatial_outline,
    ),
    Factorization(
        name="tucker",
        text="Tucker-2",
        line="A small kernel between two 1 × 1 convolutions.",
        kinds=("CONV_2D",),
        convolution=tucker2.tucker,
        outline=tucker2.tucker_outline,
        nested=False,
        full_rank=None,
        ranks_for=tucker2.ranks_for,
        energies=tucker2.mode_energies,
    ),
    Factorization(
        name="cp",
        text="CP",
        line="A sum of products of four vectors: four thin convolutions.",
        kinds=("CONV_2D",),
        convolution=cp,
        outline=cp_outline,
        nested=False,
        full_rank=None,
    ),
)
DATA_AWARE = tuple(row.name for row in FACTORIZATIONS.values() if row.needs)


def factorize(
    network: Network, parts: Mapping[str, Sequence[FactorLayer] | None]
) -> Network:
    """The network with layers replaced by their parts; a layer with None stays.

    parts: layer -> what runs in its place, as `Network.replace_layer` takes it. All
    edits are made in one go.
    """
    chosen = {layer: found for layer, found in parts.items() if found is not None}
    return network.replace_layers(chosen) if chosen else network


def factorize_network(
    network: Network,
    ranks: Mapping[str, Hashable],
    method: str = "svd",
    observed: ObservedMoments | None = None,
) -> Network:
    """The network with layers at these ranks; None for a layer that stays.

    ranks: layer -> rank. method: one of FACTORIZATIONS. observed: of this network, what
    the methods "responses" and "inputs" ask for. Raises ValueError for what does not
    fit.
    """
    return factorize(network, factorize_layers(network, ranks, method, observed))


def factorize_layers(
    network: Network,
    ranks: Mapping[str, Hashable],
    method: str = "svd",
    observed: ObservedMoments | None = None,
) -> dict[str, tuple[FactorLayer, ...]]:
    """Layer -> its parts, of the layers that do not stay, as in `factorize_network`."""
    return {
        layer: factorize_layer(network, layer, rank, method, observed)
        for layer, rank in ranks.items()
        if rank is not None
    }


def factorize_layer(
    network: Network,
    layer: str,
    rank: Hashable,
    method: str = "svd",
    observed: ObservedMoments | None = None,
) -> tuple[FactorLayer, ...]:
    """The layers that stand in place of one; cached by the network's digest.

    rank: an int; of a convolution by "tucker", a pair (outputs, inputs). method,
    observed: as for `factorize_network`.
    """
    method = effective_method(network, layer, method)
    if not FACTORIZATIONS[method].nested:
        return _tensor_parts(network, layer, method, rank)
    return decomposition(network, layer, method, observed).parts(rank)


def decomposition(
    network: Network,
    layer: str,
    method: str = "svd",
    observed: ObservedMoments | None = None,
) -> Decomposition:
    """A layer as a sum of terms, to be cut to any rank; cached.

    method: any but "tucker" and "cp" of a convolution, whose ranks are not nested.
    """
    method = effective_method(network, layer, method)
    row = FACTORIZATIONS[method]
    if not row.nested:
        raise ValueError(
            f"the terms of {method} at one rank are not those at the next: ask for "
            "`parts` at each rank"
        )
    if not row.needs:
        observed = None
    elif observed is None or observed.what != row.needs:
        raise ValueError(
            f"the method {method!r} looks at data: give observed=observe(network, "
            f"images, {row.needs!r}) of labkit.compress"
        )
    return _decomposition(network, layer, method, observed)


def effective_method(network: Network, layer: str, method: str) -> str:
    """What a method does to this layer: the tensor methods split matrices by SVD.

    Raises ValueError for an unknown method, NetworkError for a layer without a kernel
    or a depthwise one.
    """
    row = chosen("method", method, FACTORIZATIONS)
    if network.layer(layer).kind not in ("FULLY_CONNECTED", "CONV_2D"):
        raise NetworkError(
            f"layer {layer} is {network.layer(layer).kind}: choose a dense layer or a "
            f"convolution, {', '.join(factorizable_layers(network))}"
        )
    shape = network.layer(layer).kernel_shape
    is_matrix = len(shape) == 2 or shape[1:3] == (1, 1)
    return "svd" if is_matrix and row.dense is None else method


def factorizable_layers(network: Network) -> list[str]:
    """The layers that can be factorized: dense ones and convolutions."""
    kinds = ("FULLY_CONNECTED", "CONV_2D")
    return [name for name in network.kernels if network.layer(name).kind in kinds]


def _weights(network: Network, layer: str) -> tuple[np.ndarray, np.ndarray | None]:
    """A layer's kernel, float64, and its bias."""
    weights = network.weights
    kernel = weights[f"{layer}/kernel"].astype(np.float64)
    return kernel, weights.get(f"{layer}/bias")


@cached
def _decomposition(
    network: Network, layer: str, method: str, observed: ObservedMoments | None
) -> Decomposition:
    kernel, bias = _weights(network, layer)
    row = FACTORIZATIONS[method]
    split = row.dense if kernel.ndim == 2 else row.convolution
    if row.needs:
        return split(kernel, bias, observed.moments[layer])
    return split(kernel, bias)


@cached
def _tensor_parts(
    network: Network, layer: str, method: str, rank: Hashable
) -> tuple[FactorLayer, ...]:
    kernel, bias = _weights(network, layer)
    return FACTORIZATIONS[method].convolution(kernel, rank, bias).parts()
