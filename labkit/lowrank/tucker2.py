"""Tucker-2: a kernel as a small core between two projections of its channels.

    K[o, i, j, c] ~ sum over p, q of A[o, p] G[p, i, j, q] B[c, q]

So the layer becomes 1 x 1 onto q channels, a small k x k from q to p channels, and
1 x 1 onto the old channels (Kim et al. 2016, arXiv:1511.06530). The directions begin as
those of the higher-order SVD and are improved in turns: with one
side projected, the other one's best directions are singular vectors again (higher-order
orthogonal iteration, an alternating least squares).
"""

from dataclasses import dataclass
from math import prod, sqrt

import numpy as np

from labkit.common.arguments import whole
from labkit.lowrank.convolution import check_kernel
from labkit.lowrank.parts import FactorLayer, outline

ROUNDS = 10


@dataclass(frozen=True, eq=False)
class Tucker:
    """outputs: (out, p), inputs: (in, q), both with orthonormal columns. core: (p,
    height, width, q). bias: of the layer, or None.
    """

    outputs: np.ndarray
    core: np.ndarray
    inputs: np.ndarray
    bias: np.ndarray | None = None

    def parts(self) -> tuple[FactorLayer, FactorLayer, FactorLayer]:
        """The three layers, float32."""
        kernels = self.inputs.T[:, None, None], self.core, self.outputs[:, None, None]
        first, middle, last = (np.ascontiguousarray(k, np.float32) for k in kernels)
        return FactorLayer(first), FactorLayer(middle), FactorLayer(last, self.bias)


def tucker(
    kernel: np.ndarray,
    ranks: tuple[int, int],
    bias: np.ndarray | None = None,
    rounds: int = ROUNDS,
) -> Tucker:
    """The Tucker-2 form of a kernel (out, height, width, in).

    >>> kernel = np.zeros((2, 1, 1, 2))
    >>> kernel[:, 0, 0] = [[0.0, 0.0], [0.0, 5.0]]
    >>> found = tucker(kernel, (1, 1))
    >>> np.abs(found.core).ravel().round(6).tolist()
    [5.0]

    ranks: p of the outputs (1 to out) and q of the inputs (1 to in); neither may be
    larger than the other one times height times width. rounds: how often the directions
    are improved; 0 leaves those of the higher-order SVD. Raises ValueError outside.
    """
    kernel = np.asarray(check_kernel(kernel), np.float64)
    p, q = _checked(ranks, kernel)
    rounds = whole("rounds", rounds, 0)
    inputs = _directions(kernel, 3, q)
    outputs = _directions(kernel, 0, p)
    for _ in range(rounds):
        outputs = _directions(np.tensordot(kernel, inputs, 1), 0, p)
        inputs = _directions(np.tensordot(outputs.T, kernel, 1), 3, q)
    core = np.tensordot(outputs.T, np.tensordot(kernel, inputs, 1), 1)
    return Tucker(outputs, core, inputs, bias)


def tucker_outline(
    shape: tuple[int, ...], ranks: tuple[int, int]
) -> tuple[FactorLayer, FactorLayer, FactorLayer]:
    """The three layers at ranks, as `tucker` takes them, without their numbers.

    >>> [part.kernel.shape for part in tucker_outline((4, 3, 3, 8), (2, 1))]
    [(1, 1, 1, 8), (2, 3, 3, 1), (4, 1, 1, 2)]
    """
    (out, height, width, inputs), (p, q) = shape, ranks
    return (
        outline(q, 1, 1, inputs),
        outline(p, height, width, q),
        outline(out, 1, 1, p),
    )


def ranks_for(shape: tuple[int, ...], parameter_ratio: float) -> tuple[int, int]:
    """The ranks, in proportion to the kernel's sides, of about this ratio of weights.

    >>> ranks_for((16, 3, 3, 32), 0.5)    # 32 * 19 + 9 * 9 * 19 + 16 * 9 of 4608
    (9, 19)
    """
    t = side_ratio(shape, parameter_ratio)
    p, q = (max(1, min(side, round(t * side))) for side in (shape[0], shape[-1]))
    taps = shape[1] * shape[2]
    return min(p, q * taps), min(q, p * taps)


def side_ratio(shape: tuple[int, ...], parameter_ratio: float) -> float:
    """The fraction t of both sides at which the layers have this ratio of weights.

    Of a kernel (out, height, width, in): t^2 of its size for the core, and t (out^2 +
    in^2) for the projections.

    >>> round(side_ratio((16, 3, 3, 16), 1.0), 3)
    0.895
    """
    size, ends = float(prod(shape)), shape[0] ** 2 + shape[-1] ** 2
    return (sqrt(ends**2 + 4 * size**2 * parameter_ratio) - ends) / (2 * size)


def mode_energies(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The squared singular values of the kernel by its outputs, and by its inputs.

    >>> outputs, inputs = mode_energies(np.ones((2, 1, 1, 3)))
    >>> outputs.round(6).tolist(), inputs.round(6).tolist()
    ([6.0, 0.0], [6.0, 0.0, 0.0])
    """
    kernel = np.asarray(check_kernel(kernel), np.float64)
    grams = (_gram(kernel, axis) for axis in (0, 3))
    outputs, inputs = (np.linalg.eigvalsh(gram)[::-1] for gram in grams)
    return np.maximum(outputs, 0.0), np.maximum(inputs, 0.0)


def _directions(kernel: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """The first left singular vectors of the kernel unfolded along an axis."""
    return np.linalg.eigh(_gram(kernel, axis))[1][:, ::-1][:, :rank]


def _gram(kernel: np.ndarray, axis: int) -> np.ndarray:
    rows = np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
    return rows @ rows.T


def _checked(ranks: tuple[int, int], kernel: np.ndarray) -> tuple[int, int]:
    out, height, width, inputs = kernel.shape
    if np.shape(ranks) != (2,):
        raise ValueError(f"ranks is {ranks!r}: give two, of the outputs and the inputs")
    p = whole("the first of the ranks", ranks[0], 1, out)
    q = whole("the second of the ranks", ranks[1], 1, inputs)
    taps = height * width
    if p > q * taps or q > p * taps:
        raise ValueError(
            f"ranks are ({p}, {q}): neither can be more than {taps} times the other, "
            f"the kernel being {height} x {width}"
        )
    return p, q
