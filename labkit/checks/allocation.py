"""Checks of notebook 01b: gradients of centroids, and bits within a budget."""

from collections.abc import Callable

import numpy as np

from labkit.checks.base import Verdict, Wrong, answer, numbers, verdict
from labkit.common.knapsack import exact


def check_centroid_gradients(fn: Callable) -> Verdict:
    """Check `fn(q, gradient, count) -> (count,)`: sums over the weights of a centroid.

    Han et al. 2016, arXiv:1510.00149, eq. 3.
    """
    rng = np.random.default_rng(2)
    settings = [
        (np.array([0, 1, 1, 2]), np.array([1.0, 2.0, 0.5, -4.0]), 3),
        (np.array([2, 0, 2, 2, 0]), np.array([1.0, -3.0, 0.25, 0.5, 1.0]), 4),
        (rng.integers(0, 4, (3, 5)), rng.normal(0, 1, (3, 5)).round(2), 4),
        (np.array([1, 1], np.uint8), np.array([2.0, -0.5]), 8),
    ]
    cases = [_gradient_case(*setting) for setting in settings]
    return verdict("check_centroid_gradients", fn, cases)


def _gradient_case(q: np.ndarray, gradient: np.ndarray, count: int) -> Callable:
    members = np.bincount(q.ravel(), minlength=count)
    right = np.bincount(q.ravel(), weights=gradient.ravel(), minlength=count)

    def case(fn):
        call = f"for q = {q.tolist()}, count = {count}"
        found = numbers(answer(fn, q, gradient, count), "one number a centroid")
        if found.shape != right.shape:
            raise Wrong(_shape_mistake(found, members, count, call))
        if not np.allclose(found, right, atol=1e-6):
            raise Wrong(_gradient_mistake(found, q, gradient, members, right, call))

    return case


def _shape_mistake(found, members, count: int, call: str) -> str:
    if found.shape == ((members > 0).sum(),):
        return (
            "A centroid without weights has a gradient too, 0: return `count` numbers, "
            f"not one for each code that occurs ({call})."
        )
    return f"Return {count} numbers in one dimension, not {found.shape} ({call})."


def _gradient_mistake(found, q, gradient, members, right, call: str) -> str:
    if np.allclose(found, right / np.maximum(members, 1), atol=1e-6):
        return (
            "That is the mean over the weights of a centroid. A step moves all of them "
            f"at once, so their gradients add up ({call})."
        )
    last = np.zeros_like(right)
    last[q.ravel()] = gradient.ravel()
    if np.allclose(found, last, atol=1e-6):
        return (
            "Only the last weight of each centroid counts: `g[q] += gradient` adds "
            "once where an index repeats. np.bincount or np.add.at adds them all "
            f"({call})."
        )
    if np.allclose(found, members):
        return f"You count the weights: sum their gradients instead ({call})."
    if np.allclose(found, -right, atol=1e-6):
        return f"The sign: return the gradient itself, the step comes later ({call})."
    worst = int(np.abs(found - right).argmax())
    return (
        f"Centroid {worst} gets {found[worst]:g}; the gradients of its weights add up "
        f"to {right[worst]:g} ({call})."
    )


def check_assign_bits(fn: Callable) -> Verdict:
    """Check `fn(costs, sizes, budget)`: a width for each layer within a budget.

    costs, sizes: (layers, widths), the narrowest width first. The answer has the place
    of a width for each layer. It may be found in any way, and passes if it costs no
    more than the best one.
    """
    cases = [_budget_case(*setting) for setting in _settings()]
    return verdict("check_assign_bits", fn, cases)


def _settings() -> list[tuple[np.ndarray, np.ndarray, int]]:
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
        (first, [320, 2560, 160, 1280], four, 4320),  # room for the widest everywhere
        (first, [320, 2560, 160, 1280], four, 1080),  # just the narrowest
    ]
    return [
        (np.array(costs), np.outer(weights, bits) // 8, budget)
        for costs, weights, bits, budget in made
    ]


def _budget_case(costs: np.ndarray, sizes: np.ndarray, budget: int) -> Callable:
    frontier = exact(costs, sizes)
    least = frontier.loss[frontier.within(budget)]
    layers = np.arange(len(costs))

    def case(fn):
        call = f"for sizes {sizes.tolist()} and a budget of {budget}"
        choice = _choice(answer(fn, costs, sizes, budget), costs.shape, call)
        size, cost = sizes[layers, choice].sum(), costs[layers, choice].sum()
        if size > budget:
            raise Wrong(
                f"Your widths take {size} bytes of a budget of {budget}: go on "
                f"narrowing until they fit ({call})."
            )
        if cost > least + 1e-9:
            raise Wrong(_budget_mistake(choice, costs, sizes, budget, cost, least))

    return case


def _choice(result, shape: tuple[int, int], call: str) -> np.ndarray:
    layers, widths = shape
    choice = numbers(result, "the place of a width for each layer")
    if choice.shape != (layers,):
        raise Wrong(
            f"Return one place for each of the {layers} layers, the rows of `costs`, "
            f"not an answer of shape {choice.shape} ({call})."
        )
    if (choice != np.rint(choice)).any() or choice.min() < 0 or choice.max() >= widths:
        raise Wrong(
            f"Return places in the rows, 0 to {widths - 1} (0 is the narrowest width), "
            f"not bits, bytes or costs: yours are {choice.tolist()}."
        )
    return choice.astype(int)


def _budget_mistake(choice, costs, sizes, budget: int, cost: float, least: float):
    """What the answer is equal to, where its mistake is known."""
    text = f"Your choice {choice.tolist()} costs {cost:.3f}, the best one {least:.3f}"
    within = f"with sizes {sizes.tolist()} and a budget of {budget}"
    known = {
        "You narrow the step that costs least, however few bytes it saves: divide the "
        "cost by the bytes saved": _by_cost,
        "You narrow the largest layers first, whatever it costs": _by_size,
        "You narrow the layers with the smallest cost first, down to the end, however "
        "few bytes that saves": _by_layer,
        "A choice of just the budget fits: narrow while the bytes are *above* it": (
            lambda c, s, b: _down(c, s, b - 1, lambda lost, saved: lost / saved)
        ),
    }
    if not choice.any():
        return (
            f"Everything has the narrowest width, and bytes are left. {text} "
            f"({within})."
        )
    if (choice == choice[0]).all():
        return (
            "All your layers have the same width: spend the bytes where they save "
            f"most. {text} ({within})."
        )
    for sentence, method in known.items():
        if np.array_equal(choice, method(costs, sizes, budget)):
            return f"{sentence}. {text} ({within})."
    return f"{text}: a cheaper choice fits too ({within})."


def _down(costs, sizes, budget: int, price: Callable) -> np.ndarray:
    """Narrow by one width where the price is lowest, until the bytes fit."""
    choice = np.full(len(costs), costs.shape[1] - 1)
    layers = np.arange(len(costs))
    while sizes[layers, choice].sum() > budget:
        steps = [
            (price(costs[k, c - 1] - costs[k, c], sizes[k, c] - sizes[k, c - 1]), k)
            for k, c in enumerate(choice)
            if c > 0
        ]
        if not steps:
            break
        choice[min(steps)[1]] -= 1
    return choice


def _by_cost(costs, sizes, budget: int) -> np.ndarray:
    return _down(costs, sizes, budget, lambda lost, saved: lost)


def _by_size(costs, sizes, budget: int) -> np.ndarray:
    return _in_order(np.argsort(-sizes[:, -1]), costs, sizes, budget)


def _by_layer(costs, sizes, budget: int) -> np.ndarray:
    return _in_order(np.argsort(costs[:, 0]), costs, sizes, budget)


def _in_order(order, costs, sizes, budget: int) -> np.ndarray:
    """Narrow one layer to its end, then the next, until the bytes fit."""
    choice = np.full(len(costs), costs.shape[1] - 1)
    layers = np.arange(len(costs))
    for layer in order:
        while choice[layer] and sizes[layers, choice].sum() > budget:
            choice[layer] -= 1
    return choice
