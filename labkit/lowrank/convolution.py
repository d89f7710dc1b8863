"""A convolution's kernel as a matrix, so that low rank makes two convolutions of it.

A kernel has four axes, (out, height, width, in). Which of them are made rows, and which
columns, decides what the two smaller layers are:

    channel     (out) x (height width in)      k x k onto `rank` channels, then 1 x 1
    inputs      (in) x (out height width)      1 x 1 onto `rank` channels, then k x k
    spatial     (height in) x (width out)      k x 1 onto `rank` channels, then 1 x k

Channel: Denton et al. 2014 (arXiv:1404.0736), Zhang et al. 2016 (arXiv:1505.06798).
Spatial: Jaderberg et al. 2014 (arXiv:1405.3866), scheme 2.
"""

import numpy as np

from labkit.common.arguments import finite
from labkit.lowrank import data_aware
from labkit.lowrank.covariance import Moments
from labkit.lowrank.decomposition import Decomposition, from_svd
from labkit.lowrank.parts import FactorLayer, outline
from labkit.lowrank.truncated_svd import svd


def channel(kernel: np.ndarray, bias: np.ndarray | None = None) -> Decomposition:
    """k x k onto a few channels, then 1 x 1: the SVD of the filters, one a row.

    >>> kernel = np.ones((4, 3, 3, 2))
    >>> found = channel(kernel)
    >>> found.first.shape, found.second.shape
    ((4, 3, 3, 2), (4, 1, 1, 4))
    >>> round(found.break_even, 2)    # 4 * 18 / (4 + 18)
    3.27

    kernel: (out, height, width, in). Ranks go to min(out, height width in). Raises
    ValueError for another shape.
    """
    return _as_convolutions(from_svd(svd(filters(kernel)), bias), kernel)


def channel_outline(
    shape: tuple[int, ...], rank: int
) -> tuple[FactorLayer, FactorLayer]:
    """`channel`'s layers at a rank, and `channel_of_responses`', without their numbers.

    >>> [part.kernel.shape for part in channel_outline((4, 3, 3, 2), 1)]
    [(1, 3, 3, 2), (4, 1, 1, 1)]
    """
    return outline(rank, *shape[1:]), outline(shape[0], 1, 1, rank)


def channel_of_responses(
    kernel: np.ndarray, bias: np.ndarray | None, responses: Moments
) -> Decomposition:
    """The same two layers, through the principal directions of the responses.

    responses: the moments of the layer's outputs before the activation function, every
    place of every image a row. Source: Zhang et al. 2016, arXiv:1505.06798.
    """
    found = data_aware.pca_of_responses(filters(kernel), bias, responses)
    return _as_convolutions(found, kernel)


def projected_inputs(
    kernel: np.ndarray, bias: np.ndarray | None, inputs: Moments
) -> Decomposition:
    """1 x 1 onto the principal directions of the input's channels, then k x k.

    The directions are about 0, not about the mean: the zeros that pad a picture are
    then projected on zeros, and no mean has to go on past its edges.

    >>> from labkit.lowrank import moments
    >>> found = projected_inputs(np.ones((4, 3, 3, 2)), None, moments(np.eye(2)))
    >>> found.first.shape, found.second.shape
    ((2, 1, 1, 2), (4, 3, 3, 2))

    inputs: the moments of the pixels that the layer reads, every place of every image a
    row.
    """
    kernel = np.asarray(check_kernel(kernel), np.float64)
    if len(inputs.mean) != kernel.shape[3]:
        raise ValueError(
            f"the inputs have {len(inputs.mean)} channels and the layer reads "
            f"{kernel.shape[3]}: observe this layer"
        )
    values, v = data_aware.principal_directions(inputs.second)
    return Decomposition(
        v.T[:, None, None, :], np.tensordot(kernel, v, 1), values, bias
    )


def projected_inputs_outline(
    shape: tuple[int, ...], rank: int
) -> tuple[FactorLayer, FactorLayer]:
    """`projected_inputs`' layers at a rank, without their numbers.

    >>> [part.kernel.shape for part in projected_inputs_outline((4, 3, 3, 2), 1)]
    [(1, 1, 1, 2), (4, 3, 3, 1)]
    """
    return outline(rank, 1, 1, shape[-1]), outline(*shape[:-1], rank)


def spatial(kernel: np.ndarray, bias: np.ndarray | None = None) -> Decomposition:
    """k x 1 down, then 1 x k across.

    >>> column, row = np.array([1.0, 2.0, 1.0]), np.array([1.0, 0.0, -1.0])
    >>> sobel = np.outer(column, row).reshape(1, 3, 3, 1)
    >>> first, second = spatial(sobel).parts(1)
    >>> first.kernel.shape, second.kernel.shape
    ((1, 3, 1, 1), (1, 1, 3, 1))
    >>> from labkit.lowrank import reconstruct_kernel
    >>> np.allclose(reconstruct_kernel([first, second]), sobel)    # its rank is 1
    True

    kernel: (out, height, width, in). Ranks go to min(height in, width out). Source:
    Jaderberg et al. 2014, arXiv:1405.3866, scheme 2.
    """
    kernel = check_kernel(kernel)
    out, height, width, inputs = kernel.shape
    rows = kernel.transpose(1, 3, 0, 2).reshape(height * inputs, out * width)
    found = svd(rows.T)  # (out width) x (height in)
    flat = from_svd(found, bias)
    down = flat.first.reshape(-1, height, inputs)[:, :, None, :]
    across = flat.second.reshape(out, 1, width, -1)
    return Decomposition(down, across, flat.energies, bias)


def spatial_outline(
    shape: tuple[int, ...], rank: int
) -> tuple[FactorLayer, FactorLayer]:
    """`spatial`'s layers at a rank, without their numbers.

    >>> [part.kernel.shape for part in spatial_outline((4, 3, 5, 2), 1)]
    [(1, 3, 1, 2), (4, 1, 5, 1)]
    """
    out, height, width, inputs = shape
    return outline(rank, height, 1, inputs), outline(out, 1, width, rank)


def filters(kernel: np.ndarray) -> np.ndarray:
    """The filters as rows, (out, height width in)."""
    return check_kernel(kernel).reshape(len(kernel), -1)


def check_kernel(kernel: np.ndarray) -> np.ndarray:
    """`kernel` as an array, or ValueError unless it is a convolution's, finite."""
    kernel = np.asarray(kernel)
    if kernel.ndim != 4 or not kernel.size:
        raise ValueError(
            f"the kernel has shape {kernel.shape}: give one of a convolution, (out, "
            "height, width, in)"
        )
    return finite("kernel", kernel)


def _as_convolutions(found: Decomposition, kernel: np.ndarray) -> Decomposition:
    """The rows of `first` as filters, `second` as 1 x 1 filters."""
    first = found.first.reshape(-1, *kernel.shape[1:])
    second = found.second[:, None, None, :]
    return Decomposition(first, second, found.energies, found.bias, found.offset)
