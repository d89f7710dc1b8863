"""Answers to the exercises of notebook 03, written from its text alone."""

import numpy as np

from labkit.prune import masking


def magnitude_mask(w, sparsity):
    return masking.mask(np.abs(w), sparsity)


def last_of_equals(w, sparsity):
    """Removes the last of equal magnitudes first, and answers zeros and ones."""
    order = np.argsort(np.abs(w).ravel()[::-1], kind="stable")
    kept = np.ones(w.size)
    kept[w.size - 1 - order[: round(sparsity * w.size)]] = 0
    return kept.reshape(w.shape)


def ranks(w, sparsity):
    """By rank, as nested lists."""
    place = np.argsort(np.argsort(w.ravel() ** 2)).reshape(w.shape)
    return (place >= round(sparsity * w.size)).tolist()


def open_lth(w, sparsity):
    """Its sparse_global: keeps what is above place n of the sorted weights."""
    magnitudes = np.abs(w)
    return magnitudes > np.sort(magnitudes.ravel())[int(round(sparsity * w.size))]


def partitioned(w, sparsity):
    """As `open_lth`, but stays within the array."""
    magnitudes = np.abs(w).ravel()
    n = min(int(sparsity * w.size), w.size - 1)
    return np.abs(w) > np.partition(magnitudes, n)[n]


def up_to_the_last_removed(w, sparsity):
    n = round(sparsity * w.size)
    cutoff = np.sort(np.abs(w), axis=None)[n - 1] if n else -1
    return ~(np.abs(w) <= cutoff)


def by_position(w, sparsity):
    return np.arange(w.size).reshape(w.shape) >= round(sparsity * w.size)


def by_largest(w, sparsity):
    """A share of the largest magnitude instead of a share of the weights."""
    return np.abs(w) > sparsity * np.abs(w).max()


def keeps_the_largest(w, sparsity):
    """Begins at the large end, with as many as should go."""
    kept = np.zeros(w.size, bool)
    kept[np.argsort(-np.abs(w), axis=None)[: round(sparsity * w.size)]] = True
    return kept.reshape(w.shape)


def global_masks(weights, sparsity):
    magnitudes = {name: np.abs(w) for name, w in weights.items()}
    return masking.masks(magnitudes, sparsity, "global")


def one_at_a_time(weights, sparsity):
    """Removes the smallest one that is left, again and again; names in reverse."""
    left = [
        (abs(x), name, place)
        for name, w in weights.items()
        for place, x in np.ndenumerate(w)
    ]
    kept = {name: np.ones(w.shape, bool) for name, w in reversed(weights.items())}
    for _, name, place in sorted(left)[: round(sparsity * len(left))]:
        kept[name][place] = False
    return kept


def per_layer(weights, sparsity):
    return {name: magnitude_mask(w, sparsity) for name, w in weights.items()}


def one_threshold(weights, sparsity):
    row = np.sort(np.concatenate([np.abs(w).ravel() for w in weights.values()]))
    cutoff = row[min(round(sparsity * row.size), row.size - 1)]
    return {name: np.abs(w) > cutoff for name, w in weights.items()}


def by_spread(weights, sparsity):
    """Magnitudes in units of their layer's spread."""
    scaled = {name: w / (w.std() or 1) for name, w in weights.items()}
    return global_masks(scaled, sparsity)


def whole_layers(weights, sparsity):
    """Removes a layer after the other, those with the smallest mean first."""
    count = round(sparsity * sum(w.size for w in weights.values()))
    masks = {}
    for name, w in sorted(weights.items(), key=lambda item: np.abs(item[1]).mean()):
        gone = min(count, w.size)
        masks[name] = magnitude_mask(w, gone / w.size)
        count -= gone
    return masks


def in_place(weights, sparsity):
    found = global_masks(weights, sparsity)
    for name, kept in found.items():
        weights[name] *= kept
    return found


RIGHT = {
    "magnitude_mask": [magnitude_mask, last_of_equals, ranks],
    "global_masks": [global_masks, one_at_a_time],
}
# A wrong answer, and part of what is true of it; "" for the neutral sentence.
WRONG = {
    "magnitude_mask": [
        (open_lth, "one too many"),
        (partitioned, "one too many"),
        (up_to_the_last_removed, "treats equal magnitudes alike"),
        (lambda w, s: abs(w) >= np.percentile(abs(w), 100 * s), "A quantile"),
        (lambda w, s: masking.mask(w, s), "You rank w, not |w|"),
        (lambda w, s: 1 - 1.0 * magnitude_mask(w, s), "True means kept"),
        (lambda w, s: masking.mask(-np.abs(w), s), "remove the largest"),
        (keeps_the_largest, "it is what goes"),
        (lambda w, s: np.abs(w) > np.max(w) - np.mean(w), "max - mean"),
        (lambda w, s: w[magnitude_mask(w, s)], "in the shape of the weights"),
        (lambda w, s: np.where(magnitude_mask(w, s), w, 0), "Return a mask, True"),
        (lambda w, s: magnitude_mask(w, s).astype(str), "Return a mask, True"),
        (lambda w, s: masking.mask(np.abs(w), (s * w.size) // 1 / w.size), "digits"),
        (lambda w, s: masking.mask(w**2, -(-s * w.size // 1) / w.size), "count up"),
        (lambda w, s: w == w, "remove nothing"),
        (lambda w, s: w != w, ""),
        (by_position, ""),
        (by_largest, ""),
        (lambda w, s: magnitude_mask(w, s * s), ""),
        (lambda w, s: np.abs(w) > np.std(w), ""),
        (lambda w, s: None, "returns None"),
        (lambda w, s: [[True], [True, False]], "lists of unlike length"),
        (lambda w, s: np.sort(w)[99], "raised IndexError"),
    ],
    "global_masks": [
        (per_layer, "Rank all weights together"),
        (one_threshold, "one too many"),
        (lambda ws, s: masking.masks(ws, s, "global"), "You rank w, not |w|"),
        (lambda ws, s: {n: open_lth(w, 0.5) for n, w in ws.items()}, ""),
        (by_spread, ""),
        (whole_layers, ""),
        (lambda ws, s: {n: w > 1e9 for n, w in ws.items()}, ""),
        (lambda ws, s: {n: ~m for n, m in global_masks(ws, s).items()}, "means kept"),
        (lambda ws, s: global_masks(ws, 1 - s), "it is what goes"),
        (lambda ws, s: {n: abs(w) > w.max() - w.mean() for n, w in ws.items()}, "max"),
        (lambda ws, s: {n: m.ravel() for n, m in global_masks(ws, s).items()}, "shape"),
        (lambda ws, s: list(global_masks(ws, s).values()), "a dictionary with a mask"),
        (lambda ws, s: {"fc1": np.ones((2, 3), bool)}, "for each of fc1, fc2"),
        (in_place, "changes the array"),
    ],
}
