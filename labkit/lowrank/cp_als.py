"""CP: a kernel as a sum of products of four vectors, one an axis.

    K[o, i, j, c] ~ sum over r of A[o, r] H[i, r] W[j, r] B[c, r]

So the layer becomes 1 x 1 onto `rank` channels, a column filter for each of them, a row
filter for each, and 1 x 1 onto the old channels (Lebedev et al. 2015, arXiv:1412.6553).
No SVD finds the terms, and a best approximation need not exist: terms can grow without
end that cancel each other. Alternating least squares begins at random vectors, improves
the vectors of one axis with those of the others held, and ends where it ends. A little
damping keeps the terms from growing. tensorly's `parafac` does the same for any number
of axes.
"""

from dataclasses import dataclass

import numpy as np

from labkit.common.arguments import whole
from labkit.lowrank.convolution import check_kernel
from labkit.lowrank.parts import FactorLayer, outline
from labkit.lowrank.truncated_svd import check_rank

ROUNDS = 60
DAMPING = 1e-6  # beside 1, what a term's own vectors give


@dataclass(frozen=True, eq=False)
class Cp:
    """A vector a term, as columns, and the layer's bias or None.

    outputs (out, rank), down (height, rank), across (width, rank), inputs (in, rank).
    """

    outputs: np.ndarray
    down: np.ndarray
    across: np.ndarray
    inputs: np.ndarray
    bias: np.ndarray | None = None

    def parts(self) -> tuple[FactorLayer, FactorLayer, FactorLayer, FactorLayer]:
        """The four layers, float32; the two in the middle are depthwise."""
        kernels = (
            self.inputs.T[:, None, None],
            self.down[None, :, None],
            self.across[None, None],
            self.outputs[:, None, None],
        )
        one, two, three, four = (np.ascontiguousarray(k, np.float32) for k in kernels)
        middle = FactorLayer(two, depthwise=True), FactorLayer(three, depthwise=True)
        return FactorLayer(one), *middle, FactorLayer(four, self.bias)


def cp(
    kernel: np.ndarray,
    rank: int,
    bias: np.ndarray | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Cp:
    """The CP form of a kernel (out, height, width, in), its terms of equal scale.

    >>> vectors = [1.0, -2.0], [1.0, 2.0, 1.0], [1.0, 0.0, -1.0], [0.5, 1.5, 1.0]
    >>> kernel = np.einsum("o,i,j,c->oijc", *map(np.array, vectors))
    >>> found = cp(kernel, rank=1)
    >>> terms = (found.outputs, found.down, found.across, found.inputs)
    >>> np.allclose(np.einsum("or,ir,jr,cr->oijc", *terms), kernel)
    True

    rank: 1 or more; it may be larger than every axis. rounds: of improving all four
    sets of vectors. seed: of the vectors it begins with. Raises ValueError outside
    these.
    """
    kernel = np.asarray(check_kernel(kernel), np.float64)
    rank = check_rank(rank, kernel.size)
    rounds = whole("rounds", rounds, 1)
    rng = np.random.default_rng(seed)
    outputs, down, across, inputs = (
        _unit(rng.normal(size=(side, rank))) for side in kernel.shape
    )
    for _ in range(rounds):
        read = np.tensordot(kernel, inputs, 1)  # (out, height, width, rank)
        seen = (read * down[:, None] * across).sum(axis=(1, 2))
        outputs = _unit(_solved(seen, down, across, inputs))
        read = (read * outputs[:, None, None]).sum(axis=0)  # (height, width, rank)
        down = _unit(_solved((read * across).sum(axis=1), outputs, across, inputs))
        seen = (read * down[:, None]).sum(axis=0)
        across = _unit(_solved(seen, outputs, down, inputs))
        read = np.tensordot(kernel, outputs, (0, 0))  # (height, width, in, rank)
        seen = (read * down[:, None, None] * across[:, None]).sum(axis=(0, 1))
        inputs = _solved(seen, outputs, down, across)  # with the terms' scales
        scales, inputs = np.linalg.norm(inputs, axis=0), _unit(inputs)
    root = scales**0.25
    return Cp(outputs * root, down * root, across * root, inputs * root, bias)


def cp_outline(shape: tuple[int, ...], rank: int) -> tuple[FactorLayer, ...]:
    """The four layers at a rank, without their numbers.

    >>> [part.kernel.shape for part in cp_outline((4, 3, 5, 2), 1)]
    [(1, 1, 1, 2), (1, 3, 1, 1), (1, 1, 5, 1), (4, 1, 1, 1)]
    """
    out, height, width, inputs = shape
    return (
        outline(rank, 1, 1, inputs),
        outline(1, height, 1, rank, depthwise=True),
        outline(1, 1, width, rank, depthwise=True),
        outline(out, 1, 1, rank),
    )


def _solved(projected: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """The best vectors of one axis, (side, rank), those of the other three held.

    projected: the kernel times the others' vectors, (side, rank).
    """
    gram = np.prod([vectors.T @ vectors for vectors in others], axis=0)
    gram += DAMPING * np.eye(len(gram))
    return np.linalg.solve(gram, projected.T).T


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Each column divided by its length; a column of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=0)
    return vectors / np.where(lengths > 0, lengths, 1.0)
