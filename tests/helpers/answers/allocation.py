"""Answers to the exercises of notebook 01b, written from its text alone."""

from itertools import product

import numpy as np


def centroid_gradients(q, gradient, count):
    return np.bincount(q.ravel(), weights=gradient.ravel(), minlength=count)


def one_hot(q, gradient, count):
    """As a product of matrices, and as a list."""
    return (np.eye(count)[q.ravel()].T @ gradient.ravel()).tolist()


def adds_at(q, gradient, count):
    sums = np.zeros(count, np.float32)
    np.add.at(sums, q, gradient)
    return sums


def means(q, gradient, count):
    members = np.bincount(q.ravel(), minlength=count)
    return centroid_gradients(q, gradient, count) / np.maximum(members, 1)


def adds_once(q, gradient, count):
    sums = np.zeros(count)
    sums[q] += gradient
    return sums


def leaves_out_empty_ones(q, gradient, count):
    return [gradient[q == code].sum() for code in np.unique(q)]


def counts(q, gradient, count):
    return np.bincount(q.ravel(), minlength=count)


def along_one_axis(q, gradient, count):
    return np.array([(gradient * (q == k)).sum(axis=0) for k in range(count)])


def other_centroid(q, gradient, count):
    return np.roll(centroid_gradients(q, gradient, count), 1)


def total(table, choice):
    return sum(row[k] for row, k in zip(table, choice, strict=True))


def narrowed(costs, sizes, budget, price, over=lambda size, budget: size > budget):
    """One width at a time, where the price is lowest."""
    choice = [len(row) - 1 for row in costs]
    while over(total(sizes, choice), budget):
        steps = []
        for k, c in enumerate(choice):
            if c:
                lost, saved = (
                    costs[k, c - 1] - costs[k, c],
                    sizes[k, c] - sizes[k, c - 1],
                )
                steps.append((price(lost, saved), k))
        if not steps:
            break
        choice[min(steps)[1]] -= 1
    return choice


def assign_bits(costs, sizes, budget):
    return narrowed(costs, sizes, budget, lambda lost, saved: lost / saved)


def brute_force(costs, sizes, budget):
    """Every assignment there is; answers an array of floats."""
    every = product(range(costs.shape[1]), repeat=len(costs))
    fitting = [choice for choice in every if total(sizes, choice) <= budget]
    return np.array(min(fitting, key=lambda choice: total(costs, choice)), float)


def recursion(costs, sizes, budget):
    """The best for the first layer and the rest; answers a tuple."""

    def best(layer, left):
        if layer == len(costs):
            return 0.0, ()
        found = [
            (costs[layer, k] + rest, (k, *choice))
            for k in range(costs.shape[1])
            if sizes[layer, k:].min() <= left
            for rest, choice in [best(layer + 1, left - sizes[layer, k])]
        ]
        return min(found, default=(np.inf, ()))

    return best(0, budget)[1]


def from_below(costs, sizes, budget):
    """Widens where a byte gains most, for as long as something fits."""
    choice = np.zeros(len(costs), int)
    while True:
        gains = []
        for k, c in enumerate(choice[: len(costs)]):
            if c + 1 < costs.shape[1]:
                more = sizes[k, c + 1] - sizes[k, c]
                if total(sizes, choice) + more <= budget:
                    gains.append(((costs[k, c] - costs[k, c + 1]) / more, k))
        if not gains:
            return choice
        choice[max(gains)[1]] += 1


def one_byte_over(costs, sizes, budget):
    return brute_force(costs, sizes, budget + 1)


def tries_all_below_the_budget(costs, sizes, budget):
    every = product(range(costs.shape[1]), repeat=len(costs))
    fitting = [choice for choice in every if total(sizes, choice) < budget]
    return list(min(fitting, key=lambda choice: total(costs, choice)))


def ignores_the_budget(costs, sizes, budget):
    return [costs.shape[1] - 1] * len(costs)


def all_narrowest(costs, sizes, budget):
    return [0] * len(costs)


def uniform(costs, sizes, budget):
    fits = [k for k in range(costs.shape[1]) if sizes[:, k].sum() <= budget]
    return [fits[-1]] * len(costs)


def in_order(costs, sizes, budget, order):
    choice = [len(row) - 1 for row in costs]
    for k in order:
        while choice[k] and total(sizes, choice) > budget:
            choice[k] -= 1
    return choice


def largest_first(costs, sizes, budget):
    return in_order(costs, sizes, budget, np.argsort(-sizes[:, -1]))


def least_sensitive_first(costs, sizes, budget):
    return in_order(costs, sizes, budget, np.argsort(costs[:, 0]))


def least_loss_first(costs, sizes, budget):
    return narrowed(costs, sizes, budget, lambda lost, saved: lost)


def below_the_budget(costs, sizes, budget):
    return narrowed(
        costs,
        sizes,
        budget,
        lambda lost, saved: lost / saved,
        over=lambda size, budget: size >= budget,
    )


def bits_instead(costs, sizes, budget):
    return np.array([2, 3, 4, 8])[assign_bits(costs, sizes, budget)]


def widths_instead(costs, sizes, budget):
    return assign_bits(costs.T, sizes.T, budget)


def first_that_fits(costs, sizes, budget):
    return in_order(costs, sizes, budget, range(len(costs)))


def last_that_fits(costs, sizes, budget):
    return in_order(costs, sizes, budget, reversed(range(len(costs))))


def saves_most_first(costs, sizes, budget):
    return narrowed(costs, sizes, budget, lambda lost, saved: -saved)


def half_widths(costs, sizes, budget):
    return assign_bits(costs, sizes, budget) * np.array(0.5)


def changes_costs(costs, sizes, budget):
    costs[:, 0] = 1e9
    return assign_bits(costs, sizes, budget)


RIGHT = {
    "centroid_gradients": [centroid_gradients, one_hot, adds_at],
    "assign_bits": [assign_bits, brute_force, recursion, from_below],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "centroid_gradients": [
        (means, "their gradients add up"),
        (adds_once, "adds once where an index repeats"),
        (leaves_out_empty_ones, "A centroid without weights has a gradient too"),
        (counts, "You count the weights"),
        (along_one_axis, "in one dimension"),
        (other_centroid, ""),
        (lambda *given: -centroid_gradients(*given), "The sign"),
        (lambda q, g, count: centroid_gradients(q, g * g, count), ""),
        (lambda q, g, count: centroid_gradients(q, g, count) / q.size, ""),
        (lambda q, g, count: centroid_gradients(q, g - g.mean(), count), ""),
        (lambda q, g, count: np.zeros(count), ""),
        (lambda q, g, count: g[:count], ""),
        (lambda q, g, count: None, "returns None"),
    ],
    "assign_bits": [
        (ignores_the_budget, "bytes of a budget of 1760"),
        (one_byte_over, "2320 bytes of a budget of 2319"),
        (all_narrowest, "and bytes are left"),
        (uniform, "All your layers have the same width"),
        (largest_first, "You narrow the largest layers first"),
        (least_sensitive_first, "the smallest cost first, down to the end"),
        (least_loss_first, "divide the cost by the bytes saved"),
        (below_the_budget, "just the budget fits"),
        (tries_all_below_the_budget, "just the budget fits"),
        (bits_instead, "not bits, bytes or costs"),
        (widths_instead, "one column for each of the 5 layers"),
        (first_that_fits, "in the order in which they stand"),
        (last_that_fits, ""),
        (saves_most_first, "saves most bytes"),
        (changes_costs, "changes the array"),
        (half_widths, "not bits, bytes or costs"),
        (lambda costs, sizes, budget: brute_force(sizes, sizes, budget), "narrowest"),
        (lambda costs, sizes, budget: brute_force(costs**2, sizes, budget), ""),
        (lambda costs, sizes, budget: 3, "one column for each of the 5 layers"),
        (lambda costs, sizes, budget: None, "returns None"),
    ],
}
