"""Which layer gets how many bits: a budget of bytes shared out over the layers.

Given, for each layer and each width, what it takes in bytes and by how much it raises
the network's loss when it alone is quantized (`labkit.compress.budget.sensitivity`).
The model of all that follows is additive: the loss of a mixed network is taken to be
the sum of its layers' increases. That is an assumption; data/results/sensitivity.json
says how far it holds.

With it, choosing the bits is a multiple-choice knapsack problem: one width a layer, the
least loss within the budget (Hubara et al. 2020, arXiv:2006.10518, solve the same by
integer programming). Here it is solved exactly, for all budgets at once, and greedily.
Ranks within a budget of MACs are the same problem (`labkit.lowrank.by_loss`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Frontier:
    """Assignments of bit widths to layers, from the smallest to the largest.

    choice: int, (n, layers), the index of each layer's width in `bits`.
    size_bytes: int, (n,), ascending. loss: float, (n,), the sum of the layers'
    increases.
    """

    choice: np.ndarray
    size_bytes: np.ndarray
    loss: np.ndarray

    def __len__(self) -> int:
        return len(self.size_bytes)

    def within(self, budget_bytes: float) -> int:
        """The index of the largest assignment that fits the budget: a binary search.

        Raises ValueError where not even the smallest one fits.
        """
        index = int(np.searchsorted(self.size_bytes, budget_bytes, side="right")) - 1
        if index < 0:
            raise ValueError(
                f"a budget of {budget_bytes:,} bytes is too small: the fewest bits of "
                f"all layers take {self.size_bytes[0]:,} bytes"
            )
        return index


def exact(loss: np.ndarray, size_bytes: np.ndarray) -> Frontier:
    """Every assignment than which none is smaller and better: the best for all budgets.

    loss: float (layers, bit widths), the increase of each layer at each width; may be
    negative. size_bytes: int (layers, bit widths), above 0. Layer by layer each
    assignment of the layers so far is continued by each width, and those that another
    one beats in both are dropped: an optimal assignment has optimal parts, so none is
    lost (dynamic programming over undominated states; Nemhauser, Ullmann 1969,
    Management Science 15(9)). Their number stays small since totals of bytes coincide.
    No rounding of bytes to coarser units is needed. Raises ValueError for shapes that
    do not fit.

    >>> frontier = exact(np.array([[0.5, 0.0], [0.1, 0.0]]), np.array([[1, 2], [1, 3]]))
    >>> frontier.size_bytes.tolist(), frontier.loss.tolist()
    ([2, 3, 5], [0.6, 0.1, 0.0])
    >>> frontier.choice[frontier.within(4)].tolist()    # the first layer the more bits
    [1, 0]
    """
    loss, size_bytes = _checked(loss, size_bytes)
    choice = np.zeros((1, 0), np.int8)
    sizes, losses = np.zeros(1, np.int64), np.zeros(1)
    for layer_loss, layer_size in zip(loss, size_bytes, strict=True):
        bit_widths = np.arange(len(layer_loss), dtype=np.int8)
        longer = np.repeat(choice, len(bit_widths), axis=0)
        choice = np.column_stack([longer, np.tile(bit_widths, len(choice))])
        sizes = (sizes[:, None] + layer_size).ravel()
        losses = (losses[:, None] + layer_loss).ravel()
        kept = _undominated(sizes, losses)
        choice, sizes, losses = choice[kept], sizes[kept], losses[kept]
    return Frontier(choice, sizes, losses)


def greedy(loss: np.ndarray, size_bytes: np.ndarray) -> Frontier:
    """The path of the least loss for a byte saved, from the widest to the narrowest.

    loss, size_bytes: as for `exact`. It starts with the largest width of every layer.
    Each step narrows one layer, by as many bit widths as it likes: the step with the
    smallest increase of the loss for each byte that it saves. It never takes a step
    back, so it can miss the optimum; `within` a budget it gives the first assignment
    on its way that fits.

    >>> path = greedy(np.array([[0.5, 0.0], [0.1, 0.0]]), np.array([[1, 2], [1, 3]]))
    >>> path.size_bytes.tolist(), path.loss.tolist()    # 0.1 for 2 bytes comes first
    ([2, 3, 5], [0.6, 0.1, 0.0])
    """
    loss, size_bytes = _checked(loss, size_bytes)
    layers = np.arange(len(loss))
    choice = size_bytes.argmax(axis=1)
    path = [choice]
    while True:
        saved = size_bytes[layers, choice][:, None] - size_bytes
        added = loss - loss[layers, choice][:, None]
        price = np.divide(
            added, saved, out=np.full(loss.shape, np.inf), where=saved > 0
        )
        layer, width = np.unravel_index(price.argmin(), price.shape)
        if price[layer, width] == np.inf:
            break
        choice = choice.copy()
        choice[layer] = width
        path.append(choice)
    choices = np.array(path[::-1], np.int8)
    return Frontier(
        choices,
        size_bytes[layers, choices].sum(axis=1),
        loss[layers, choices].sum(axis=1),
    )


def bits_of(
    frontier: Frontier, index: int, layers: Sequence[str], bits: Sequence[int]
) -> dict[str, int]:
    """One assignment as a mapping, layer -> bits, as `quantize_network` takes it.

    layers, bits: the names and the bit widths that the frontier was computed for.

    >>> frontier = exact(np.array([[0.5, 0.0]]), np.array([[1, 2]]))
    >>> bits_of(frontier, frontier.within(1), ["fc1"], [4, 8])
    {'fc1': 4}
    """
    bit_widths = (int(bits[k]) for k in frontier.choice[index])
    return dict(zip(layers, bit_widths, strict=True))


def _undominated(sizes: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Places, by size, of the entries with a smaller loss than every smaller entry."""
    order = np.lexsort((losses, sizes))
    before = np.minimum.accumulate(losses[order])[:-1]
    better = np.concatenate([[True], losses[order][1:] < before])
    return order[better]


def _checked(loss, size_bytes) -> tuple[np.ndarray, np.ndarray]:
    loss = np.asarray(loss, np.float64)
    size_bytes = np.asarray(size_bytes, np.int64)
    if loss.ndim != 2 or loss.shape != size_bytes.shape or not loss.size:
        raise ValueError(
            f"loss {loss.shape} and size_bytes {size_bytes.shape}: give both as "
            "(layers, bit widths), not empty"
        )
    if not np.isfinite(loss).all() or size_bytes.min() < 1:
        raise ValueError(
            "a loss is not finite or a size is below 1 byte: measure them again"
        )
    return loss, size_bytes
