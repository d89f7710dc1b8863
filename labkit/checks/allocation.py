"""Exercises of notebook 01b: gradients of centroids, and bits within a budget."""

import operator
from collections.abc import Callable, Iterable
from itertools import product

import numpy as np

from labkit.checks.base import Wrong, numbers
from labkit.checks.exercise import Exercise
from labkit.common.knapsack import exact


def _sums(q: np.ndarray, gradient: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(q.ravel(), weights=gradient.ravel(), minlength=count)


def _members(q, gradient, count):
    return np.bincount(q.ravel(), minlength=count)


def _means(q, gradient, count):
    return _sums(q, gradient, count) / np.maximum(_members(q, gradient, count), 1)


def _added_once(q, gradient, count):
    sums = np.zeros(count)
    sums[q] += gradient
    return sums


def _of_codes_that_occur(q, gradient, count):
    return np.array([gradient[q == code].sum() for code in np.unique(q)])


def _one_a_centroid(result, q, gradient, count) -> np.ndarray:
    found = numbers(result, "one number a centroid")
    if found.shape != (count,):
        raise Wrong(f"Return {count} numbers in one dimension, not {found.shape}")
    return found


def _gradient_calls() -> list[tuple[np.ndarray, np.ndarray, int]]:
    rng = np.random.default_rng(2)
    return [
        (np.array([0, 1, 1, 2]), np.array([1.0, 2.0, 0.5, -4.0]), 3),
        (np.array([2, 0, 2, 2, 0]), np.array([1.0, -3.0, 0.25, 0.5, 1.0]), 4),
        (rng.integers(0, 4, (3, 5)), rng.normal(0, 1, (3, 5)).round(2), 4),
        (np.array([1, 1], np.uint8), np.array([2.0, -0.5]), 8),
    ]


check_centroid_gradients = Exercise(
    name="centroid_gradients",
    asks="""`fn(q, gradient, count) -> (count,)`: sums over the weights of a centroid.

    Han et al. 2016, arXiv:1510.00149, eq. 3.
    """,
    reference=_sums,
    calls=_gradient_calls(),
    form=_one_a_centroid,
    atol=1e-6,
    mistakes={
        "That is the mean over the weights of a centroid. A step moves all of them at "
        "once, so their gradients add up": _means,
        "Only the last weight of each centroid counts: `g[q] += gradient` adds once "
        "where an index repeats. np.bincount or np.add.at adds them all": _added_once,
        "You count the weights: sum their gradients instead": _members,
        "The sign: return the gradient itself, the step comes later": (
            lambda *call: -_sums(*call)
        ),
        "You add magnitudes up: gradients of unlike sign cancel": (
            lambda q, gradient, count: _sums(q, np.abs(gradient), count)
        ),
        "A centroid without weights has a gradient too, 0: return `count` numbers, not "
        "one for each code that occurs": _of_codes_that_occur,
    },
)


def _total(table: np.ndarray, choice: Iterable[int]):
    """The sum over the layers of each one's entry."""
    return sum(row[column] for row, column in zip(table, choice, strict=True))


def _best(costs: np.ndarray, sizes: np.ndarray, budget: int) -> np.ndarray:
    frontier = exact(costs, sizes)
    return frontier.choice[frontier.within(budget)]


def _all_below(costs, sizes, budget):
    """Tries every choice of fewer bytes than the budget."""
    every = product(range(costs.shape[1]), repeat=len(costs))
    fitting = [choice for choice in every if _total(sizes, choice) < budget]
    return np.array(min(fitting, key=lambda choice: _total(costs, choice)))


def _narrowed(price: Callable, fits: Callable = operator.le) -> Callable:
    """Begins with the widest; narrows by one width where the price is lowest.

    price: (added loss, saved bytes) -> number.
    """

    def assign(costs, sizes, budget):
        choice = np.full(len(costs), costs.shape[1] - 1)
        while choice.any() and not fits(_total(sizes, choice), budget):
            steps = [
                (price(costs[k, c - 1] - costs[k, c], sizes[k, c] - sizes[k, c - 1]), k)
                for k, c in enumerate(choice)
                if c > 0
            ]
            choice[min(steps)[1]] -= 1
        return choice

    return assign


def _in_order(order: Callable) -> Callable:
    """Narrows a layer to its end, then the next one of `order(costs, sizes)`."""

    def assign(costs, sizes, budget):
        choice = np.full(len(costs), costs.shape[1] - 1)
        for layer in order(costs, sizes):
            while choice[layer] and _total(sizes, choice) > budget:
                choice[layer] -= 1
        return choice

    return assign


def _uniform(costs, sizes, budget):
    fits = sizes.sum(axis=0) <= budget
    return np.full(len(costs), np.flatnonzero(fits)[-1])


def _from_the_widest(costs, sizes, budget):
    return costs.shape[1] - 1 - _best(costs, sizes, budget)


def _a_column_a_layer(result, costs, sizes, budget) -> np.ndarray:
    layers, bit_widths = costs.shape
    choice = numbers(result, "the column of a width for each layer")
    if choice.shape != (layers,):
        raise Wrong(
            f"Return one column for each of the {layers} layers, the rows of `costs`, "
            f"not an answer of shape {choice.shape}"
        )
    outside = choice.min() < 0 or choice.max() >= bit_widths
    if (choice != np.rint(choice)).any() or outside:
        raise Wrong(
            f"Return columns, 0 to {bit_widths - 1} (0 is the fewest bits), not "
            f"bits, bytes or costs: yours are {choice.tolist()}"
        )
    size = _total(sizes, choice.astype(int))
    if size > budget:
        raise Wrong(
            f"Your bit widths take {size} bytes of a budget of {budget}: go on "
            "narrowing until they fit"
        )
    return choice


def _costs_least(choice: np.ndarray, costs, sizes, budget) -> bool:
    least = _total(costs, _best(costs, sizes, budget))
    return _total(costs, choice.astype(int)) <= least + 1e-9


def _budget_calls() -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Costs, sizes and budgets for which ranking by one column alone goes wrong."""
    four = np.array([2, 3, 4, 8])
    first = [
        [2.551, 0.705, 0.119, 0.001],
        [0.079, 0.019, 0.005, 0.0],
        [0.247, 0.085, 0.015, 0.0],
        [1.436, 0.582, 0.097, 0.0],
    ]
    second = [[1.42, 0.065, 0.0], [0.054, 0.003, 0.0], [0.063, 0.004, 0.0]]
    second += [[0.201, 0.012, 0.0]]
    third = [
        [0.882, 0.211, 0.041, 0.0],
        [0.393, 0.079, 0.03, 0.0],
        [1.882, 0.494, 0.103, 0.0],
        [0.421, 0.086, 0.025, 0.0],
        [0.162, 0.062, 0.009, 0.0],
    ]
    made = [
        (third, [2560, 160, 80, 1280, 320], four, 1760),
        (first, [320, 2560, 160, 1280], four, 1680),
        (second, [80, 320, 160, 2560], np.array([2, 4, 8]), 1680),
        (third, [2560, 160, 80, 1280, 320], four, 2319),  # a byte more would change it
        (first, [320, 2560, 160, 1280], four, 3039),  # as would squared costs
        (first, [320, 2560, 160, 1280], four, 4320),  # room for the widest everywhere
        (first, [320, 2560, 160, 1280], four, 1080),  # just the narrowest
    ]
    return [
        (np.array(costs), np.outer(weights, bits) // 8, budget)
        for costs, weights, bits, budget in made
    ]


check_assign_bits = Exercise(
    name="assign_bits",
    asks="""`fn(costs, sizes, budget)`: a bit width for each layer within a budget.

    costs, sizes: (layers, bit widths), the narrowest first. The answer has the column
    of a bit width for each layer. It may be found in any way, and passes if it costs no
    more than the best one.
    """,
    reference=_best,
    calls=_budget_calls(),
    form=_a_column_a_layer,
    accepts=_costs_least,
    mistakes={
        "You narrow the step that costs least, however few bytes it saves: divide the "
        "cost by the bytes saved": _narrowed(lambda lost, saved: lost),
        "You narrow the step that saves most bytes, whatever it costs: divide the cost "
        "by the bytes saved": _narrowed(lambda lost, saved: -saved),
        "You narrow where a byte costs most: divide the cost by the bytes saved, and "
        "take the smallest": (
            _narrowed(lambda lost, saved: -lost / saved),
            _narrowed(lambda lost, saved: saved / lost),
        ),
        "You narrow the largest layers first, whatever it costs": (
            _in_order(lambda costs, sizes: np.argsort(-sizes[:, -1]))
        ),
        "You narrow the layers with the smallest cost first, down to the end, however "
        "few bytes that saves": _in_order(lambda costs, sizes: np.argsort(costs[:, 0])),
        "You narrow the layers in the order in which they stand": (
            _in_order(lambda costs, sizes: range(len(costs)))
        ),
        "A choice of just the budget fits: narrow while the bytes are *above* it": (
            _all_below,
            _narrowed(lambda lost, saved: lost / saved, operator.lt),
        ),
        "Everything has the narrowest bit width, and bytes are left": (
            lambda costs, sizes, budget: np.zeros(len(costs))
        ),
        "All your layers have the same width: spend the bytes where they save most": (
            _uniform
        ),
        "You count the columns from the widest: column 0 is the narrowest bit width": (
            _from_the_widest
        ),
    },
)
